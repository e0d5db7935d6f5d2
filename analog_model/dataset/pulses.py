"""Pulse patterns as the input of a simulation, with or without measured charges."""

from __future__ import annotations

import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset import csv_wide
from analog_model.dataset.ingest import described, measurement_from_files
from analog_model.dataset.io import MAX_BYTES, PathLike
from analog_model.dataset.source_file import SourceFile


def open_pulses(
    path: PathLike,
    *,
    pulse_width_unit: str | None = None,
    decimal: str = ".",
    max_bytes: int = MAX_BYTES,
) -> xr.Dataset:
    """Dataset with `pulse_width` (pattern, word_line) [s], with the labels of its patterns.

    The file is a NetCDF measurement, whose variables all come along, or a CSV file with the
    columns `t0..tN-1` and perhaps `pattern`, `kind`, `split`, `weight_set_of_pattern`; its
    charges, if there are any, stay behind. Raises `DataError` where a unit is not stated.
    """
    file = SourceFile.read(path, max_bytes=max_bytes)
    if file.is_netcdf:
        return measurement_from_files(file, pulse_width_unit=pulse_width_unit, max_bytes=max_bytes)
    known = (*csv_wide.LABEL_COLUMNS, v.PULSE_WIDTH)
    table = file.table(known, decimal=decimal, max_bytes=max_bytes)
    return described(csv_wide.pulses_from_wide(table, pulse_width_unit=pulse_width_unit))
