"""Crosstalk as an array shows it, without any model.

Two kinds of patterns reveal it by plain differences of charges:

- pair (word lines a and b = a + 1 on for the same time): X = Q_pair - Q_a - Q_b, what the
  two cells do to each other's charge;
- leave_one_out (all on but j): X = Q_all - Q_out(j) - Q_j, what word line j and the rest of
  the array do to each other.

Divided by the pulse width both are currents [A], one per word line and bit line. The
same difference taken on simulated charges is the fair comparison, since drop and noise
enter both.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import DataError, nearest_name

KINDS = ("pair", "leave_one_out")
CROSSTALK_CURRENT = "crosstalk_current"


def _choose(measurement: xr.Dataset, weight_set: int) -> xr.Dataset:
    """Patterns of one weight set; all of a file that has only one."""
    if v.WEIGHT_SET_OF_PATTERN not in measurement.coords:
        return measurement
    return measurement.isel({v.PATTERN: measurement[v.WEIGHT_SET_OF_PATTERN].values == weight_set})


def _by_active_lines(measurement: xr.Dataset) -> dict[tuple[int, ...], dict[float, np.ndarray]]:
    """Mean charge of the patterns whose active pulses are equally wide.

    By the active word lines, then by their width [s]; repeated measurements are averaged.
    """
    width = measurement[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    charge = measurement[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values
    repeats: dict[tuple[int, ...], dict[float, list[np.ndarray]]] = {}
    for widths, charges in zip(width, charge, strict=True):
        lines = tuple(int(j) for j in np.flatnonzero(widths))
        if lines and np.ptp(widths[list(lines)]) == 0:
            by_width = repeats.setdefault(lines, {})
            by_width.setdefault(float(widths[lines[0]]), []).append(charges)
    return {
        lines: {width: np.mean(charges, axis=0) for width, charges in by_width.items()}
        for lines, by_width in repeats.items()
    }


def _difference(
    found: dict[tuple[int, ...], dict[float, np.ndarray]],
    whole: tuple[int, ...],
    parts: tuple[tuple[int, ...], ...],
) -> np.ndarray | None:
    """(Q_whole - sum of Q_parts) / width at the widest pulse that all of them share."""
    widths = set(found.get(whole, {}))
    for lines in parts:
        widths &= set(found.get(lines, {}))
    if not widths:
        return None
    width = max(widths)
    return (found[whole][width] - sum(found[lines][width] for lines in parts)) / width


def crosstalk_map(
    measurement: xr.Dataset, *, kind: str = "pair", weight_set: int = 0
) -> xr.Dataset:
    """Model-free crosstalk current of every word line on every bit line.

    crosstalk_current (word_line, bit_line) [A]; for pairs, word line a stands for the pair
    (a, a + 1), so there is one row fewer. NaN marks differences whose patterns the
    measurement lacks; raises DataError when it lacks them all.
    """
    if kind not in KINDS:
        raise DataError("kind", expected="a kind", got=repr(kind), advice=nearest_name(kind, KINDS))
    n_word_lines = measurement.sizes[v.WORD_LINE]
    parts: tuple[tuple[int, ...], ...]
    found = _by_active_lines(_choose(measurement, weight_set))
    everything = tuple(range(n_word_lines))
    rows = range(n_word_lines - 1) if kind == "pair" else range(n_word_lines)
    current = np.full((len(rows), measurement.sizes[v.BIT_LINE]), np.nan)
    for j in rows:
        if kind == "pair":
            whole: tuple[int, ...] = (j, j + 1)
            parts = ((j,), (j + 1,))
        else:
            whole, parts = everything, (everything[:j] + everything[j + 1 :], (j,))
        difference = _difference(found, whole, parts)
        if difference is not None:
            current[j] = difference
    if np.isnan(current).all():
        raise DataError(
            f"patterns of weight set {weight_set}",
            expected=f"{kind} patterns with the one-hot patterns of the same width",
            got=f"none among {measurement.sizes[v.PATTERN]}",
            advice="Choose the other kind, or measure these patterns.",
        )
    names = {"pair": "of a pair", "leave_one_out": "with the rest of the array"}
    return xr.Dataset(
        {
            CROSSTALK_CURRENT: (
                (v.WORD_LINE, v.BIT_LINE),
                current,
                {"units": "A", "long_name": f"crosstalk current {names[kind]}"},
            )
        },
        coords={
            v.WORD_LINE: measurement[v.WORD_LINE].values[: len(rows)],
            v.BIT_LINE: measurement[v.BIT_LINE].values,
        },
        attrs={v.KIND: kind, "weight_set": weight_set},
    )
