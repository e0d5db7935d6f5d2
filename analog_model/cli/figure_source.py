"""Source of the figures of a command: what a name on the command line stands for.

An existing file is a chip (.yaml, .yml), or NetCDF that says by its schema what it is, or CSV
of a measurement; a folder is that of a run or of a deployment. A name without a folder or a
suffix is a bundled chip or layout.
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
from analog_model.deployment.files import NETCDF as DEPLOYMENT_FILE
from analog_model.deployment.files import open_deployment
from analog_model.deployment.tables import SCHEMA as DEPLOYMENT_SCHEMA
from analog_model.errors import DataError
from analog_model.figures.catalogue.source import Content, Source
from analog_model.nn.training.record import RECORD
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.results.recovery import RECOVERY
from analog_model.sweeps.file import decode_sweep
from analog_model.sweeps.plan import SCHEMA as SWEEP_SCHEMA


def _decode_record(content: bytes, *, source: str) -> xr.Dataset:
    return decode(content, RECORD, source=source)


def _decode_recovery(content: bytes, *, source: str) -> xr.Dataset:
    return decode(content, RECOVERY, source=source)


# Schema -> kind of source, reader of its bytes.
READERS: Mapping[str, tuple[str, Callable[..., Content]]] = MappingProxyType(
    {
        v.MEASUREMENT_SCHEMA: ("measurement", decode_measurement),
        v.CALIBRATION_SCHEMA: ("calibration", decode_calibration),
        v.LAYOUT_SCHEMA: ("layout", decode_layout),
        RECORD.name: ("record", _decode_record),
        RECOVERY.name: ("recovery", _decode_recovery),
        SWEEP_SCHEMA: ("sweep", decode_sweep),
    }
)


def read_source(name: str) -> Source:
    """What a file, or a bundled chip or layout, gives to figures."""
    if sources.is_chip(name):
        return Source(name, "chip", sources.read_chip(name))
    path = Path(name)
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".nc":
        return _netcdf(name)
    if not path.exists() and name in example_layout_names():
        return Source(name, "layout", example_layout(name))
    return Source(name, "measurement", sources.read_measurement(name))


def _folder(path: Path) -> Source:
    """What a run or a deployment left in its folder."""
    if (path / DEPLOYMENT_FILE).is_file():
        return Source(str(path), "deployment", open_deployment(path))
    record = RunDirectory(path).record
    if record.is_file():
        return _netcdf(str(record))
    raise DataError(
        str(path), expected="the folder of a finished run or of a deployment", got="another one"
    )


def _netcdf(name: str) -> Source:
    content = read_bytes(name)
    schema = schema_of(content)
    if schema == DEPLOYMENT_SCHEMA:
        return Source(name, "deployment", open_deployment(Path(name).parent))
    if schema is not None and schema in READERS:
        kind, decode = READERS[schema]
        return Source(name, kind, decode(content, source=Path(name).name))
    raise DataError(
        name,
        expected=f"NetCDF of one of the schemas {', '.join([*READERS, DEPLOYMENT_SCHEMA])}",
        got="none" if schema is None else repr(schema),
        advice="`analog-model info` says what a file holds.",
    )
