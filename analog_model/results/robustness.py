"""Robustness: accuracies of networks on chips that they were not trained on, as one Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.dataset import netcdf
from analog_model.dataset.io import MAX_BYTES, PathLike, decode, encode, read_bytes, write_bytes
from analog_model.dataset.schema import Schema
from analog_model.nn.effects import Effects, ProgrammingError, Temperature
from analog_model.nn.images.loading import load_images
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.configuration import FLOAT, HARDWARE_AWARE
from analog_model.nn.training.evaluation import confusion_matrix, test_inputs
from analog_model.nn.training.shared_conversion import ChipSettings
from analog_model.nn.training.thread_count import thread_count
from analog_model.nn.training.trained import TrainedRun
from analog_model.results.chips import harsh_chip_of, scaled_chip
from analog_model.results.plan import CHIP_FAMILY, OPERATIONS, PlannedRun, layer_configuration
from analog_model.results.work import Workplace

# Thirteen chips each: what takes minutes on a chip is left out.
NETWORKS = ("mlp_4x4", "mlp_14x14")
NOMINAL = "none"
TREATMENTS = (FLOAT, HARDWARE_AWARE, CHIP_FAMILY)
JUDGEMENT = "judgement"
_INSTANCES = (101, 102, 103)
_SCALED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "kappas -20 %": (0.8, 1.0),
        "kappas +20 %": (1.2, 1.0),
        "resistances -20 %": (1.0, 0.8),
        "resistances +20 %": (1.0, 1.2),
    }
)
_KELVIN: Mapping[str, float] = MappingProxyType({"-30 K": -30.0, "+30 K": 30.0})
# Of single cells: other draws of both in every instance.
_CELLS: Mapping[str, Effects] = MappingProxyType(
    {
        "every kappa 5 % off": Effects(kappa_mismatch=0.05),
        "every current 5 % off": Effects(programming_error=ProgrammingError(proportional=0.05)),
    }
)
DEVIATIONS = (NOMINAL, *_CELLS, *_SCALED, *_KELVIN)


def _spec(name: str, unit: str | None, meaning: str, holds: Any) -> v.VariableSpec:
    return v.VariableSpec(name, (JUDGEMENT,), unit, meaning, required=True, holds=holds, lower=None)


VARIABLES: dict[str, v.VariableSpec] = {
    spec.name: spec
    for spec in (
        _spec("network", None, "name of the network", "text"),
        _spec("treatment", None, "how it was trained", "text"),
        _spec("deviation", None, "how the chip differs from the one of training", "text"),
        _spec("instance", None, "seed of what its cells draw", "integer"),
        _spec("accuracy", "1", "share of the test part that got its own class", "real"),
        _spec("n_images", None, "test images", "integer"),
    )
}
ROBUSTNESS = Schema(
    name="analog-model/robustness/1",
    variables=VARIABLES,
    attributes={
        "schema": (None, "the schema and its version"),
        "title": (None, "one line saying what the file holds"),
        "history": (None, "what was done to the file, one line a step"),
        "command": (None, "what made the file"),
    },
    counted=(),
)


def deviating_chips(chip: Chip, deviation: str) -> list[ProgrammedChip]:
    """The chips that differ from `chip` as the deviation says: one, or one an instance."""
    if deviation in _CELLS:
        return [ProgrammedChip(chip, _CELLS[deviation], seed) for seed in _INSTANCES]
    if deviation in _SCALED:
        coupling, resistance = _SCALED[deviation]
        chip = scaled_chip(chip, coupling=coupling, resistance=resistance)
    effects = Effects()
    if deviation in _KELVIN:
        celsius = chip.temperature_celsius + _KELVIN[deviation]
        effects = Effects(temperature=Temperature(celsius=celsius))
    return [ProgrammedChip(chip, effects, 0)]


def tested(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """The runs whose robustness is part of the results: the first seed's of some networks."""
    return [
        run
        for run in runs
        if run.network in NETWORKS
        and run.seed == 0
        and run.treatment in TREATMENTS
        and (run.treatment == FLOAT or run.chip == harsh_chip_of(run.network))
    ]


def judge(run: PlannedRun, place: Workplace) -> xr.Dataset:
    """Accuracy of a finished run on every deviating chip; what exists is not made again."""
    path = _path(run, place)
    if path.exists():
        content = read_bytes(path)
        return netcdf.decode(content, {}, source=str(path), max_bytes=1 << 24)
    trained = TrainedRun(place.directory(run.name).path)
    images = load_images(run.configuration.images, data_dir=place.data_dir)
    inputs = test_inputs(images, trained.specification)
    name = harsh_chip_of(run.network)
    # The tolerance of training, wider than that of judging: with stronger couplings still the
    # closed form has its limit at 0.011.
    operation = OPERATIONS[run.network, name]
    layer = layer_configuration(run.network, tolerance=operation.training_tolerance)
    settings = ChipSettings(operation.array_shape, layer)
    cells: list[dict[str, Any]] = []
    with thread_count(run.configuration.threads):
        for deviation in DEVIATIONS:
            for programmed in deviating_chips(place.chips()[name], deviation):
                counts = confusion_matrix(
                    trained.on_chip(programmed, settings),
                    inputs,
                    images.test_labels,
                    n_classes=len(images.class_names),
                )
                cells.append(
                    {
                        "network": run.network,
                        "treatment": run.treatment,
                        "deviation": deviation,
                        "instance": programmed.seed,
                        "accuracy": float(np.trace(counts) / counts.sum()),
                        "n_images": int(counts.sum()),
                    }
                )
    found = _dataset(cells)
    write_bytes(path, netcdf.encode(found), overwrite=False)
    return found


def is_judged(run: PlannedRun, place: Workplace) -> bool:
    """Whether `judge` has nothing left to do."""
    return _path(run, place).exists()


def _path(run: PlannedRun, place: Workplace) -> Path:
    return place.runs / run.name / "robustness.nc"


def gather_robustness(
    found: Sequence[xr.Dataset], *, kept: xr.Dataset | None = None, command: str
) -> xr.Dataset:
    """All judgements in one Dataset; from `kept` those of networks that were not judged here."""
    every = list(found)
    if kept is not None:
        here = {_whose(one)[0] for one in found}
        elsewhere = [name not in here for name in _whose(kept)]
        every.append(kept.isel({JUDGEMENT: np.array(elsewhere, dtype=bool)}))
    return xr.concat(every, JUDGEMENT, combine_attrs="drop").assign_attrs(
        schema=ROBUSTNESS.name,
        title="accuracy of networks on chips that they were not trained on",
        command=command,
    )


def _whose(judgements: xr.Dataset) -> list[tuple[str, str]]:
    """Network and treatment of each judgement."""
    names = (judgements[name].values.tolist() for name in ("network", "treatment"))
    return list(zip(*names, strict=True))


def save_robustness(robustness: xr.Dataset, path: PathLike) -> None:
    """Write it as NetCDF4, all or nothing, over the one before."""
    write_bytes(path, encode(robustness, ROBUSTNESS), overwrite=True)


def open_robustness(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated robustness held by a NetCDF4 file. Bounds of `open_measurement`."""
    content = read_bytes(path, max_bytes=max_bytes)
    return decode(content, ROBUSTNESS, source=str(path), max_bytes=max_bytes)


def _dataset(cells: Sequence[Mapping[str, Any]]) -> xr.Dataset:
    columns = {}
    for name, spec in VARIABLES.items():
        units = {} if spec.unit is None else {"units": spec.unit}
        values = np.array([cell[name] for cell in cells])
        columns[name] = (JUDGEMENT, values, {"long_name": spec.long_name, **units})
    return xr.Dataset(columns)
