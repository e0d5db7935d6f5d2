"""File that came from elsewhere, held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analog_model.dataset.container import is_classic_netcdf, is_hdf5
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes
from analog_model.dataset.provenance import sha256


@dataclass(frozen=True)
class SourceFile:
    """Content of a file under the name it came with."""

    name: str
    content: bytes

    @classmethod
    def read(cls, path: PathLike, *, max_bytes: int = MAX_BYTES) -> SourceFile:
        """The file at `path`, of at most `max_bytes`."""
        return cls(Path(path).name, read_bytes(path, max_bytes=max_bytes))

    @property
    def is_netcdf(self) -> bool:
        """Whether the content begins like NetCDF, old or new."""
        return is_hdf5(self.content) or is_classic_netcdf(self.content)

    @property
    def origin(self) -> str:
        """Name with hash, for the history of what is made from the file."""
        return f"{self.name} (sha256 {sha256(self.content)})"
