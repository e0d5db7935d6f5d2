"""Checkpoint of a calibration: its finished fits, kept in a file.

A calibration is a chain of fits, each a function of its inputs. A finished fit is kept under
the hash of what went into it, so that a calibration which was interrupted and is run again
takes the same way, recalls what it finds, and ends with the very same numbers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import xarray as xr

from analog_model.calibration.fit import Fit
from analog_model.calibration.observations import Observations
from analog_model.calibration.parameters import SharedParameters
from analog_model.calibration.reads import OneHotReads
from analog_model.dataset.groups import decode_groups, encode_groups
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes, write_bytes
from analog_model.version import __version__

CHECKPOINT_SCHEMA = "analog-model/calibration-checkpoint/1"
Arrays = Mapping[str, np.ndarray]
_ARRAYS = tuple(field.name for field in fields(Fit) if field.name != "parameters")


class Checkpoint:
    """Finished fits in one file, written all or nothing.

    A file that is there is taken up; one that cannot be read raises `DataError`. Its fits
    are recalled by the hash of their inputs only, so those of another measurement do no
    harm. The file is written after a fit once `interval` [s] has passed since it last was,
    or by `save`; `remove` deletes it when the result is safe.
    """

    def __init__(self, path: PathLike, *, interval: float = 10.0) -> None:
        self.path = Path(path)
        self.interval = interval
        self._written = time.monotonic()
        self._fits: dict[str, xr.Dataset] = {}
        if self.path.exists():
            content = read_bytes(self.path, max_bytes=MAX_BYTES)
            _, self._fits = decode_groups(
                content, CHECKPOINT_SCHEMA, source=self.path.name, max_bytes=MAX_BYTES
            )

    def __len__(self) -> int:
        return len(self._fits)

    def arrays(self, key: str, make: Callable[[], Arrays]) -> Arrays:
        """Arrays of a fit: recalled where `key` is known, else made, then kept."""
        if key in self._fits:
            return {str(name): x.values for name, x in self._fits[key].data_vars.items()}
        made = make()
        self._fits[key] = _dataset(made)
        if time.monotonic() - self._written >= self.interval:
            self.save()
        return made

    def save(self) -> None:
        """Write what is finished."""
        if self._fits:
            content = encode_groups(self._fits, {"schema": CHECKPOINT_SCHEMA})
            write_bytes(self.path, content, overwrite=True)
        self._written = time.monotonic()

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


def _dataset(arrays: Arrays) -> xr.Dataset:
    """Arrays with dimensions of their own; truth values as numbers, which NetCDF has."""
    return xr.Dataset(
        {
            name: (
                [f"{name}_{axis}" for axis in range(np.ndim(values))],
                np.asarray(values).astype(np.int8) if np.asarray(values).dtype == bool else values,
            )
            for name, values in arrays.items()
        }
    )


def arrays_of(fit: Fit) -> dict[str, np.ndarray]:
    """All that a fit holds beside its parameters' description."""
    return {name: np.asarray(getattr(fit, name)) for name in _ARRAYS}


def fit_of(parameters: SharedParameters, arrays: Arrays) -> Fit:
    """The fit that `arrays_of` took apart."""
    values: dict[str, np.ndarray | float] = {name: arrays[name] for name in _ARRAYS}
    values["seen"] = np.asarray(values["seen"], dtype=bool)
    values["dispersion"] = float(arrays["dispersion"])
    return Fit(parameters=parameters, **values)  # type: ignore[arg-type]


def key_of(
    step: str,
    parameters: SharedParameters,
    reads: OneHotReads,
    observations: Observations,
    *arrays: np.ndarray | None,
) -> str:
    """Hash of everything that a fit depends on, this package's version included."""
    scale = parameters.reference
    facts = {
        "version": __version__,
        "step": step,
        "rung": parameters.rung.model_dump(mode="json"),
        "parameters": parameters.names,
        "reference": [scale.current, scale.width, scale.charge],
        "reads": reads.source,
        "noise_known": observations.noise_known,
    }
    digest = hashlib.sha256(json.dumps(facts).encode())
    for values in (
        parameters.pitches,
        parameters.aggressor,
        parameters.group,
        reads.current,
        reads.read_at_width,
        observations.pulse_width,
        observations.start,
        observations.charge,
        observations.sigma,
        *arrays,
    ):
        digest.update(b"none" if values is None else _content(values))
    return digest.hexdigest()


def _content(values: np.ndarray) -> bytes:
    array = np.ascontiguousarray(values)
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
