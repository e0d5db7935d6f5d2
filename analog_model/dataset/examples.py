"""Example chips, like example layouts, that come with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import xarray as xr

from analog_model.dataset.io import open_layout, open_measurement
from analog_model.errors import ConfigurationError, nearest_name

SUFFIX = ".nc"


def example_chip(name: str = "reference") -> xr.Dataset:
    """Validated measurement of a bundled chip.

    `reference` is a circuit simulation of a 16x16 array, not silicon; data/README.md says
    how it was made. Raises `ConfigurationError` for an unknown name.
    """
    _check_name("example chip", name, example_names())
    return open_measurement(data_folder() / "measured" / f"{name}{SUFFIX}")


def example_names() -> tuple[str, ...]:
    """Names of the bundled chips."""
    return _names_in(data_folder() / "measured")


def example_layout(name: str) -> xr.Dataset:
    """Validated layout map of a bundled 16x16 layout, one for each of the usual rules."""
    _check_name("example layout", name, example_layout_names())
    return open_layout(data_folder() / "layouts" / f"{name}{SUFFIX}")


def example_layout_names() -> tuple[str, ...]:
    """Names of the bundled layouts."""
    return _names_in(data_folder() / "layouts")


@cache
def data_folder() -> Path:
    """Folder of the bundled data: inside the installed package, else in the checkout."""
    package = Path(str(resources.files("analog_model.dataset"))).parent
    installed = package / "data"
    return installed if installed.is_dir() else package.parent / "data"


def _names_in(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob(f"*{SUFFIX}")))


def _check_name(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigurationError(
            f"{what} {name!r}",
            expected=f"one of {', '.join(names) or 'none, as no data are installed'}",
            got=repr(name),
            advice=nearest_name(name, names),
        )
