"""File of a sweep: NetCDF4, checked when it is read."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model.dataset import netcdf
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes, write_bytes
from analog_model.dataset.provenance import with_step
from analog_model.errors import AnalogModelError, DataError
from analog_model.sweeps.axes import AXES, checked_axes
from analog_model.sweeps.plan import SCHEMA


def save_sweep(found: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a sweep as NetCDF4, all or nothing. Errors of `save_measurement`."""
    check_sweep(found, "dataset")
    write_bytes(path, netcdf.encode(with_step(found, "saved")), overwrite=overwrite)


def open_sweep(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated sweep held by a NetCDF4 file. Bounds and errors of `open_measurement`."""
    return decode_sweep(read_bytes(path, max_bytes=max_bytes), source=str(path))


def decode_sweep(content: bytes, *, source: str = "dataset") -> xr.Dataset:
    """Validated sweep held by the bytes of a NetCDF4 file."""
    found = netcdf.decode(content, {}, source=source, max_bytes=MAX_BYTES)
    check_sweep(found, source)
    return found


def check_sweep(found: xr.Dataset, source: str) -> None:
    """Raise DataError unless the dataset is a sweep: numbers with units over its axes."""
    if found.attrs.get("schema") != SCHEMA:
        got = repr(found.attrs.get("schema"))
        raise DataError(source, expected=f"a sweep, schema {SCHEMA}", got=got)
    axes = [str(dim) for dim in found.dims]
    try:
        checked_axes({name: found[name].values.tolist() for name in axes})
    except AnalogModelError as error:
        raise DataError(f"axes of {source}", expected="those of a sweep", got=str(error)) from None
    for axis in axes:
        _check_unit(found, axis, AXES[axis].unit or None, source)
    for name, variable in found.data_vars.items():
        if set(variable.dims) != set(axes) or not np.issubdtype(variable.dtype, np.floating):
            raise DataError(
                f"{name} in {source}",
                expected=f"numbers over {', '.join(axes)}",
                got=f"{variable.dtype} over {', '.join(map(str, variable.dims)) or 'nothing'}",
            )
        if "units" not in variable.attrs:
            raise DataError(f"{name} in {source}", expected="a unit", got="none")


def _check_unit(found: xr.Dataset, name: str, unit: str | None, source: str) -> None:
    if found[name].attrs.get("units") != unit:
        raise DataError(
            f"{name} in {source}",
            expected=f"the unit {unit!r}",
            got=repr(found[name].attrs.get("units")),
        )
