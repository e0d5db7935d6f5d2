"""NetCDF4 encoding of a dataset, as bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from analog_model.dataset.container import check_container
from analog_model.errors import DataError
from analog_model.vocabulary import VariableSpec

# What h5py, h5netcdf and xarray raise for a damaged file; none of them documents a base.
DAMAGE = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError)
# zlib carries a checksum: a flipped bit is found when the file is read.
FILTERS = {"zlib": True, "complevel": 4, "shuffle": True}


def decode(
    content: bytes, variables: Mapping[str, VariableSpec], *, source: str, max_bytes: int
) -> xr.Dataset:
    """Dataset held by the bytes of a NetCDF4 file, fully in memory.

    Coordinates of the schema become coordinates even where the file does not list them as
    such, and text kept as single bytes becomes text. Values, names, units stay as they are.
    Raises `DataError` for anything but an intact flat NetCDF4 file of bounded size.
    """
    try:
        check_container(content, source, max_bytes)
        dataset = xr.load_dataset(
            io.BytesIO(content),
            engine="h5netcdf",
            decode_times=False,
            decode_timedelta=False,
            phony_dims="sort",  # an array without named dims gets invented ones, to be refused
        )
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            source,
            expected="an intact NetCDF4 file",
            got=f"one that cannot be read ({reason})",
            advice="It may be truncated or damaged: copy it again from where it came.",
        ) from error
    coordinates = [
        name for name, spec in variables.items() if spec.coordinate and name in dataset.variables
    ]
    return _with_text(dataset.set_coords(coordinates), source).drop_encoding()


def encode(dataset: xr.Dataset) -> bytes:
    """Bytes of a NetCDF4 file that holds `dataset`.

    Values keep their dtype, and no fill value is declared, for none is ever used.
    """
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "iuf":
            encoding[str(name)] = {"_FillValue": None} if variable.dtype.kind == "f" else {}
            if variable.ndim and variable.size:
                encoding[str(name)] |= FILTERS
    content = dataset.drop_encoding().to_netcdf(engine="h5netcdf", encoding=encoding)
    return bytes(content)


def _with_text(dataset: xr.Dataset, source: str) -> xr.Dataset:
    for name, variable in dataset.variables.items():
        if variable.dtype.kind != "S":
            continue
        try:
            text = np.char.decode(variable.to_numpy(), "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name} in {source}", expected="text in UTF-8", got=f"bytes ({error.reason})"
            ) from None
        dataset = dataset.assign_coords({name: (variable.dims, text, variable.attrs)})
    return dataset
