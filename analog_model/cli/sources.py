"""Source of a command: what a name on the command line stands for.

An existing file is a chip (.yaml, .yml), else a measurement in NetCDF or CSV, told apart by
its content. A name without a folder or a suffix is a bundled chip.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analog_model import vocabulary as v
from analog_model.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    import xarray as xr

    from analog_model.calibration.result import Calibration
    from analog_model.chip import Chip

CHIP_SUFFIXES = (".yaml", ".yml")


def is_chip(name: str) -> bool:
    """Whether `name` is that of a chip's YAML file."""
    return Path(name).suffix.lower() in CHIP_SUFFIXES


def read_chip(name: str) -> Chip:
    """Chip described by a YAML file."""
    from analog_model.chip import Chip
    from analog_model.dataset.io import read_bytes

    try:
        text = read_bytes(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            name, expected="YAML text in UTF-8", got=f"byte {error.start} that is none"
        ) from None
    return Chip.from_yaml(text)


def read_calibration(name: str) -> Calibration | None:
    """Calibration held by a file; None where the name is that of anything else."""
    from analog_model.dataset.groups import schema_of
    from analog_model.dataset.io import read_bytes

    if Path(name).suffix != ".nc" or not Path(name).is_file():
        return None
    content = read_bytes(name)
    if schema_of(content) != v.CALIBRATION_SCHEMA:
        return None
    from analog_model.calibration.archive import decode_calibration

    return decode_calibration(content, source=Path(name).name)


def read_measurement(name: str) -> xr.Dataset:
    """Measurement held by a file, or a bundled one."""
    from analog_model.dataset.examples import example_chip
    from analog_model.dataset.ingest import import_measurement

    path = Path(name)
    bundled = not path.exists() and path.name == name and not path.suffix
    return example_chip(name) if bundled else import_measurement(path)


def patterns_of(dataset: xr.Dataset, weight_set: int) -> xr.Dataset:
    """The patterns applied while the chip carried one weight set; all where none is named."""
    if v.WEIGHT_SET_OF_PATTERN not in dataset.coords:
        return dataset
    return dataset.isel({v.PATTERN: dataset[v.WEIGHT_SET_OF_PATTERN].values == weight_set})


def require_weight_set(dataset: xr.Dataset, weight_set: int) -> None:
    """Raise unless the dataset has patterns of this weight set."""
    if patterns_of(dataset, weight_set).sizes[v.PATTERN] == 0:
        present = sorted(set(dataset[v.WEIGHT_SET_OF_PATTERN].values.tolist()))
        raise ConfigurationError(
            "option --weight-set",
            expected=f"one of {', '.join(map(str, present))}",
            got=str(weight_set),
        )
