"""Groups of datasets in one NetCDF4 file, as bytes.

A result is several tables that belong together, each a group with dimensions of its own.
The top level holds attributes only.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import h5py
import xarray as xr

from analog_model.dataset.attributes import check_schema_name
from analog_model.dataset.container import check_container, group_names
from analog_model.dataset.netcdf import DAMAGE, FILTERS
from analog_model.errors import DataError


def encode_groups(groups: Mapping[str, xr.Dataset], attrs: Mapping[str, object]) -> bytes:
    """Bytes of a NetCDF4 file with a group for each dataset; values keep their dtype."""
    tree = {"/": xr.Dataset(attrs=dict(attrs))}
    encoding: dict[str, dict[str, dict[str, object]]] = {}
    for name, dataset in groups.items():
        tree[f"/{name}"] = dataset.drop_encoding()
        numbers = {k: x for k, x in dataset.variables.items() if x.dtype.kind in "iuf"}
        encoding[f"/{name}"] = {
            str(key): ({"_FillValue": None} if variable.dtype.kind == "f" else {})
            | (dict(FILTERS) if variable.ndim and variable.size else {})
            for key, variable in numbers.items()
        }
    content = xr.DataTree.from_dict(tree).to_netcdf(engine="h5netcdf", encoding=encoding)
    return bytes(content)


def schema_of(content: bytes) -> str | None:
    """What a NetCDF4 file says it is; None for any other content."""
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            said = file.attrs.get("schema")
    except DAMAGE:
        return None
    return said if isinstance(said, str) else None


def decode_groups(
    content: bytes, schema: str, *, source: str, max_bytes: int
) -> tuple[dict[str, object], dict[str, xr.Dataset]]:
    """Attributes of the file, then its datasets by group, fully in memory.

    Raises `DataError` for anything but an intact NetCDF4 file of bounded size whose attribute
    `schema` is the one given; what the groups hold is for the caller to check.
    """
    try:
        check_container(content, source, max_bytes, groups=True)
        with h5py.File(io.BytesIO(content), "r") as file:
            names = group_names(file)
        top, *datasets = (
            xr.load_dataset(
                io.BytesIO(content),
                engine="h5netcdf",
                group=name,
                decode_times=False,
                decode_timedelta=False,
            ).drop_encoding()
            for name in ("/", *names)
        )
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            source,
            expected="an intact NetCDF4 file",
            got=f"one that cannot be read ({reason})",
            advice="It may be truncated or damaged: make it again.",
        ) from error
    check_schema_name(top.attrs, schema, source)
    return {str(k): x for k, x in top.attrs.items()}, dict(zip(names, datasets, strict=True))


def group(
    groups: Mapping[str, xr.Dataset], name: str, variables: tuple[str, ...], source: str
) -> xr.Dataset:
    """One dataset of a file; `DataError` unless it is there with these variables."""
    found = groups.get(name)
    missing = [key for key in variables if found is None or key not in found.variables]
    if found is None or missing:
        raise DataError(
            f"group {name} in {source}",
            expected=f"the variables {', '.join(variables)}" if variables else "such a group",
            got="no such group" if found is None else f"none called {missing[0]}",
        )
    return found
