"""File that came from elsewhere, held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analog_model.dataset.container import is_classic_netcdf, is_hdf5
from analog_model.dataset.csv_table import Table, parse_table
from analog_model.dataset.io import MAX_BYTES, PathLike, read_bytes
from analog_model.dataset.provenance import sha256
from analog_model.errors import DataError

NETCDF_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5")
_SHOWN = 40


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

    def table(
        self, known: Sequence[str], *, decimal: str = ".", max_bytes: int = MAX_BYTES
    ) -> Table:
        """Content as CSV with columns of which some are `known`; see `parse_table`.

        Raises `DataError` for content that the name says is NetCDF, too.
        """
        if Path(self.name).suffix.lower() in NETCDF_SUFFIXES:
            raise DataError(
                self.name,
                expected="a NetCDF4 (HDF5) file, as its name says",
                got=f"one that begins with {_beginning(self.content)}",
                advice="If it is CSV, name it .csv; else write it as NetCDF again.",
            )
        return parse_table(
            self.content, source=self.name, known=known, decimal=decimal, max_bytes=max_bytes
        )

    @property
    def origin(self) -> str:
        """Name with hash, for the history of what is made from the file."""
        return f"{self.name} (sha256 {sha256(self.content)})"


def _beginning(content: bytes) -> str:
    """What a file looks like, in the space of a message."""
    begin = content[:_SHOWN]
    if not begin.strip(b"\0"):
        return "nothing" if not content else "zero bytes"
    text = begin.decode("utf-8", errors="replace").splitlines()[0]
    return f"the text {text!r}" if text.isprintable() and "\ufffd" not in text else f"{begin!r}"
