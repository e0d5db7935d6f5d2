"""Programming: all arrays of a network written on one instance of its chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import nn

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.chip.continuation import continued_chip
from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.deployment.reading import Bench, with_departures
from analog_model.deployment.tables import (
    CHIP_OF_CELL,
    PROGRAMMED_CURRENT,
    PROGRAMMING,
    SEED,
    UNREACHED,
    table,
)
from analog_model.deployment.write_verify import (
    StuckPlaces,
    WriteVerify,
    WrittenArray,
    write_array,
)
from analog_model.nn.convert import reprogram
from analog_model.nn.device_fields import DeviceFields, field_generator
from analog_model.nn.effects import Effects, ProgrammingError, StuckCells
from analog_model.nn.programmed import ProgrammedChip


@dataclass(frozen=True, eq=False)
class ArrayOutcome:
    """One array after programming; `target` and what was written in units of `unit` [A]."""

    number: int
    target: np.ndarray
    in_use: np.ndarray
    written: WrittenArray
    unit: float
    tolerance: float


def program_network(
    network: nn.Module,
    layers: Sequence[PlacedLayer],
    programmed: ProgrammedChip,
    *,
    writing: WriteVerify,
) -> tuple[ArrayOutcome, ...]:
    """Write every array of `network` on the chip `programmed`, in place.

    The programming error of the chip's effects is that of a single write; the network is left
    with what the loop leaves of it, other effects as they are.
    """
    kept = replace(programmed, effects=programmed.effects.replace(programming_error=None))
    reprogram(network, kept)
    outcomes: list[ArrayOutcome] = []
    for placed in layers:
        found = _layer_outcomes(placed, programmed, writing)
        _put_on_layer(placed, found)
        outcomes += found
    return tuple(outcomes)


def _layer_outcomes(
    placed: PlacedLayer, programmed: ProgrammedChip, writing: WriteVerify
) -> list[ArrayOutcome]:
    layer, places, effects = placed.layer, placed.places, programmed.effects
    unit = layer.full_scale_current
    empty = continued_chip(programmed.chip, *layer.tiling.array_shape)
    fields = DeviceFields.of(layer)
    target = placed.target_share
    off, on = (_stuck(placed, field) for field in (fields.stuck_off, fields.stuck_on))
    chips = _as_manufactured(placed, empty, fields)
    outcomes = []
    for k, in_use in enumerate(places.used):
        bench = Bench(
            chip=chips[k],
            model=empty,
            word_lines=np.flatnonzero(in_use.any(axis=1)),
            bit_lines=np.flatnonzero(in_use.any(axis=0)),
            window=placed.window,
            read_noise=effects.read_noise * unit,
            n_rounds=writing.n_rounds,
        )
        written = write_array(
            bench,
            target[k],
            full_scale_current=unit,
            writing=writing,
            error=effects.programming_error,
            stuck=StuckPlaces(off[k], on[k]),
            # One source an array: how long another takes does not matter.
            generator=field_generator(programmed.seed, layer.name, f"write_verify {k}"),
        )
        outcomes.append(
            ArrayOutcome(
                placed.first_array + k, target[k], in_use, written, unit, writing.tolerance
            )
        )
    return outcomes


def _stuck(placed: PlacedLayer, field: torch.Tensor | None) -> np.ndarray:
    if field is None:
        return np.zeros(placed.places.shape, dtype=bool)
    return placed.places.on_arrays(field.cpu().flatten(2).numpy())


def _as_manufactured(placed: PlacedLayer, empty: Chip, fields: DeviceFields) -> list[Chip]:
    """The layer's arrays with the kappas that their cells really have."""
    n_arrays = placed.places.shape[0]
    if fields.kappa_deviation is None:
        return [empty] * n_arrays
    deviation = fields.kappa_deviation.double().cpu().flatten(3).numpy()
    departure = placed.places.on_arrays(deviation)
    return [with_departures(empty, departure[:, array]) for array in range(n_arrays)]


def _put_on_layer(placed: PlacedLayer, outcomes: Sequence[ArrayOutcome]) -> None:
    """Give the layer the written currents, as departures from its targets."""
    layer = placed.layer
    share = np.stack([outcome.written.share - outcome.target for outcome in outcomes])
    offset = torch.from_numpy(placed.places.of_weights(share)).to(layer.weight)
    fields = replace(
        DeviceFields.of(layer), programming_offset=offset.reshape(2, *layer.weight.shape)
    )
    fields.register(layer)


def programming_sentences(effects: Effects, writing: WriteVerify) -> tuple[str, ...]:
    """What the programming rests on, in words."""
    error = effects.programming_error or ProgrammingError()
    stuck = effects.stuck or StuckCells()
    others = [name for name in ("drift", "temperature") if getattr(effects, name) is not None]
    levels = "" if effects.weight_bits is None else f", {2**effects.weight_bits} levels"
    return (
        f"a write misses by {error.proportional:.3g} of its step beside {error.full_scale:.3g} of "
        f"full scale, upward and downward alike{levels}",
        f"verified by the reading {writing.reading!r} to {writing.tolerance:.3g} of full scale, "
        f"{writing.n_rounds} reads a word line, at most {writing.most_iterations} rounds",
        f"a read of a bit line is good to {effects.read_noise:.3g} of full scale, a pulse to "
        f"{effects.pulse_jitter:.3g} of the widest",
        f"couplings of single cells scatter by {effects.kappa_mismatch:.3g}, "
        f"{stuck.off:.3g} of the cells are stuck off, {stuck.on:.3g} on"
        + (f"; with {', '.join(others)}" if others else ""),
    )


def programming_table(
    outcomes: Sequence[Sequence[ArrayOutcome]],
    seeds: Sequence[int],
    *,
    assumptions: Sequence[str],
) -> xr.Dataset:
    """Table `programming` of a deployment, from the outcomes of every chip.

    Its attribute `assumptions` lists them, one a line.
    """
    rows = [[_facts(outcome) for outcome in chip] for chip in outcomes]
    values = {name: [[one[name] for one in chip] for chip in rows] for name in rows[0][0]}
    arrays = [outcome.number for outcome in outcomes[0]]
    attrs = {"assumptions": "\n".join(assumptions)}
    return table(PROGRAMMING, values, coords={v.ARRAY: arrays, SEED: list(seeds)}, attrs=attrs)


def _facts(outcome: ArrayOutcome) -> dict[str, float]:
    written, cells = outcome.written, outcome.in_use
    missed = (written.share - outcome.target)[cells]
    first = (written.first - outcome.target)[cells]
    return {
        "n_iterations": written.n_iterations,
        "n_writes": written.n_writes,
        "n_reads": written.n_reads,
        "n_unreached": int(written.unreached.sum()),
        "n_outside": int((np.abs(missed) > outcome.tolerance).sum()),
        "residual": outcome.unit * float(np.sqrt(np.mean(missed**2))),
        "largest_residual": outcome.unit * float(np.abs(missed).max()),
        "first_residual": outcome.unit * float(np.sqrt(np.mean(first**2))),
    }


def unreached_table(outcomes: Sequence[Sequence[ArrayOutcome]]) -> xr.Dataset:
    """Table `unreached` of a deployment: cells that verification left outside tolerance."""
    parts: dict[str, list[np.ndarray]] = {
        name: []
        for name in (
            CHIP_OF_CELL,
            v.ARRAY,
            v.WORD_LINE,
            v.BIT_LINE,
            v.TARGET_CURRENT,
            PROGRAMMED_CURRENT,
        )
    }
    for chip, arrays in enumerate(outcomes):
        for outcome in arrays:
            word_line, bit_line = np.nonzero(outcome.written.unreached)
            parts[CHIP_OF_CELL].append(np.full(word_line.size, chip))
            parts[v.ARRAY].append(np.full(word_line.size, outcome.number))
            parts[v.WORD_LINE].append(word_line)
            parts[v.BIT_LINE].append(bit_line)
            parts[v.TARGET_CURRENT].append(outcome.unit * outcome.target[word_line, bit_line])
            left = outcome.written.share[word_line, bit_line]
            parts[PROGRAMMED_CURRENT].append(outcome.unit * left)
    values = {name: np.concatenate(columns) for name, columns in parts.items()}
    return table(UNREACHED, values, coords={})
