"""Extraction of weights from a measurement.

Every method answers the same question, which current does each cell draw, from other
patterns under another model:

    single         the one-hot reads; N measurements
    leave_one_out  all word lines on, minus all but one; N + 1 measurements
    regression     least squares of the ideal product over patterns, held to the one-hot
                   reads by a ridge; N reads plus the patterns
    joint          the weights of the full calibration; the same measurements

Only the last knows crosstalk and drop. Regression puts their average over its patterns into
the weights, so it serves the ideal product on inputs like those, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.cells import FLOOR
from analog_model.calibration.ladder import Progress
from analog_model.calibration.observations import Observations, ReadNoise, observe
from analog_model.calibration.reads import OneHotReads, one_hot_reads
from analog_model.calibration.result import Calibration
from analog_model.chip import Layout
from analog_model.errors import ConfigurationError, DataError, nearest_name

# Ridge strengths tried, relative to the largest singular value of the patterns, squared.
RIDGES = np.geomspace(1e-10, 1e2, 73)


@dataclass(frozen=True)
class Weights:
    """Cell currents (N, M) [A] with their standard errors; `error` None where nothing says.

    `n_patterns` of pulses and `n_reads` static one-hot reads went into them; `note` says
    what a reader must know.
    """

    current: np.ndarray
    error: np.ndarray | None
    n_patterns: int
    n_reads: int
    note: str = ""


@dataclass(frozen=True)
class _Request:
    """What a method may look at."""

    measurement: xr.Dataset
    weight_set: int
    read_noise: ReadNoise | None
    layout: Layout | None
    calibration: Calibration | None
    progress: Progress | None

    def observations(self) -> Observations:
        return observe(self.measurement, weight_set=self.weight_set, noise=self.read_noise)

    def reads(self) -> OneHotReads:
        return one_hot_reads(self.measurement, weight_set=self.weight_set)


def _single(request: _Request) -> Weights:
    """The one-hot reads: static ones where the file has them, else Q / t."""
    reads = request.reads()
    if reads.source == "static":
        note = "The file does not state the error of its static reads."
        return Weights(reads.current, None, 0, reads.current.shape[0], note)
    if reads.source == "none":
        raise DataError(
            "measurement",
            expected=f"{v.CELL_CURRENT}, or a pattern with a single active line per word line",
            got="neither",
        )
    seen = request.observations()
    single = (seen.pulse_width > 0).sum(axis=1) == 1
    time = seen.pulse_width[single]
    # I = sum(t Q) / sum(t^2) over the repeats of a word line.
    error = np.sqrt((time.T**2) @ seen.sigma[single] ** 2) / (time**2).sum(axis=0)[:, None]
    return Weights(reads.current, _stated(error, seen), int(single.sum()), 0)


def _leave_one_out(request: _Request) -> Weights:
    """I_j = (Q_all - Q_all_but_j) / t_j, mean over what was measured."""
    seen = request.observations()
    width, charge, variance = seen.pulse_width, seen.charge, seen.sigma**2
    shape = (width.shape[1], charge.shape[1])
    total, spread, count = np.zeros(shape), np.zeros(shape), np.zeros(shape[0])
    used: set[int] = set()
    for whole in np.flatnonzero((width > 0).all(axis=1)):
        missing = (width == 0) & (width[whole] > 0)
        partner = (missing.sum(axis=1) == 1) & ((width == width[whole]) | missing).all(axis=1)
        for pattern in np.flatnonzero(partner):
            j = int(np.argmax(missing[pattern]))
            total[j] += (charge[whole] - charge[pattern]) / width[whole, j]
            spread[j] += (variance[whole] + variance[pattern]) / width[whole, j] ** 2
            count[j] += 1
            used |= {int(whole), int(pattern)}
    if not count.all():
        raise DataError(
            "measurement",
            expected="an all-on pattern with its leave-one-out pattern for every word line",
            got=f"none for word line {int(np.argmin(count))}",
        )
    error = np.sqrt(spread) / count[:, None]
    return Weights(total / count[:, None], _stated(error, seen), len(used), 0)


def _regression(request: _Request) -> Weights:
    """Ridge regression of the ideal product over the patterns of several word lines.

    Those of a single one are reads themselves; with them crosstalk's average would be less.
    """
    seen, reads = request.observations(), request.reads()
    several = together(seen.pulse_width)
    if not several.any():
        raise DataError(
            "measurement",
            expected="calibration patterns with several active word lines",
            got="none",
        )
    anchor = None if reads.source == "none" else reads.current
    current, error = ridge(seen.pulse_width[several], seen.charge[several], anchor)
    n_singles = int((~several).sum()) if reads.source == "single" else 0
    n_reads = reads.current.shape[0] if reads.source == "static" else 0
    note = "The ridge holds to zero: the file has no one-hot reads." if anchor is None else ""
    return Weights(current, error, int(several.sum()) + n_singles, n_reads, note)


def _joint(request: _Request) -> Weights:
    """The weights that the full calibration finds along with the chip's parameters."""
    found = request.calibration or calibrate(
        request.measurement,
        weight_set=request.weight_set,
        layout=request.layout,
        read_noise=request.read_noise,
        progress=request.progress,
    )
    if found.weight_set != request.weight_set:
        raise ConfigurationError(
            "calibration",
            expected=f"one of weight set {request.weight_set}",
            got=f"one of weight set {found.weight_set}",
        )
    cells = found.cells.transpose(..., v.WORD_LINE, v.BIT_LINE)
    n_patterns = request.observations().n_patterns
    static = request.reads().source == "static"
    n_reads = found.cells.sizes[v.WORD_LINE] if static else 0
    error = cells["standard_error"].values
    return Weights(cells[v.CELL_CURRENT].values, error, n_patterns, n_reads)


METHODS: Mapping[str, Callable[[_Request], Weights]] = MappingProxyType(
    {
        "single": _single,
        "leave_one_out": _leave_one_out,
        "regression": _regression,
        "joint": _joint,
    }
)


def extract_weights(
    measurement: xr.Dataset,
    method: str = "joint",
    *,
    weight_set: int = 0,
    read_noise: ReadNoise | None = None,
    layout: Layout | None = None,
    calibration: Calibration | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Cell currents of one weight set by one of `METHODS`, from calibration patterns only.

    Dataset (word_line, bit_line): cell_current [A], never below zero, as a cell conducts one
    way (attribute n_negative: how many were set to 0), and standard_error [A], absent where the
    file does not say. Attributes: method, n_patterns, n_reads, n_measurements (their sum).
    The errors of plain methods hold what noise or the scatter of the fit makes, not what
    crosstalk adds. `layout`, `progress`, or a `calibration` at hand serve the method joint.

    Raises DataError where the patterns that a method needs are missing.
    """
    if method not in METHODS:
        raise ConfigurationError(
            "method",
            expected=f"one of {', '.join(METHODS)}",
            got=repr(method),
            advice=nearest_name(method, METHODS),
        )
    request = _Request(measurement, weight_set, read_noise, layout, calibration, progress)
    return _table(METHODS[method](request), method, weight_set)


def _table(weights: Weights, method: str, weight_set: int) -> xr.Dataset:
    current = weights.current
    cells = (v.WORD_LINE, v.BIT_LINE)
    values = {v.CELL_CURRENT: np.maximum(current, 0.0)}
    if weights.error is not None:
        values[v.STANDARD_ERROR] = weights.error
    attrs: dict[str, str | int] = {
        "schema": v.EXTRACTION_SCHEMA,
        "method": method,
        "weight_set": weight_set,
        "n_patterns": weights.n_patterns,
        "n_reads": weights.n_reads,
        "n_measurements": weights.n_patterns + weights.n_reads,
        "n_negative": int((current < 0).sum()),
    }
    if weights.note:
        attrs["note"] = weights.note
    spec = v.EXTRACTION_VARIABLES
    return xr.Dataset(
        {
            name: (cells, value, {"units": spec[name].unit, "long_name": spec[name].long_name})
            for name, value in values.items()
        },
        coords={dim: np.arange(size) for dim, size in zip(cells, current.shape, strict=True)},
        attrs=attrs,
    )


def _stated(error: np.ndarray, seen: Observations) -> np.ndarray | None:
    """The error where the noise behind it is known."""
    return error if seen.noise_known else None


def together(width: np.ndarray) -> np.ndarray:
    """Which patterns (V, N) have several active word lines."""
    return (width > 0).sum(axis=1) > 1


def ridge(
    width: np.ndarray, charge: np.ndarray, anchor: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Currents (N, M) [A] of the ideal product with their errors, drawn to an `anchor`.

    Minimises |Q - t I|^2 + lambda |(I - I0) / s|^2 for each bit line, s the scale on which a
    weight departs from its read I0: itself, but no less than a hundredth of the largest; all
    alike without reads. One lambda for the array, by generalised cross-validation (Golub,
    Heath, Wahba, Technometrics 21 (1979) 215). Every reading counts alike, for what the
    ideal product misses is the chip's effects rather than noise. The errors are those of a
    Gaussian prior of that strength, with the misfit for noise.
    """
    start = np.zeros((width.shape[1], charge.shape[1])) if anchor is None else anchor
    scale = np.hypot(start, FLOOR * start.max()) if anchor is not None else np.ones_like(start)
    left = charge - width @ start
    # For each bit line t s = U d V^T, so that each ridge costs a division only.
    u, d, vt = np.linalg.svd(width[None] * scale.T[:, None, :], full_matrices=False)
    inside = np.einsum("ipk,pi->ik", u, left)
    strength = RIDGES[:, None, None] * float((d**2).max(initial=0.0))
    lost = strength / (d**2 + strength)
    outside = float(((left.T - np.einsum("ipk,ik->ip", u, inside)) ** 2).sum())
    missed = outside + ((lost * inside) ** 2).sum(axis=(1, 2))
    freedom = charge.size - d.size + lost.sum(axis=(1, 2))
    best = int(np.argmin(missed / freedom**2))
    filtered = d / (d**2 + strength[best]) * inside
    current = start + scale * np.einsum("ikj,ik->ji", vt, filtered)
    # Prior variance where the patterns say nothing, less of it where they do.
    prior = missed[best] / freedom[best] / strength[best]
    variance = prior * (1 - np.einsum("ikj,ik->ji", vt**2, 1 - lost[best]))
    return current, scale * np.sqrt(variance)
