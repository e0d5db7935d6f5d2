"""Provenance of a dataset: what was done to it, told in its own attributes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import xarray as xr

from analog_model.version import __version__

HISTORY = "history"


def sha256(content: bytes) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def with_step(dataset: xr.Dataset, step: str) -> xr.Dataset:
    """A shallow copy whose `history` has one more line: UTC time, package version, step."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{time} analog-model {__version__}: {' '.join(step.split())}"
    before = str(dataset.attrs.get(HISTORY, "")).rstrip("\n")
    return dataset.assign_attrs({HISTORY: f"{before}\n{line}" if before else line})


def fingerprint(dataset: xr.Dataset) -> str:
    """SHA-256 over the content of a dataset, in hex.

    Covers names, dims, values, attributes; neither their order, nor the width of the stored
    numbers (int8 or int64, where the value is the same), nor `history`, which says how the
    content came to be and not what it is.
    """
    content = {
        "attrs": {str(k): _plain(value) for k, value in dataset.attrs.items() if k != HISTORY},
        "variables": {
            str(name): [
                list(map(str, variable.dims)),
                _values_digest(variable.to_numpy()),
                {str(k): _plain(value) for k, value in variable.attrs.items()},
                name in dataset.coords,
            ]
            for name, variable in dataset.variables.items()
        },
    }
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def _values_digest(values: np.ndarray) -> list[Any]:
    shape = list(values.shape)
    if values.dtype.kind in "UT":
        return [shape, "text", values.tolist()]
    if values.dtype.kind in "iu":
        return [shape, "integer", sha256(values.astype("<i8").tobytes())]
    # Adding zero makes -0.0 the equal 0.0.
    return [shape, "real", sha256((values.astype("<f8") + 0.0).tobytes())]


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
