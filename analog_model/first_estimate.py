"""First estimate of a chip from a measurement.

Enough to look at a chip before it is calibrated: weights from the one-hot reads, kappa per
layout class by linear least squares on the differences that show crosstalk. No drop, no
dead time, no uncertainties; calibration is another module.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import BitLine, Chip, CouplingByClass, Layout, Pulse
from analog_model.crosstalk import CROSSTALK_CURRENT, KINDS, crosstalk_map
from analog_model.errors import DataError


def one_hot_current(measurement: xr.Dataset, *, weight_set: int = 0) -> np.ndarray:
    """Cell currents (N, M) [A] of one weight set from its one-hot reads.

    The static reads when the file has them, else the charge of the patterns with a single
    active word line over their pulse width; negative readings of empty cells count as 0.
    """
    if v.CELL_CURRENT in measurement:
        current = measurement[v.CELL_CURRENT].isel({v.WEIGHT_SET: weight_set})
        return current.transpose(v.WORD_LINE, v.BIT_LINE).values.clip(min=0)
    width = measurement[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    single = (width > 0).sum(axis=1) == 1
    if v.WEIGHT_SET_OF_PATTERN in measurement.coords:
        single &= measurement[v.WEIGHT_SET_OF_PATTERN].values == weight_set
    charge = measurement[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values[single]
    time = width[single]
    missing = np.flatnonzero(~(time > 0).any(axis=0))
    if missing.size:
        raise DataError(
            f"one-hot reads of weight set {weight_set}",
            expected="cell_current, or a single-word-line pattern for every word line",
            got=f"none for word line {missing[0]}",
        )
    # Least squares over repeats: I = sum(t Q) / sum(t^2), per word line.
    return ((time.T @ charge) / (time**2).sum(axis=0)[:, None]).clip(min=0)


def layout_of(measurement: xr.Dataset) -> Layout:
    """Layout of the measurement's array; one class where the file has no layout map."""
    sizes = measurement.sizes[v.WORD_LINE], measurement.sizes[v.BIT_LINE]
    if v.LAYOUT_CLASS not in measurement:
        return Layout.uniform(*sizes)
    layout_class = measurement[v.LAYOUT_CLASS].transpose(v.WORD_LINE, v.BIT_LINE).values
    names = tuple(f"class {k}" for k in range(int(layout_class.max()) + 1))
    return Layout(layout_class=layout_class, class_names=names)


def _crosstalk_equations(
    measurement: xr.Dataset, kind: str, weight_set: int, current: np.ndarray, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Linear equations (design, seen) for kappa flattened from (class, offset -1 or +1).

    To first order a cell that adjoins an active word line gains kappa times its current.
    A pair difference at word line a holds the gain of cell a from its neighbour above and
    of cell a + 1 from its neighbour below; a leave-one-out difference at j holds both pairs
    that j belongs to.
    """
    seen = crosstalk_map(measurement, kind=kind, weight_set=weight_set)[CROSSTALK_CURRENT].values
    n_word_lines, n_bit_lines = current.shape
    column = np.arange(n_bit_lines)
    pair = np.zeros((n_word_lines + 1, n_bit_lines, 2 * layout.n_classes))
    for a in range(n_word_lines - 1):
        pair[a + 1, column, 2 * layout.layout_class[a] + 1] += current[a]
        pair[a + 1, column, 2 * layout.layout_class[a + 1]] += current[a + 1]
    design = pair[1:-1] if kind == "pair" else pair[:-1] + pair[1:]
    known = ~np.isnan(seen)
    return design[known], seen[known]


def estimate_kappa(
    measurement: xr.Dataset, current: np.ndarray, layout: Layout, *, weight_set: int = 0
) -> np.ndarray | None:
    """kappa (class, offset -1 or +1) by linear least squares; None without suitable patterns.

    A class whose cells the patterns do not reach gets 0.
    """
    designs, seens = [], []
    for kind in KINDS:
        try:
            design, seen = _crosstalk_equations(measurement, kind, weight_set, current, layout)
        except DataError:
            continue
        designs.append(design)
        seens.append(seen)
    if not designs:
        return None
    solution = np.linalg.lstsq(np.concatenate(designs), np.concatenate(seens), rcond=None)[0]
    return solution.reshape(layout.n_classes, 2)


def starting_chip(measurement: xr.Dataset, *, weight_set: int = 0) -> Chip:
    """A first estimate of the measured chip, to look at before it is calibrated.

    Weak-inversion cells with the one-hot reads as weights; kappa per class where the
    measurement has pair or leave-one-out patterns.
    """
    current = one_hot_current(measurement, weight_set=weight_set)
    layout = layout_of(measurement)
    kappa = estimate_kappa(measurement, current, layout, weight_set=weight_set)
    attrs = measurement.attrs
    segments = measurement.get(v.SEGMENTS_TO_SENSE)
    optional = {
        name: float(attrs[name])
        for name in ("v_word_line", "v_bit_line", "temperature_celsius")
        if name in attrs
    }
    alignment = attrs.get("alignment", "leading")
    return Chip(
        name=str(attrs.get("chip", "unnamed chip")),
        cell_current=current,
        layout=layout,
        coupling=None if kappa is None else CouplingByClass(offsets=(-1, 1), kappa=kappa),
        bit_line=BitLine(segments_to_sense=None if segments is None else segments.values),
        pulse=Pulse(alignment=alignment, lsb=attrs.get("pulse_lsb")),
        source=f"first estimate from {attrs.get('source', 'a measurement')}",
        **optional,
    )
