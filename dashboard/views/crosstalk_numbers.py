"""Numbers of the crosstalk page, computed by the library.

Per cell of the array, in single precision: a heatmap shows no more digits, and a large
array is done in half the time. Results are cached by the identity of chip or measurement;
only few are kept, because one map of a 1024 x 1024 array takes 4 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import BitLine, Chip, CouplingByCell, CouplingByClass, Layout, Pulse
from analog_model.crosstalk import CROSSTALK_CURRENT
from dashboard.compute import IdentityCache

_maps = IdentityCache(6)
_limits = IdentityCache(8)
_courses = IdentityCache(4)
_comparisons = IdentityCache(8)


@dataclass(frozen=True)
class Quantity:
    """Something that every cell has: names, unit shown with its size in SI, sign."""

    name: str
    label: str
    unit: str
    factor: float
    short: str
    signed: bool = False


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("shift", "Current shift", "%", 1e-2, "Shift", signed=True),
        Quantity("weight", "Weight", "nA", 1e-9, "Weight"),
        Quantity("layout_class", "Layout class", "", 1.0, "Layout class"),
        Quantity("drop", "Drop", "mV", 1e-3, "Drop"),
    )
}


def quantity_label(name: str) -> str:
    """A quantity with its unit."""
    quantity = QUANTITIES[name]
    return f"{quantity.label} ({quantity.unit})" if quantity.unit else quantity.label


@dataclass(frozen=True)
class CellMap:
    """One quantity of every cell: `values` (N, M) in SI, between `low` and `high` in colour.

    `kappa` (N, M), the cells' summed lift [n U_T], where the quantity comes from it.
    """

    quantity: Quantity
    values: np.ndarray
    low: float
    high: float
    kappa: np.ndarray | None = None


def cell_map(chip: Chip, active: np.ndarray, name: str) -> CellMap:
    """The map of one of `QUANTITIES` with the word lines `active` (N,) high.

    The colour range belongs to the chip, not to the pattern, so that colours can be
    compared from slot to slot.
    """
    quantity = QUANTITIES[name]
    if name == "shift":
        found = _shift(chip, active)
        limit = nice_limit(_largest_shift(chip))
        return CellMap(
            quantity, found[v.CURRENT_SHIFT].values, -limit, limit, found["kappa"].values
        )
    if name == "drop":
        every = np.ones(chip.n_word_lines, dtype=bool)
        largest = _limits.get((chip,), "largest drop", lambda: float(_drop(chip, every).max()))
        limit = nice_limit(largest)
        return CellMap(quantity, _drop(chip, active), 0.0, limit)
    if name == "weight":
        values = _maps.get((chip,), "weight", lambda: chip.cell_current.astype(np.float32))
        return CellMap(quantity, values, 0.0, nice_limit(float(values.max())))
    classes = chip.layout.layout_class.astype(np.float32)
    return CellMap(quantity, classes, -0.5, chip.layout.n_classes - 0.5)


def nice_limit(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten; a tiny one for 0."""
    if not value > 0:
        return 1e-12
    power = 10.0 ** np.floor(np.log10(value))
    for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10):
        if value <= step * power * (1 + 1e-6):
            return float(step * power)
    raise AssertionError(value)


def _shift(chip: Chip, active: np.ndarray) -> xr.Dataset:
    pattern = np.asarray(active, dtype=bool)
    return _maps.get(
        (chip,),
        ("shift", pattern.tobytes()),
        lambda: am.current_shift(chip, pattern, drop=False, dtype=np.float32),
    )


def _drop(chip: Chip, active: np.ndarray) -> np.ndarray:
    pattern = np.asarray(active, dtype=bool)
    return _maps.get(
        (chip,),
        ("drop", pattern.tobytes()),
        lambda: am.current_shift(chip, pattern, dtype=np.float32)[v.DROP].values,
    )


def _largest_shift(chip: Chip) -> float:
    """What |I'/I - 1| cannot exceed on any cell, whatever the activation pattern.

    The shift rises with the lift, falls with the current: the extremes are those of the
    weakest cell under the largest sums of only positive, only negative couplings.
    """
    coupling = chip.coupling
    if coupling is None or not np.any(coupling.kappa):
        return 0.0
    rises, falls = _limits.get((coupling, chip.layout), "lift", lambda: _largest_lifts(chip))
    weakest = chip.cell_current.min()
    pair = chip.replace(
        cell_current=np.full((2, 2), weakest),
        layout=Layout.uniform(2, 2),
        coupling=CouplingByCell(offsets=(1,), kappa=[[[rises, falls], [0.0, 0.0]]]),
        bit_line=BitLine(),
        pulse=Pulse(),
    )
    shift = am.current_shift(pair, [0.0, 1.0], drop=False)[v.CURRENT_SHIFT]
    return float(np.abs(shift.values[0]).max())


def _largest_lifts(chip: Chip) -> tuple[float, float]:
    """Largest sums of only the positive, only the negative couplings of a cell [n U_T]."""
    coupling = chip.coupling
    assert coupling is not None
    # Per class where classes are all that differs, neighbours along the last axis.
    if isinstance(coupling, CouplingByClass):
        kappa = coupling.kappa
    else:
        kappa = np.moveaxis(coupling.kappa_of_cells(chip.layout), 0, -1)
    return (
        float(np.maximum(kappa, 0).sum(axis=-1).max()),
        float(np.minimum(kappa, 0).sum(axis=-1).min()),
    )


@dataclass(frozen=True)
class Aggressor:
    """A word line that lifts a cell: `offset` word lines away, by `kappa` [n U_T]."""

    word_line: int
    offset: int
    kappa: float
    active: bool


def aggressors(chip: Chip, word_line: int, bit_line: int, active: np.ndarray) -> list[Aggressor]:
    """What couples onto one cell, nearest first."""
    coupling = chip.coupling
    if coupling is None:
        return []
    layout = chip.layout
    lines = coupling.aggressors(layout)[:, word_line]
    if isinstance(coupling, CouplingByClass):
        kappa = coupling.kappa[layout.layout_class[word_line, bit_line]]
    else:
        every = _limits.get((coupling, layout), "kappa", lambda: coupling.kappa_of_cells(layout))
        kappa = every[:, word_line, bit_line]
    found = [
        Aggressor(int(line), int(line) - word_line, float(lift), bool(active[line]))
        for line, lift in zip(lines, kappa, strict=True)
        if line < chip.n_word_lines and lift != 0
    ]
    return sorted(found, key=lambda item: (abs(item.offset), item.offset))


def cell_course(chip: Chip, pulse_width: np.ndarray, word_line: int, bit_line: int) -> np.ndarray:
    """Current (time_slot,) [A] of one cell in each slot, with every effect but droop."""
    width = np.asarray(pulse_width, dtype=float)
    whole_line = _courses.get(
        (chip,),
        (bit_line, width.tobytes()),
        lambda: am.slot_currents(chip, width, bit_line=bit_line)[v.CELL_CURRENT].values[..., 0],
    )
    return np.asarray(whole_line[:, word_line])


@dataclass(frozen=True)
class Comparison:
    """Measured and simulated crosstalk current (row, bit_line) [A] of one kind of pattern.

    NaN where the measurement lacks patterns. `ratio` is the signal-to-error ratio of the
    simulated map over all cells that were measured; `n_patterns` entered.
    """

    kind: str
    measured: np.ndarray
    simulated: np.ndarray
    ratio: float
    n_patterns: int


def comparison(chip: Chip, measurement: xr.Dataset, kind: str, weight_set: int) -> Comparison:
    """The same model-free observable on measured charge, on the chip's simulated charge.

    Raises `DataError` where the weight set has no patterns of this kind, `SimulationError`
    where the chip cannot take them.
    """
    return _comparisons.get(
        (chip, measurement),
        (kind, weight_set),
        lambda: _compare(chip, measurement, kind, weight_set),
    )


def _compare(chip: Chip, measurement: xr.Dataset, kind: str, weight_set: int) -> Comparison:
    chosen = patterns_of(kind, measurement, weight_set)
    measured = am.crosstalk_map(chosen, kind=kind, weight_set=weight_set)[CROSSTALK_CURRENT].values
    simulation = am.simulated_measurement(chip, chosen)
    simulated = am.crosstalk_map(simulation, kind=kind, weight_set=weight_set)
    values = simulated[CROSSTALK_CURRENT].values
    known = np.isfinite(measured)
    ratio = float(am.signal_to_error_ratio(measured[known], values[known]))
    return Comparison(kind, measured, values, ratio, chosen.sizes[v.PATTERN])


def patterns_of(kind: str, measurement: xr.Dataset, weight_set: int) -> xr.Dataset:
    """Patterns of one weight set that enter the map: lines on for one time, as many as it takes.

    No other pattern needs to be simulated.
    """
    width = measurement[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    on, n_lines, widest = width > 0, width.shape[1], width.max(axis=1)
    equal = (np.where(on, width, widest[:, None]) == widest[:, None]).all(axis=1)
    counts = (1, 2) if kind == "pair" else (1, n_lines - 1, n_lines)
    keep = equal & np.isin(on.sum(axis=1), counts)
    if v.WEIGHT_SET_OF_PATTERN in measurement.coords:
        keep &= measurement[v.WEIGHT_SET_OF_PATTERN].values == weight_set
    return measurement.isel({v.PATTERN: keep})
