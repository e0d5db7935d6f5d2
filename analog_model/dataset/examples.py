"""Example chips that come with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import xarray as xr

from analog_model.dataset.io import open_measurement
from analog_model.errors import ConfigurationError, nearest_name

SUFFIX = ".nc"


def example_chip(name: str = "reference") -> xr.Dataset:
    """Validated measurement of a bundled chip.

    `reference` is a circuit simulation of a 16x16 array, not silicon; data/README.md says
    how it was made. Raises `ConfigurationError` for an unknown name.
    """
    names = example_names()
    if name not in names:
        raise ConfigurationError(
            f"example chip {name!r}",
            expected=f"one of {', '.join(names)}",
            got=repr(name),
            advice=nearest_name(name, names),
        )
    return open_measurement(data_folder() / "measured" / f"{name}{SUFFIX}")


def example_names() -> tuple[str, ...]:
    """Names of the bundled chips."""
    return tuple(sorted(path.stem for path in (data_folder() / "measured").glob(f"*{SUFFIX}")))


@cache
def data_folder() -> Path:
    """Folder of the bundled data: inside the installed package, else in the checkout."""
    package = Path(str(resources.files("analog_model.dataset"))).parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"
