"""Record of a run: its curves, its outcome, what it was, as one labelled Dataset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.io import MAX_BYTES, PathLike, decode, encode, read_bytes, write_bytes
from analog_model.dataset.schema import Schema
from analog_model.nn.training.journal import EPOCH, STEP, Event

STEP_DIM, EPOCH_DIM, LABEL, PREDICTED = "training_step", "epoch", "label", "predicted_label"
_STEP_CURVES = {
    "step_loss": ("loss", "1", "cross entropy of the batch"),
    "step_accuracy": ("accuracy", "1", "share of the batch that got its own class"),
    "learning_rate": ("learning_rate", "1", "learning rate of the step"),
}
_EPOCH_CURVES = {
    "train_loss": ("train_loss", "1", "mean cross entropy of the epoch's batches"),
    "train_accuracy": ("train_accuracy", "1", "mean accuracy of the epoch's batches"),
    "evaluated_loss": ("loss", "1", "cross entropy on the images that judge the epoch"),
    "evaluated_accuracy": ("accuracy", "1", "accuracy on the images that judge the epoch"),
    "wall_time": ("wall_time", "s", "time that the epoch took"),
    "cpu_time": ("cpu_time", "s", "processor time of the first process in the epoch"),
}


def _integers(name: str, dims: tuple[str, ...], meaning: str) -> v.VariableSpec:
    return v.VariableSpec(
        name, dims, None, meaning, required=True, lower=0, coordinate=name in dims, holds="integer"
    )


VARIABLES: dict[str, v.VariableSpec] = {
    spec.name: spec
    for spec in (
        _integers(STEP_DIM, (STEP_DIM,), "steps of the optimizer done"),
        _integers(EPOCH_DIM, (EPOCH_DIM,), "epoch, from 0"),
        *(
            v.VariableSpec(name, (STEP_DIM,), unit, meaning, required=True)
            for name, (_, unit, meaning) in _STEP_CURVES.items()
        ),
        *(
            v.VariableSpec(name, (EPOCH_DIM,), unit, meaning, required=True)
            for name, (_, unit, meaning) in _EPOCH_CURVES.items()
        ),
        _integers("confusion", (LABEL, PREDICTED), "test images by their class and the given one"),
        v.VariableSpec(
            "class_name", (LABEL,), None, "name of the class", required=True, holds="text"
        ),
        v.VariableSpec(
            "accuracy", (), "1", "share of the test part that got its own class", required=True
        ),
    )
}
RECORD = Schema(
    name="analog-model/training/1",
    variables=VARIABLES,
    attributes={
        "schema": (None, "the schema and its version"),
        "title": (None, "one line saying what the file holds"),
        "history": (None, "what was done to the file, one line a step"),
        "configuration": (None, "the run's TrainingConfiguration as JSON"),
        "network": (None, "name of the network"),
        "images": (None, "name of the image set"),
        "mode": (None, "mode of training"),
        "evaluated_on": (None, "part of the images that judges every epoch"),
        "data_fingerprint": (None, "SHA-256 of the images"),
        "chip": (None, "name of the chip that took part"),
        "chip_fingerprint": (None, "SHA-256 of that chip"),
        "start_fingerprint": (None, "SHA-256 of the starting weights"),
        "versions": (None, "versions of the software, as JSON"),
    },
    counted=(),
)


def record_of(
    events: Sequence[Event],
    *,
    confusion: np.ndarray,
    class_names: Sequence[str],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Record from a journal's events and the confusion matrix on the test part."""
    steps = [event for event in events if event["event"] == STEP]
    epochs = [event for event in events if event["event"] == EPOCH]
    variables: dict[str, Any] = {
        **_curves(_STEP_CURVES, STEP_DIM, steps),
        **_curves(_EPOCH_CURVES, EPOCH_DIM, epochs),
        "confusion": ((LABEL, PREDICTED), confusion, _attributes("confusion")),
        "class_name": (LABEL, np.array(class_names, dtype=str), _attributes("class_name")),
        "accuracy": ((), float(np.trace(confusion) / confusion.sum()), _attributes("accuracy")),
    }
    coordinates = {
        STEP_DIM: (STEP_DIM, [one["step"] for one in steps], _attributes(STEP_DIM)),
        EPOCH_DIM: (EPOCH_DIM, [one["epoch"] for one in epochs], _attributes(EPOCH_DIM)),
    }
    return xr.Dataset(variables, coordinates, {"schema": RECORD.name, **attrs})


def save_record(record: xr.Dataset, path: PathLike) -> None:
    """Write a record as NetCDF4, all or nothing, over the one before."""
    write_bytes(path, encode(record, RECORD), overwrite=True)


def open_record(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated record of a run held by a NetCDF4 file. Bounds of `open_measurement`."""
    content = read_bytes(path, max_bytes=max_bytes)
    return decode(content, RECORD, source=str(path), max_bytes=max_bytes)


def configuration_of(record: xr.Dataset) -> dict[str, Any]:
    """The run's configuration as plain values."""
    return dict(json.loads(record.attrs["configuration"]))


def _curves(
    curves: Mapping[str, tuple[str, str, str]], dim: str, events: Iterable[Event]
) -> dict[str, Any]:
    events = list(events)
    return {
        name: (dim, np.array([one[key] for one in events], dtype=np.float64), _attributes(name))
        for name, (key, _, _) in curves.items()
    }


def _attributes(name: str) -> dict[str, str]:
    spec = VARIABLES[name]
    unit = {} if spec.unit is None else {"units": spec.unit}
    return {"long_name": spec.long_name, **unit}
