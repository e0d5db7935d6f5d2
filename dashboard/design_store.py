"""Store of sweeps: finished ones by their question, the points of all, their networks.

Everything lies below one folder of the machine. Names on disk are hashes, or names of
networks, never what a browser sent.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import xarray as xr

from analog_model.sweeps.file import open_sweep, save_sweep

ENVIRONMENT_VARIABLE = "ANALOG_MODEL_SWEEPS"


class SweepStore:
    """Sweeps below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = folder / "points"

    def network(self, name: str) -> Path:
        """Directory of the digital run of a network that comes with sweeps of accuracy."""
        return self.folder / "networks" / name

    def find(self, key: str) -> xr.Dataset | None:
        """The finished sweep of a question; DataError for a damaged file."""
        path = self._path(key)
        return open_sweep(path) if path.exists() else None

    def keep(self, key: str, found: xr.Dataset) -> None:
        """Write a finished sweep."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_sweep(found, path, overwrite=True)

    def _path(self, key: str) -> Path:
        return self.folder / "finished" / f"{key}.nc"


@lru_cache(maxsize=1)
def sweep_store() -> SweepStore:
    """The store of this machine's user, or that in the folder that the environment names."""
    import pooch

    given = os.environ.get(ENVIRONMENT_VARIABLE)
    return SweepStore(Path(given or Path(pooch.os_cache("analog-model")) / "sweeps"))
