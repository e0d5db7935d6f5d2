"""Source of the figures of a command: what a name on the command line stands for.

An existing file is a chip (.yaml, .yml), or NetCDF that says by its schema what it is, or CSV
of a measurement. A name without a folder or a suffix is a bundled chip or layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.archive import decode_calibration
from analog_model.cli import sources
from analog_model.dataset.examples import example_layout, example_layout_names
from analog_model.dataset.groups import schema_of
from analog_model.dataset.io import decode, decode_layout, decode_measurement, read_bytes
from analog_model.errors import DataError
from analog_model.figures.catalogue.source import Content, Source
from analog_model.nn.training.record import RECORD


def _decode_record(content: bytes, *, source: str) -> xr.Dataset:
    return decode(content, RECORD, source=source)


# Schema -> kind of source, reader of its bytes.
READERS: Mapping[str, tuple[str, Callable[..., Content]]] = MappingProxyType(
    {
        v.MEASUREMENT_SCHEMA: ("measurement", decode_measurement),
        v.CALIBRATION_SCHEMA: ("calibration", decode_calibration),
        v.LAYOUT_SCHEMA: ("layout", decode_layout),
        RECORD.name: ("record", _decode_record),
    }
)


def read_source(name: str) -> Source:
    """What a file, or a bundled chip or layout, gives to figures."""
    if sources.is_chip(name):
        return Source(name, "chip", sources.read_chip(name))
    path = Path(name)
    if path.suffix.lower() == ".nc":
        return _netcdf(name)
    if not path.exists() and name in example_layout_names():
        return Source(name, "layout", example_layout(name))
    return Source(name, "measurement", sources.read_measurement(name))


def _netcdf(name: str) -> Source:
    content = read_bytes(name)
    schema = schema_of(content)
    if schema is not None and schema in READERS:
        kind, decode = READERS[schema]
        return Source(name, kind, decode(content, source=Path(name).name))
    raise DataError(
        name,
        expected=f"NetCDF of one of the schemas {', '.join(READERS)}",
        got="none" if schema is None else repr(schema),
        advice="`analog-model info` says what a file holds.",
    )
