"""File of extracted weights: NetCDF, or CSV that the import takes as one-hot reads."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.csv_export import cell_current_csv
from analog_model.dataset.io import MAX_BYTES, PathLike, decode, encode, read_bytes, write_bytes
from analog_model.dataset.schema import Schema

EXTRACTION = Schema(
    name=v.EXTRACTION_SCHEMA,
    variables=v.EXTRACTION_VARIABLES,
    attributes=v.EXTRACTION_ATTRIBUTES,
    counted=(v.WORD_LINE, v.BIT_LINE),
)


def save_extraction(weights: xr.Dataset, path: PathLike, *, overwrite: bool = False) -> None:
    """Write extracted weights, all or nothing: CSV for a name in .csv, else NetCDF4.

    CSV has the columns word_line, bit_line, cell_current [nA]; NetCDF keeps the errors too.
    Raises `DataError` if the dataset is no extraction, or if the file exists and `overwrite`
    is not set.
    """
    content = encode(weights, EXTRACTION)
    if Path(path).suffix.lower() == ".csv":
        content = cell_current_csv(weights).encode()
    write_bytes(path, content, overwrite=overwrite)


def open_extraction(path: PathLike, *, max_bytes: int = MAX_BYTES) -> xr.Dataset:
    """Validated extracted weights held by a NetCDF4 file. Bounds of `open_measurement`."""
    content = read_bytes(path, max_bytes=max_bytes)
    return decode(content, EXTRACTION, source=Path(path).name, max_bytes=max_bytes)
