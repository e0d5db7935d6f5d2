"""Conversion of labelled data, chips included, to tensors.

The only module where labels meet tensors: physics below it knows no labels, everything
above it need not know tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from analog_model.chip import EKV, Chip, CouplingByClass
from analog_model.errors import ConfigurationError, SimulationError, nearest_name
from analog_model.physics.array import ArrayTensors
from analog_model.vocabulary import BIT_LINE, CHARGE, VARIABLES, WORD_LINE


def chip_parameters(
    chip: Chip, *, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """The chip's continuous parameters as tensors, by name.

    Only those that the chip has; each may be given `requires_grad` and handed back to
    `array_tensors`. `kappa` keeps the chip's own shape, one value per class, cell or entry.
    """
    line, values = chip.bit_line, {"cell_current": chip.cell_current}
    if isinstance(chip.cell_law, EKV):
        values["specific_current"] = np.asarray(chip.cell_law.specific_current)
    if chip.coupling is not None:
        values["kappa"] = chip.coupling.kappa
    for name in ("wire_resistance", "lumped_resistance", "drain_sensitivity", "capacitance"):
        if getattr(line, name) is not None:
            values[name] = np.asarray(getattr(line, name))
    if chip.pulse.dead_time > 0:
        values["dead_time"] = np.asarray(chip.pulse.dead_time)
    if chip.pulse.stagger is not None:
        values["stagger"] = chip.pulse.stagger
    return {
        name: torch.tensor(np.array(value), dtype=dtype, device=device)
        for name, value in values.items()
    }


def _kappa_of_cells(chip: Chip, kappa: Tensor) -> tuple[Tensor, Tensor]:
    """Aggressors (K, N) and kappa (K, N, M) from kappa in the coupling's own shape."""
    coupling, layout = chip.coupling, chip.layout
    assert coupling is not None
    aggressor = torch.from_numpy(coupling.aggressors(layout).copy()).to(kappa.device)
    if isinstance(coupling, CouplingByClass):
        layout_class = torch.from_numpy(layout.layout_class.copy()).to(kappa.device)
        # One row per neighbour, contiguous: large arrays spend most of their time here.
        cells = kappa.t().contiguous().index_select(1, layout_class.flatten())
        return aggressor, cells.view(-1, *layout_class.shape)
    if coupling.kind == "by_cell":
        return aggressor, kappa
    # Entries numbered from 1 travel through the same arrangement; 0 marks "no entry".
    entry = np.repeat(np.arange(1.0, coupling.victim.size + 1)[:, None], layout.n_bit_lines, 1)
    place = coupling.replace(kappa=entry).kappa_of_cells(layout).astype(np.int64)
    padded = torch.cat([torch.zeros_like(kappa[:1]), kappa])
    index = torch.from_numpy(place).to(kappa.device)
    return aggressor, torch.take_along_dim(padded[None], index, dim=1)


def array_tensors(
    chip: Chip,
    parameters: Mapping[str, Tensor] | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> ArrayTensors:
    """Tensors of a chip for the simulators.

    `parameters` replaces any of `chip_parameters(chip)`, keeping their gradients.
    """
    values = chip_parameters(chip, dtype=dtype, device=device)
    for name, value in (parameters or {}).items():
        if name not in values:
            raise ConfigurationError(
                "parameters",
                expected="parameters that the chip has",
                got=repr(name),
                advice=nearest_name(name, values),
            )
        values[name] = value

    aggressor = kappa = None
    if chip.coupling is not None:
        aggressor, kappa = _kappa_of_cells(chip, values["kappa"])
    line, pulse = chip.bit_line, chip.pulse
    order = resistance = sensitivity = None
    if line.drain_sensitivity > 0 or "drain_sensitivity" in (parameters or {}):
        sensitivity = values["drain_sensitivity"]
    on = {"wire_resistance", "lumped_resistance"} & set(parameters or {})
    if sensitivity is not None and (on or line.wire_resistance > 0 or line.lumped_resistance > 0):
        order_of_lines = np.argsort(chip.segments_to_sense, kind="stable")
        pitches = np.diff(chip.segments_to_sense[order_of_lines], prepend=0.0)
        steps = torch.tensor(pitches, dtype=dtype, device=device)
        first = torch.zeros_like(steps)
        first[0] = 1.0
        resistance = values["wire_resistance"] * steps + values["lumped_resistance"] * first
        order = torch.from_numpy(order_of_lines).to(device)
    scalar = lambda value: torch.tensor(value, dtype=dtype, device=device)  # noqa: E731
    return ArrayTensors(
        cell_current=values["cell_current"],
        specific_current=values.get("specific_current"),
        aggressor=aggressor,
        kappa=kappa,
        segment_resistance=resistance,
        ladder_order=order,
        drain_sensitivity=sensitivity,
        bit_line_capacitance=values.get("capacitance") if sensitivity is not None else None,
        self_consistent=line.solution == "self_consistent",
        dead_time=values.get("dead_time"),
        alignment=pulse.alignment,
        stagger=values.get("stagger"),
        pulse_lsb=None if pulse.lsb is None else scalar(pulse.lsb),
        pulse_bits=pulse.bits,
        full_scale=None if chip.readout.full_scale is None else scalar(chip.readout.full_scale),
        readout_bits=chip.readout.bits,
    )


def labelled_numbers(data: xr.DataArray, last_dim: str, size: int) -> np.ndarray:
    """Values of a labelled array in float64 with `last_dim` moved last, length checked."""
    if last_dim not in data.dims:
        raise SimulationError(
            str(data.name or "input"),
            expected=f"a dimension {last_dim!r} of {size}",
            got=f"dimensions {tuple(map(str, data.dims))}",
            advice=nearest_name(last_dim, map(str, data.dims)),
        )
    if data.sizes[last_dim] != size:
        raise SimulationError(
            str(data.name or "input"),
            expected=f"{size} along {last_dim!r}, the chip's",
            got=str(data.sizes[last_dim]),
        )
    return np.asarray(data.transpose(..., last_dim).values, dtype=np.float64)


def labelled_charge(charge: np.ndarray, like: xr.DataArray) -> xr.DataArray:
    """Charge (..., bit_line) [C] with the labels of the pulses (..., word_line) it came from."""
    dims = [dim for dim in like.dims if dim != WORD_LINE]
    coords = {name: coord for name, coord in like.coords.items() if WORD_LINE not in coord.dims}
    coords[BIT_LINE] = np.arange(charge.shape[-1])
    attrs = {"units": VARIABLES[CHARGE].unit, "long_name": "simulated bit-line charge"}
    return xr.DataArray(charge, dims=[*dims, BIT_LINE], coords=coords, name=CHARGE, attrs=attrs)
