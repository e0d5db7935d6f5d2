"""Archive of a calibration: one NetCDF4 file that gives it back.

Groups: measurement, parameters, ladder, cells, chips. The last holds each chip as the YAML
text that every command takes, in an attribute of its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.observations import ReadNoise
from analog_model.calibration.result import Calibration
from analog_model.chip import Chip
from analog_model.dataset.groups import decode_groups, encode_groups, group
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes, write_bytes
from analog_model.dataset.provenance import with_step
from analog_model.dataset.schema import validate
from analog_model.errors import DataError
from analog_model.version import __version__

SHARED_CHIP = "without_single_cells"
FULL_CHIP = "full"
TABLES: Mapping[str, tuple[str, ...]] = {
    "parameters": ("value", "standard_error", "interval", "unit", "status", "parameter"),
    "ladder": ("held_out_chi_square", "n_parameters", "explains", "model"),
    "cells": (v.CELL_CURRENT, "standard_error", "kappa_deviation"),
}


def encode_calibration(calibration: Calibration) -> bytes:
    """Bytes of the NetCDF4 file that holds a calibration, its measurement included."""
    texts = {name: chip.to_yaml() for name, chip in calibration.chips.items()}
    texts[SHARED_CHIP] = calibration.shared_chip.to_yaml()
    attrs: dict[str, object] = {
        "schema": v.CALIBRATION_SCHEMA,
        "title": f"calibration of {calibration.chip.name}",
        "version": __version__,
        "weight_set": calibration.weight_set,
        "outlier_patterns": json.dumps(calibration.outlier_patterns),
        "dead_cells": json.dumps(calibration.dead_cells),
        "notes": json.dumps(calibration.notes, ensure_ascii=False),
    }
    if calibration.noise is not None:
        noise = calibration.noise
        attrs["read_noise"] = np.array([noise.of_full_scale, noise.of_reading])
    groups = {
        "measurement": with_step(calibration.measurement, "calibrated"),
        **{name: getattr(calibration, name) for name in TABLES},
        "chips": xr.Dataset(attrs=texts),
    }
    return encode_groups(groups, attrs)


def decode_calibration(
    content: bytes, *, source: str = "calibration", max_bytes: int = MAX_BYTES
) -> Calibration:
    """The calibration held by the bytes of a NetCDF4 file; DataError for anything else."""
    attrs, groups = decode_groups(content, v.CALIBRATION_SCHEMA, source=source, max_bytes=max_bytes)
    tables = {name: group(groups, name, needed, source) for name, needed in TABLES.items()}
    measurement = validate(
        group(groups, "measurement", (), source), source=f"group measurement in {source}"
    )
    texts = group(groups, "chips", (), source).attrs
    for name in (FULL_CHIP, SHARED_CHIP):
        if name not in texts:
            raise DataError(f"group chips in {source}", expected=f"a chip {name!r}", got="none")
    chips = {str(name): Chip.from_yaml(str(text)) for name, text in texts.items()}
    shared = chips.pop(SHARED_CHIP)
    noise = attrs.get("read_noise")
    try:
        return Calibration(
            chip=chips[FULL_CHIP],
            shared_chip=shared,
            chips=chips,
            **tables,
            measurement=measurement,
            weight_set=int(str(attrs["weight_set"])),
            outlier_patterns=tuple(map(str, json.loads(str(attrs["outlier_patterns"])))),
            dead_cells=tuple((int(j), int(i)) for j, i in json.loads(str(attrs["dead_cells"]))),
            notes=tuple(map(str, json.loads(str(attrs["notes"])))),
            noise=None if noise is None else ReadNoise(*np.asarray(noise, dtype=float).tolist()),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"attributes of {source}",
            expected="weight_set, outlier_patterns, dead_cells, notes as this package writes them",
            got=f"{type(error).__name__}: {error}",
        ) from None


def save_calibration(calibration: Calibration, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a calibration as NetCDF4, all or nothing.

    Raises `DataError` if the file exists and `overwrite` is not set; `OSError` if the disk
    refuses, leaving an older file as it was.
    """
    write_bytes(path, encode_calibration(calibration), overwrite=overwrite)


def open_calibration(path: PathLike, *, max_bytes: int = MAX_BYTES) -> Calibration:
    """The calibration held by a NetCDF4 file that `save_calibration` wrote.

    Bounds of `open_measurement`. Raises `DataError` for anything but a valid calibration.
    """
    content = read_bytes(path, max_bytes=max_bytes)
    return decode_calibration(content, source=Path(path).name, max_bytes=max_bytes)
