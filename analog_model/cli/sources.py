"""Source of a command: what a name on the command line stands for.

An existing file is a chip (.yaml, .yml), else a measurement in NetCDF or CSV, told apart by
its content. A name without a folder or a suffix is a bundled chip.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analog_model.errors import DataError

if TYPE_CHECKING:
    import xarray as xr

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


def read_measurement(name: str) -> xr.Dataset:
    """Measurement held by a file, or a bundled one."""
    from analog_model.dataset import example_chip, import_measurement

    path = Path(name)
    bundled = not path.exists() and path.name == name and not path.suffix
    return example_chip(name) if bundled else import_measurement(path)
