"""Simulation with labels in, labels out."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.errors import SimulationError, nearest_name
from analog_model.physics import slots, time_slots
from analog_model.simulation_method import METHODS, Task
from analog_model.tensors import array_tensors, labelled_charge, labelled_numbers

PulseWidth = TypeVar("PulseWidth", xr.DataArray, np.ndarray, torch.Tensor)


def _check_widths(chip: Chip, width: np.ndarray, name: str = v.PULSE_WIDTH) -> None:
    if width.shape[-1:] != (chip.n_word_lines,):
        raise SimulationError(
            name, expected=f"{chip.n_word_lines} word lines last", got=f"shape {width.shape}"
        )
    bad = ~np.isfinite(width) | (width < 0)
    if bad.any():
        index = [int(k) for k in np.argwhere(bad)[0]]
        raise SimulationError(
            f"{name}{index}", expected="a width of 0 s or more", got=f"{width[tuple(index)]:g} s"
        )
    top, lsb = chip.pulse.full_scale, chip.pulse.lsb
    if top is not None and lsb is not None and (width > top + lsb / 2).any():
        index = [int(k) for k in np.argwhere(width > top + lsb / 2)[0]]
        raise SimulationError(
            f"{name}{index}",
            expected=f"at most {top:g} s, the widest of {chip.pulse.bits} bits of {lsb:g} s",
            got=f"{width[tuple(index)]:g} s",
            advice="Scale the inputs, or give the chip more bits or a longer lsb.",
        )


def _check_starts(width: np.ndarray, start: np.ndarray) -> None:
    if start.shape != width.shape:
        raise SimulationError(
            v.PULSE_START,
            expected=f"one start per pulse, shape {width.shape}",
            got=f"shape {start.shape}",
        )
    if not np.isfinite(start).all():
        index = [int(k) for k in np.argwhere(~np.isfinite(start))[0]]
        raise SimulationError(
            f"{v.PULSE_START}{index}", expected="a finite time", got=f"{start[tuple(index)]:g} s"
        )


def _start_like(pulse_start: Any, pulse_width: Any) -> Any:
    """Labelled starts in the order of the widths' dimensions; anything else as it is."""
    if isinstance(pulse_start, xr.DataArray) and isinstance(pulse_width, xr.DataArray):
        if set(pulse_start.dims) != set(pulse_width.dims):
            raise SimulationError(
                v.PULSE_START,
                expected=f"the dimensions of {v.PULSE_WIDTH}, {tuple(map(str, pulse_width.dims))}",
                got=str(tuple(map(str, pulse_start.dims))),
            )
        return pulse_start.transpose(*pulse_width.dims)
    return pulse_start


def _tensors(
    chip: Chip, pulse_width: torch.Tensor, pulse_start: Any
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Widths with starts of a caller who brought tensors, checked."""
    if not pulse_width.is_floating_point():
        raise SimulationError(
            v.PULSE_WIDTH, expected="a floating-point tensor in s", got=str(pulse_width.dtype)
        )
    width = pulse_width.detach().cpu().double().numpy()
    _check_widths(chip, width)
    if pulse_start is not None:
        if not isinstance(pulse_start, torch.Tensor):
            raise SimulationError(
                v.PULSE_START, expected="a tensor, as the widths", got=type(pulse_start).__name__
            )
        _check_starts(width, pulse_start.detach().cpu().double().numpy())
    return pulse_width, pulse_start


def _numbers(
    chip: Chip, pulse_width: Any, pulse_start: Any
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Widths with starts of a caller who brought labelled or NumPy arrays, checked."""

    def numbers(data: Any) -> np.ndarray:
        if isinstance(data, xr.DataArray):
            return labelled_numbers(data, v.WORD_LINE, chip.n_word_lines)
        return np.asarray(data, dtype=np.float64)

    width = numbers(pulse_width)
    start = None if pulse_start is None else numbers(_start_like(pulse_start, pulse_width))
    _check_widths(chip, width)
    if start is None:
        return torch.tensor(width), None
    _check_starts(width, start)
    return torch.tensor(width), torch.tensor(start)


def _check_options(method: str, pulse_width: Any, merge_tolerance: float) -> None:
    if method not in METHODS:
        raise SimulationError(
            "method", expected="a method", got=repr(method), advice=nearest_name(method, METHODS)
        )
    if method == "reference" and isinstance(pulse_width, torch.Tensor):
        raise SimulationError(
            "method 'reference'",
            expected="NumPy or labelled input",
            got=type(pulse_width).__name__,
            advice="Use method='slots'.",
        )
    if not merge_tolerance >= 0:
        raise SimulationError(
            "merge_tolerance", expected="0 s or more", got=f"{merge_tolerance:g} s"
        )


def simulate(
    chip: Chip,
    pulse_width: PulseWidth,
    *,
    method: str = "slots",
    pulse_start: PulseWidth | None = None,
    merge_tolerance: float = 0.0,
    tolerance: float | None = None,
) -> PulseWidth:
    """Charge [C] on every bit line for vectors of pulses, of the kind that came in.

    `pulse_width` (..., word_line) [s] as DataArray, NumPy array or tensor gives
    (..., bit_line) of the same kind; a tensor keeps its dtype, device and gradient.
    `pulse_start` [s], of the same shape, overrides the chip's alignment.
    `merge_tolerance` [s] pools slots up to that length (method "slots"); a DataArray then
    carries the bound of the error as attribute `merge_bound` [C].
    `tolerance` is the relative rms error allowed (method "closed_form", 1e-3 by default); a
    DataArray then carries the attributes `error_estimate`, measured on some of the pulses
    by slots, and `expansion`.

    Methods: "slots", exact; "closed_form", fast for large arrays with a common edge or
    centre; "reference", the NumPy loops that both are held to.
    Raises SimulationError for widths that are negative, not finite, or of another length,
    for starts that do not match them, for tensors of whole numbers, for what the method
    cannot do, for a tolerance that it misses.
    """
    _check_options(method, pulse_width, merge_tolerance)
    if isinstance(pulse_width, torch.Tensor):
        task = Task(chip, *_tensors(chip, pulse_width, pulse_start), merge_tolerance, tolerance)
        return METHODS[method](task).charge
    task = Task(chip, *_numbers(chip, pulse_width, pulse_start), merge_tolerance, tolerance)
    with torch.no_grad():
        answer = METHODS[method](task)
    charge: np.ndarray = answer.charge.numpy()
    if isinstance(pulse_width, xr.DataArray):
        labelled = labelled_charge(charge, pulse_width)
        labelled.attrs.update({"method": method, "chip": chip.name, **answer.attrs})
        return labelled
    return charge


def ideal_charge(chip: Chip, pulse_width: PulseWidth) -> PulseWidth:
    """Charge [C] of the ideal vector-matrix product, Q_i = sum_j t_j I_ji."""
    return simulate(chip.with_effects(()), pulse_width)


def _one_vector(chip: Chip, pulse_width: Any) -> np.ndarray:
    width = np.asarray(pulse_width, dtype=np.float64)
    if width.ndim != 1:
        raise SimulationError(
            v.PULSE_WIDTH, expected="one vector of pulses", got=f"shape {width.shape}"
        )
    _check_widths(chip, width)
    return width


def slot_timeline(chip: Chip, pulse_width: Any) -> xr.Dataset:
    """Pulses and time slots of one vector (N,) [s].

    Variables pulse_start, pulse_width (word_line) as the cells see them; slot_start,
    slot_duration (time_slot); activation_pattern (time_slot, word_line), bool. All [s].
    """
    width = torch.tensor(_one_vector(chip, pulse_width))
    start, width = slots.pulses(array_tensors(chip), width)
    found = time_slots.cut(start[None], width[None])
    high = time_slots.activation(found).bool()
    return xr.Dataset(
        {
            v.PULSE_START: (v.WORD_LINE, start.numpy(), {"units": "s"}),
            v.PULSE_WIDTH: (v.WORD_LINE, width.numpy(), {"units": "s"}),
            v.SLOT_START: (v.TIME_SLOT, found.begin.numpy(), {"units": "s"}),
            v.SLOT_DURATION: (v.TIME_SLOT, found.duration.numpy(), {"units": "s"}),
            v.ACTIVATION_PATTERN: ((v.TIME_SLOT, v.WORD_LINE), high.numpy()),
        },
        coords={
            v.TIME_SLOT: np.arange(found.begin.numel()),
            v.WORD_LINE: np.arange(chip.n_word_lines),
        },
    )


def slot_currents(chip: Chip, pulse_width: Any, *, bit_line: int | None = None) -> xr.Dataset:
    """`slot_timeline` of one vector with the current and the drop of every cell in it.

    cell_current [A] with crosstalk and wire and lumped drop (droop, which acts on the whole
    charge, not), drop [V], both (time_slot, word_line, bit_line); `bit_line` keeps one.
    The attribute drop_residual says how well the self-consistent equations are met.
    """
    timeline = slot_timeline(chip, pulse_width)
    duty = torch.tensor(timeline[v.ACTIVATION_PATTERN].values, dtype=torch.float64)
    array = array_tensors(chip)
    columns = np.arange(chip.n_bit_lines)
    if bit_line is not None:
        columns = columns[[bit_line]]
        array = slots.one_bit_line(array, bit_line)
    with torch.no_grad():
        current, drop = slots.cell_currents(array, duty)
        residual = float(slots.drop_residual(array, duty, current)) if duty.numel() else 0.0
    dims = (v.TIME_SLOT, v.WORD_LINE, v.BIT_LINE)
    return (
        timeline.assign(
            {
                v.CELL_CURRENT: (dims, current.numpy(), {"units": "A"}),
                v.DROP: (dims, drop.numpy(), {"units": "V"}),
            }
        )
        .assign_coords({v.BIT_LINE: columns})
        .assign_attrs(drop_residual=residual)
    )


def current_shift(
    chip: Chip, activation_pattern: Any, *, drop: bool = True, dtype: Any = np.float64
) -> xr.Dataset:
    """What the word lines of one activation pattern (N,) do to every cell of the array.

    current_shift = I'/I - 1 by crosstalk, each cell taken as if its own word line were
    high; kappa, its summed lift [n U_T]; drop [V] at each cell with the pattern's cells
    drawing current. All (word_line, bit_line), in `dtype`. Leaving `drop` out and computing
    in float32 makes a large array's pattern ten times cheaper.
    """
    high = np.asarray(activation_pattern, dtype=np.float64)
    if high.shape != (chip.n_word_lines,) or not np.isin(high, (0.0, 1.0)).all():
        raise SimulationError(
            v.ACTIVATION_PATTERN,
            expected=f"{chip.n_word_lines} values of 0 or 1",
            got=f"shape {high.shape}",
        )
    precision = getattr(torch, np.dtype(dtype).name)
    array, duty = array_tensors(chip, dtype=precision), torch.tensor(high, dtype=precision)[None]
    cells = (v.WORD_LINE, v.BIT_LINE)
    with torch.no_grad():
        factor, lift = slots.lift_factors(array, duty)
        shift = xr.Dataset(
            {
                v.CURRENT_SHIFT: (cells, factor[:, 0].numpy() - 1, {"units": "1"}),
                "kappa": (cells, lift[:, 0].numpy(), {"units": "1", "long_name": "summed lift"}),
            },
            coords={
                v.WORD_LINE: np.arange(chip.n_word_lines),
                v.BIT_LINE: np.arange(chip.n_bit_lines),
            },
        )
        if not drop:
            return shift
        _, lost = slots.cell_currents(array, duty)
    return shift.assign({v.DROP: (cells, lost[0].numpy(), {"units": "V"})})
