"""Where the chip in view comes from: bundled file, upload, layout rule.

Loaded chips are shared by all sessions and must not be changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.errors import DataError
from dashboard.store import upload_store

BUNDLED = "bundled"
UPLOAD = "upload"
SYNTHETIC = "synthetic"
GIVEN = "given"
SOURCES = (BUNDLED, UPLOAD, SYNTHETIC)


@dataclass(frozen=True)
class Source:
    """A chip as its source describes it, with the measurement it was read from, if any."""

    chip: Chip
    measurement: xr.Dataset | None = None


def read_source(
    kind: str,
    *,
    upload_id: str = "",
    weight_set: int = 0,
    n_word_lines: int = 16,
    n_bit_lines: int = 16,
    layout_rule: str = "uniform",
    seed: int = 0,
) -> Source:
    """The chip of one of `SOURCES`.

    Raises `DataError` for an unknown upload or a weight set that the file does not hold.
    """
    readers: dict[str, Callable[[], Source]] = {
        BUNDLED: lambda: _bundled(weight_set),
        UPLOAD: lambda: _uploaded(upload_id, weight_set),
        SYNTHETIC: lambda: _synthetic(n_word_lines, n_bit_lines, layout_rule, seed),
    }
    return readers[kind]()


def source_of_measurement(measurement: xr.Dataset, weight_set: int) -> Source:
    """A measurement with the chip that starts from its one-hot reads."""
    if v.CELL_CURRENT in measurement and weight_set >= measurement.sizes.get(v.WEIGHT_SET, 1):
        raise DataError(
            "weight set",
            expected=f"0 to {measurement.sizes[v.WEIGHT_SET] - 1}",
            got=str(weight_set),
        )
    return Source(am.starting_chip(measurement, weight_set=weight_set), measurement)


@lru_cache(maxsize=8)
def _bundled(weight_set: int) -> Source:
    return source_of_measurement(am.example_chip("reference"), weight_set)


@lru_cache(maxsize=8)
def _uploaded(upload_id: str, weight_set: int) -> Source:
    return source_of_measurement(upload_store().open(upload_id), weight_set)


@lru_cache(maxsize=8)
def _synthetic(n_word_lines: int, n_bit_lines: int, layout_rule: str, seed: int) -> Source:
    return Source(am.synthetic_chip(n_word_lines, n_bit_lines, layout_rule=layout_rule, seed=seed))
