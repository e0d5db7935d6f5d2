"""Files of datasets: the only place where the library touches the disk.

A file is read whole, then closed, before anything looks into it. A file is written whole to
a temporary one beside its destination, then moved over it, so that a failed save leaves
what was there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import xarray as xr

from analog_model.dataset import netcdf
from analog_model.dataset.layout_map import LAYOUT
from analog_model.dataset.provenance import with_step
from analog_model.dataset.schema import MEASUREMENT, Schema
from analog_model.errors import DataError

MAX_BYTES = 256 * 1024 * 1024

PathLike = str | os.PathLike[str]


def open_measurement(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated measurement held by a NetCDF4 file.

    The file's size, like the memory that its arrays declare, may be at most `max_bytes`.
    Raises `DataError` for anything but a valid measurement.
    """
    return decode_measurement(
        read_bytes(path, max_bytes=max_bytes), source=Path(path).name, max_bytes=max_bytes
    )


def save_measurement(dataset: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a measurement as NetCDF4, all or nothing.

    Raises `DataError` if the dataset is no valid measurement, or if the file exists and
    `overwrite` is not set; `OSError` if the disk refuses, leaving an older file as it was.
    """
    write_bytes(path, encode_measurement(dataset), overwrite=overwrite)


def decode_measurement(
    content: bytes, *, source: str = "dataset", max_bytes: int = MAX_BYTES
) -> xr.Dataset:
    """Validated measurement held by the bytes of a NetCDF4 file, such as an upload's."""
    return decode(content, MEASUREMENT, source=source, max_bytes=max_bytes)


def encode_measurement(dataset: xr.Dataset) -> bytes:
    """Bytes of a NetCDF4 file that holds the measurement."""
    return encode(dataset, MEASUREMENT)


def open_layout(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated layout map held by a NetCDF4 file. Bounds and errors of `open_measurement`."""
    return decode_layout(
        read_bytes(path, max_bytes=max_bytes), source=Path(path).name, max_bytes=max_bytes
    )


def save_layout(dataset: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a layout map as NetCDF4, all or nothing. Errors of `save_measurement`."""
    write_bytes(path, encode_layout(dataset), overwrite=overwrite)


def save_text(text: str, path: PathLike, *, overwrite: bool = False) -> None:
    """Write a text file in UTF-8, all or nothing, with the line endings the text has."""
    write_bytes(path, text.encode("utf-8"), overwrite=overwrite)


def decode_layout(
    content: bytes, *, source: str = "dataset", max_bytes: int = MAX_BYTES
) -> xr.Dataset:
    """Validated layout map held by the bytes of a NetCDF4 file, such as an upload's."""
    return decode(content, LAYOUT, source=source, max_bytes=max_bytes)


def encode_layout(dataset: xr.Dataset) -> bytes:
    """Bytes of a NetCDF4 file that holds the layout map."""
    return encode(dataset, LAYOUT)


def decode(
    content: bytes, schema: Schema, *, source: str = "dataset", max_bytes: int = MAX_BYTES
) -> xr.Dataset:
    """Dataset held by the bytes of a NetCDF4 file, checked against `schema`."""
    dataset = netcdf.decode(content, schema.variables, source=source, max_bytes=max_bytes)
    schema.check(dataset, source)
    return dataset


def encode(dataset: xr.Dataset, schema: Schema) -> bytes:
    """Bytes of a NetCDF4 file that holds `dataset`, checked against `schema`."""
    schema.check(dataset, "dataset")
    return netcdf.encode(with_step(dataset, "saved"))


def read_bytes(path: PathLike, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Content of a file of at most `max_bytes`; its size is looked at before it is read."""
    path = Path(path)
    if not path.exists():
        raise DataError(str(path), expected="a file", got="no such file")
    if not path.is_file():
        got = "a folder" if path.is_dir() else "something that is no plain file"
        raise DataError(str(path), expected="a file", got=got)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise DataError(
                    path.name,
                    expected=f"at most {max_bytes} bytes",
                    got=f"{size} bytes",
                    advice="Raise max_bytes if the file is trusted.",
                )
            content = file.read(max_bytes)
    except PermissionError:
        raise DataError(
            str(path), expected="a file that may be read", got="permission denied"
        ) from None
    if not content:
        raise DataError(path.name, expected="a file with content", got="an empty file")
    return content


def write_bytes(path: PathLike, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file all or nothing, through a temporary one in the same folder."""
    path = Path(path).resolve()
    if path.exists() and not overwrite:
        raise DataError(
            str(path),
            expected="no file of this name",
            got="one",
            advice="Choose another name, or pass overwrite=True.",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise DataError(
            str(path),
            expected="a file name in an existing folder",
            got="a folder" if path.is_dir() else "no such folder",
        )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
