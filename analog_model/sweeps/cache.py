"""Cache of sweep points: one small JSON file for each, named by its content.

The name is a hash of the package's version, the measure, the chip: whatever sweep asks for
the same number finds it. Files appear whole or not at all, so that several processes, or a
sweep that was killed, leave nothing half written.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analog_model.chip.chip import Chip
from analog_model.dataset.io import PathLike, read_bytes, write_bytes
from analog_model.errors import DataError
from analog_model.sweeps.reading import Measure
from analog_model.version import __version__

SCHEMA = "analog-model/sweep-point/1"
_MAX_BYTES = 1 << 20


def key_of(measure: Measure, chip: Chip) -> str:
    """SHA-256 of what decides a reading."""
    decides = [SCHEMA, __version__, measure.identity(), chip.fingerprint()]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


class PointCache:
    """Readings in one folder, which is made if there is none."""

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                str(self.folder), expected="a folder for the points of sweeps", got=str(error)
            ) from None

    def path(self, key: str) -> Path:
        """File of a point."""
        return self.folder / f"{key}.json"

    def find(self, key: str, measure: Measure) -> dict[str, float] | None:
        """The reading of a point; None if it was never taken.

        Raises DataError for a file that is not what was written.
        """
        path = self.path(key)
        if not path.exists():
            return None
        try:
            content = json.loads(read_bytes(path, max_bytes=_MAX_BYTES).decode("utf-8"))
            reading = {name: float(value) for name, value in content["reading"].items()}
            whole = content["schema"] == SCHEMA and content["key"] == key
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise _damaged(path, " ".join(str(error).split())) from None
        expected = {quantity.name for quantity in measure.quantities}
        if not whole or set(reading) != expected or any(map(math.isnan, reading.values())):
            raise _damaged(path, "another content")
        return reading

    def keep(
        self, key: str, measure: Measure, values: Mapping[str, Any], reading: Mapping[str, float]
    ) -> None:
        """Write a reading; `values` of the axes are for people who look into the file."""
        content = {
            "schema": SCHEMA,
            "key": key,
            "version": __version__,
            "measure": measure.identity(),
            "values": dict(values),
            "reading": dict(reading),
        }
        text = json.dumps(content, indent=1) + "\n"
        write_bytes(self.path(key), text.encode(), overwrite=True)


def _damaged(path: Path, got: str) -> DataError:
    return DataError(
        str(path),
        expected="a sweep point as it was written",
        got=got,
        advice="Delete the file; the point is then computed again.",
    )
