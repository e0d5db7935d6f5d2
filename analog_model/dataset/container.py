"""HDF5 container of a NetCDF file, inspected before anything is read from it.

A file from elsewhere may declare terabytes in a few compressed bytes, point at other files
of this machine, or hold structures that a NetCDF reader skips in silence. All of this is
refused from the declared shapes, types, links.
"""

from __future__ import annotations

import io
from typing import Any

import h5py
import numpy as np

from analog_model.errors import DataError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
CLASSIC_MAGIC = b"CDF"
# Filters that every HDF5 build has: gzip, shuffle, fletcher32, szip, nbit, scale-offset.
BUILT_IN_FILTERS = {1, 2, 3, 4, 5, 6}
MAX_TEXT_LENGTH = 256
OBJECT_BYTES = 64  # of a Python text beside its characters
MAX_ATTRIBUTE_BYTES = 1 << 20


def is_hdf5(content: bytes) -> bool:
    """Whether `content` begins like an HDF5 file, which NetCDF4 is."""
    return content.startswith(HDF5_MAGIC)


def is_classic_netcdf(content: bytes) -> bool:
    """Whether `content` begins like the older NetCDF, which is another format."""
    return content.startswith(CLASSIC_MAGIC) and content[3:4] in (b"\x01", b"\x02", b"\x05")


def check_container(content: bytes, source: str, max_bytes: int, *, groups: bool = False) -> None:
    """Raise `DataError` unless the container is flat, self-contained, small, HDF5.

    With `groups`, the top level may hold flat groups too.
    """
    if not is_hdf5(content):
        classic = is_classic_netcdf(content)
        raise DataError(
            source,
            expected="a NetCDF4 (HDF5) file",
            got="a NetCDF classic file" if classic else f"a file beginning {content[:8]!r}",
            advice="Convert it with `nccopy -k nc4 old.nc new.nc`."
            if classic
            else "Import a CSV file with import_measurement.",
        )
    at_once = max(1, max_bytes // len(content))
    with h5py.File(io.BytesIO(content), "r") as file:
        levels = {source: file}
        if groups:
            levels |= {f"{name} in {source}": file[name] for name in group_names(file)}
        declared = 0
        for where, level in levels.items():
            skipped = group_names(file) if groups and level is file else ()
            declared += _attribute_bytes(level, where)
            for name in (name for name in level if name not in skipped):
                declared = _checked_variable(
                    level, name, where, declared=declared, max_bytes=max_bytes, at_once=at_once
                )


def group_names(file: h5py.File) -> tuple[str, ...]:
    """Groups at the top level of a file, links aside."""
    return tuple(
        name
        for name in file
        if isinstance(file.get(name, getlink=True), h5py.HardLink)
        and file.get(name, getclass=True) is h5py.Group
    )


def _checked_variable(
    level: Any, name: str, where: str, *, declared: int, max_bytes: int, at_once: int
) -> int:
    """Memory `declared` so far and by one more variable of a file or group."""
    _check_link(level, name, where)
    where = f"{name} in {where}"
    variable = level[name]
    declared += _declared_bytes(variable, where) + _attribute_bytes(variable, where)
    _check_total(declared, max_bytes, variable, where)
    if h5py.check_string_dtype(variable.dtype):
        declared += _text_bytes(variable, where, at_once)
        _check_total(declared, max_bytes, variable, where)
    return declared


def _check_total(declared: int, max_bytes: int, variable: h5py.Dataset, where: str) -> None:
    if declared > max_bytes:
        raise DataError(
            where,
            expected=f"at most {max_bytes} bytes of data in the file",
            got=f"shape {variable.shape}, {declared} bytes so far",
            advice="Raise max_bytes if the file is trusted.",
        )


def _check_link(file: Any, name: str, source: str) -> None:
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        got = "a link to another file" if isinstance(link, h5py.ExternalLink) else "a soft link"
        raise DataError(f"{name} in {source}", expected="a variable in the file", got=got)
    kind = file.get(name, getclass=True)
    if kind is not h5py.Dataset:
        raise DataError(
            f"{name} in {source}",
            expected="a variable in a file without groups",
            got=f"an HDF5 {kind.__name__.lower()}",
            advice="Put all variables at the top level.",
        )


def _declared_bytes(variable: h5py.Dataset, where: str) -> int:
    """Memory that reading `variable` takes, at most, by its declaration."""
    if variable.shape is None:
        raise DataError(where, expected="an array", got="an empty dataspace")
    dtype = variable.dtype
    if dtype.kind not in "iufS" and not h5py.check_string_dtype(dtype):
        raise DataError(where, expected="numbers or text", got=f"HDF5 type {dtype}")
    if variable.external or variable.is_virtual:
        raise DataError(
            where, expected="values stored in the file itself", got="values kept in another file"
        )
    created = variable.id.get_create_plist()
    filters = {created.get_filter(k)[0] for k in range(created.get_nfilters())}
    if filters - BUILT_IN_FILTERS:
        raise DataError(
            where,
            expected="no compression, or gzip",
            got=f"HDF5 filter {min(filters - BUILT_IN_FILTERS)}",
            advice="Write the file with gzip (zlib) compression.",
        )
    # Reading one value decompresses its whole chunk.
    entries = max(_count(variable.shape), _count(variable.chunks or ()))
    return entries * int(dtype.itemsize)


def _attribute_bytes(holder: Any, where: str) -> int:
    """Memory that reading the attributes takes, text of free length aside."""
    total = 0
    for name in holder.attrs:
        attribute = holder.attrs.get_id(name)
        total += _count(attribute.shape) * int(attribute.dtype.itemsize)
        free_text = h5py.check_string_dtype(attribute.dtype) and attribute.dtype.kind == "O"
        if total > MAX_ATTRIBUTE_BYTES or (free_text and _count(attribute.shape) > 1):
            raise DataError(
                f"attribute {name} of {where}",
                expected="one text, or a few numbers",
                got=f"shape {attribute.shape}",
            )
    return total


def _text_bytes(variable: h5py.Dataset, where: str, at_once: int) -> int:
    """Memory that the texts take: in an array each has the room of the longest.

    Many entries may refer to one long text in the file, so only `at_once` are read together.
    """
    characters = variable.dtype == np.dtype("S1") and variable.ndim == 2
    if variable.ndim > 1 and not characters:
        raise DataError(where, expected="texts in a row", got=f"shape {variable.shape}")
    if characters:
        longest = int(variable.shape[1])
    elif variable.dtype.kind == "S":
        longest = int(variable.dtype.itemsize)
    elif variable.ndim == 0:
        longest = len(variable[()])
    else:
        blocks = (variable[k : k + at_once] for k in range(0, variable.shape[0], at_once))
        longest = max((len(text) for block in blocks for text in block), default=0)
    if longest > MAX_TEXT_LENGTH:
        raise DataError(
            where,
            expected=f"texts of at most {MAX_TEXT_LENGTH} bytes",
            got=f"one of {longest} bytes",
        )
    return int(variable.shape[0] if variable.ndim else 1) * (4 * longest + OBJECT_BYTES)


def _count(shape: tuple[int, ...]) -> int:
    """Number of entries, in Python's unbounded integers."""
    count = 1
    for extent in shape:
        count *= int(extent)
    return count
