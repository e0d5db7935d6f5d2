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
MAX_ATTRIBUTE_BYTES = 1 << 20


def is_hdf5(content: bytes) -> bool:
    """Whether `content` begins like an HDF5 file, which NetCDF4 is."""
    return content.startswith(HDF5_MAGIC)


def is_classic_netcdf(content: bytes) -> bool:
    """Whether `content` begins like the older NetCDF, which is another format."""
    return content.startswith(CLASSIC_MAGIC) and content[3:4] in (b"\x01", b"\x02", b"\x05")


def check_container(content: bytes, source: str, max_bytes: int) -> None:
    """Raise `DataError` unless the container is flat, self-contained, small, HDF5."""
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
    with h5py.File(io.BytesIO(content), "r") as file:
        declared = _attribute_bytes(file, source)
        for name in file:
            _check_link(file, name, source)
            variable = file[name]
            declared += _declared_bytes(variable, f"{name} in {source}")
            declared += _attribute_bytes(variable, f"{name} in {source}")
            if declared > max_bytes:
                raise DataError(
                    f"{name} in {source}",
                    expected=f"at most {max_bytes} bytes of data in the file",
                    got=f"shape {variable.shape}, {declared} bytes so far",
                    advice="Raise max_bytes if the file is trusted.",
                )
            if h5py.check_string_dtype(variable.dtype):
                _check_texts(variable, f"{name} in {source}", max(1, max_bytes // len(content)))


def _check_link(file: h5py.File, name: str, source: str) -> None:
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


def _check_texts(variable: h5py.Dataset, where: str, at_once: int) -> None:
    """Refuse long texts: an array of texts takes the longest one's room for each."""
    if variable.dtype.kind == "S":
        longest = int(variable.dtype.itemsize)
    else:
        longest = 0
        flat = variable[()] if variable.ndim == 0 else None
        blocks = (
            [np.asarray([flat])]
            if flat is not None
            else (variable[k : k + at_once] for k in range(0, variable.shape[0], at_once))
        )
        for block in blocks:
            longest = max(longest, *(len(text) for text in np.ravel(block)), 0)
    if longest > MAX_TEXT_LENGTH:
        raise DataError(
            where,
            expected=f"texts of at most {MAX_TEXT_LENGTH} bytes",
            got=f"one of {longest} bytes",
        )


def _count(shape: tuple[int, ...]) -> int:
    """Number of entries, in Python's unbounded integers."""
    count = 1
    for extent in shape:
        count *= int(extent)
    return count
