"""Recovery: accuracies before, after retraining, with what they cost, as one Dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.io import MAX_BYTES, PathLike, decode, encode, read_bytes, write_bytes
from analog_model.dataset.schema import Schema
from analog_model.nn.training.configuration import FLOAT
from analog_model.nn.training.journal import EPOCH, read_journal
from analog_model.nn.training.record import open_record
from analog_model.results.chips import DIGITAL, FACTORS
from analog_model.results.plan import OPERATIONS, PlannedRun
from analog_model.results.work import Workplace, check_planned, judged

JUDGEMENT, ABSENCE = "judgement", "absence"
_TEXTS = {
    "network": "name of the network",
    "treatment": "how it was trained",
    "chip": "chip on which it was judged",
}


def _spec(name: str, dim: str, unit: str | None, meaning: str, holds: Any) -> v.VariableSpec:
    return v.VariableSpec(
        name, (dim,), unit, meaning, required=dim == JUDGEMENT, holds=holds, lower=None
    )


_NUMBERS = {
    "accuracy": ("1", "share of the test part that got its own class"),
    "wall_time": ("s", "time that training took, other work on the machine included"),
    "cpu_time": ("s", "processor time that training took"),
    "learning_rate": ("1", "peak of the learning rate"),
    "distillation": ("1", "share of the loss that is distance to the float network's scores"),
    "tolerance": ("1", "error of the closed form against slots allowed in judging"),
}
_COUNTS = {"seed": "seed of the run", "epochs": "epochs of the run", "n_images": "test images"}
VARIABLES: dict[str, v.VariableSpec] = {
    spec.name: spec
    for spec in (
        *(_spec(name, JUDGEMENT, None, meaning, "text") for name, meaning in _TEXTS.items()),
        *(_spec(name, JUDGEMENT, None, meaning, "integer") for name, meaning in _COUNTS.items()),
        *(_spec(name, JUDGEMENT, *one, "real") for name, one in _NUMBERS.items()),
        *(
            _spec(f"absent_{name}", ABSENCE, None, f"{meaning}, not there yet", "text")
            for name, meaning in {**_TEXTS, "reason": "why"}.items()
        ),
        _spec("absent_seed", ABSENCE, None, "seed, not there yet", "integer"),
    )
}
RECOVERY = Schema(
    name="analog-model/recovery/1",
    variables=VARIABLES,
    attributes={
        "schema": (None, "the schema and its version"),
        "title": (None, "one line saying what the file holds"),
        "history": (None, "what was done to the file, one line a step"),
        "command": (None, "what made the file"),
        "versions": (None, "versions of the software, as JSON"),
        "data_fingerprints": (None, "SHA-256 of the images by network, as JSON"),
        "chips": (None, "name, fingerprint, factors of each chip, as JSON"),
        "conditions": (None, "where the times were taken"),
    },
    counted=(),
)


def gather(
    runs: Sequence[PlannedRun],
    place: Workplace,
    *,
    failed: Mapping[str, str],
    attrs: dict[str, str],
    kept: xr.Dataset | None = None,
) -> xr.Dataset:
    """All judgements of the runs; what is missing with its reason.

    `kept`: an earlier outcome, from which judgements are taken that are as planned and whose
    runs are not here.
    """
    present: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    versions, fingerprints = "", {}
    if kept is not None:
        versions = kept.attrs["versions"]
        fingerprints = json.loads(kept.attrs["data_fingerprints"])
    chips, by_name = _chips(place), {run.name: run for run in runs}
    for run in runs:
        directory = place.directory(run.name)
        if directory.configuration.exists():
            check_planned(run, directory)
        record = open_record(directory.record) if directory.record.exists() else None
        if record is not None:
            versions = record.attrs["versions"]
            fingerprints[run.network] = record.attrs["data_fingerprint"]
        for chip in run.judged_on:
            cell = {
                "network": run.network,
                "treatment": run.treatment,
                "chip": chip,
                "seed": run.seed,
            }
            found = judged(run, place, chip)
            if record is not None and found is not None:
                present.append({**cell, **_figures(run, chip, record, found)})
                continue
            start = by_name.get(run.start or run.name)
            begun = None if start is None else judged(start, place, DIGITAL)
            earlier = None if kept is None else judgement_of(kept, cell, run, chips, begun)
            if earlier is not None:
                present.append({**cell, **earlier})
            else:
                absent.append({**cell, "reason": failed.get(run.name) or _state(run, place)})
    variables = _columns(present, JUDGEMENT, "") | _columns(absent, ABSENCE, "absent_")
    return xr.Dataset(
        variables,
        attrs={
            "schema": RECOVERY.name,
            "title": "accuracy of networks on chips, before and after retraining",
            "versions": versions,
            "data_fingerprints": json.dumps(fingerprints),
            "chips": json.dumps(chips),
            **attrs,
        },
    )


def save_recovery(recovery: xr.Dataset, path: PathLike) -> None:
    """Write it as NetCDF4, all or nothing, over the one before."""
    write_bytes(path, encode(recovery, RECOVERY), overwrite=True)


def open_recovery(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated recovery held by a NetCDF4 file. Bounds of `open_measurement`."""
    content = read_bytes(path, max_bytes=max_bytes)
    return decode(content, RECOVERY, source=str(path), max_bytes=max_bytes)


def judgement_of(
    kept: xr.Dataset,
    cell: Mapping[str, Any],
    run: PlannedRun,
    chips: Mapping[str, Any],
    begun: xr.Dataset | None,
) -> dict[str, Any] | None:
    """Figures of an earlier judgement, None unless it is the plan's.

    It was, by what the file says: the same chip, budget, tolerance. A chip counts as the same
    by its name and factors: calibrated on another machine it differs in its last digits, and in
    its fingerprint (LeNet-5, not retrained: 86.62 and 86.69 %). `begun`, the judgement of
    the float network that is here: where it is another, what was made from the earlier one is
    not this plan's.
    """
    chosen = np.logical_and.reduce([kept[name].values == value for name, value in cell.items()])
    beginning = np.logical_and.reduce(
        [
            kept[name].values == value
            for name, value in {**cell, "treatment": FLOAT, "chip": DIGITAL}.items()
        ]
    )
    if not chosen.any() or not beginning.any():
        return None
    names = (*_NUMBERS, "epochs", "n_images")
    found = {name: kept[name].values[chosen][0].item() for name in names}
    if begun is not None and float(begun["accuracy"]) != kept["accuracy"].values[beginning][0]:
        return None
    chip, before = cell["chip"], json.loads(kept.attrs["chips"])
    facts = ("name", "coupling_factor", "resistance_factor")
    if chip != DIGITAL and any(before[chip][fact] != chips[chip][fact] for fact in facts):
        return None
    planned = _planned(run, chip)
    return found if all(found[name] == value for name, value in planned.items()) else None


def _planned(run: PlannedRun, chip: str) -> dict[str, float]:
    """What the plan says of a judgement's figures."""
    return {
        "epochs": run.configuration.epochs,
        "learning_rate": run.configuration.learning_rate,
        "distillation": run.configuration.distillation,
        "tolerance": 0.0 if chip == DIGITAL else OPERATIONS[run.network, chip].judging_tolerance,
    }


def _figures(run: PlannedRun, chip: str, record: xr.Dataset, found: xr.Dataset) -> dict[str, Any]:
    first = found.isel(chip=0) if "chip" in found.dims else found
    return {
        "accuracy": float(first["accuracy"]),
        "n_images": int(first["confusion"].sum()),
        "wall_time": float(record["wall_time"].sum()),
        "cpu_time": float(record["cpu_time"].sum()),
        **_planned(run, chip),
        "epochs": int(record.sizes["epoch"]),
    }


def _state(run: PlannedRun, place: Workplace) -> str:
    """How far a run is that has no outcome."""
    directory = place.directory(run.name)
    if directory.record.exists():
        return "trained, not judged"
    if run.start is not None and not place.directory(run.start).record.exists():
        return "its float run is not finished"
    if not directory.configuration.exists():
        return "not begun"
    events = read_journal(directory.journal)
    epochs = sum(event["event"] == EPOCH for event in events)
    step = events[-1]["step"] if events else 0
    return f"in training: {epochs} of {run.configuration.epochs} epochs, {step} steps"


def _columns(cells: list[dict[str, Any]], dim: str, prefix: str) -> dict[str, Any]:
    if not cells:
        return {}
    return {
        prefix + name: (dim, np.array([cell[name] for cell in cells]), _attributes(prefix + name))
        for name in cells[0]
    }


def _attributes(name: str) -> dict[str, str]:
    spec = VARIABLES[name]
    return {"long_name": spec.long_name, **({} if spec.unit is None else {"units": spec.unit})}


def _chips(place: Workplace) -> dict[str, Any]:
    return {
        name: {
            "name": chip.name,
            "fingerprint": chip.fingerprint(),
            "coupling_factor": FACTORS[name][0],
            "resistance_factor": FACTORS[name][1],
        }
        for name, chip in place.chips().items()
    }
