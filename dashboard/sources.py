"""Where the chip in view comes from: bundled file, upload, layout rule, calibration.

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
from dashboard.store import ChipRecord, upload_store

BUNDLED = "bundled"
UPLOAD = "upload"
SYNTHETIC = "synthetic"
CALIBRATED = "calibrated"
GIVEN = "given"
SOURCES = (BUNDLED, UPLOAD, SYNTHETIC, CALIBRATED)


@dataclass(frozen=True)
class Source:
    """A chip as its source describes it, with the measurement it was read from, if any.

    `shared_chip` is the chip without what single cells add, where it has some of that: what
    holds for other weights on arrays of any size.
    """

    chip: Chip
    measurement: xr.Dataset | None = None
    shared_chip: Chip | None = None


def read_source(
    kind: str,
    *,
    upload_id: str = "",
    chip_id: str = "",
    weight_set: int = 0,
    n_word_lines: int = 16,
    n_bit_lines: int = 16,
    layout_rule: str = "uniform",
    seed: int = 0,
) -> Source:
    """The chip of one of `SOURCES`.

    Raises `DataError` for an unknown upload, an unknown calibrated chip, a weight set that
    the file does not hold.
    """
    readers: dict[str, Callable[[], Source]] = {
        BUNDLED: lambda: _bundled(weight_set),
        UPLOAD: lambda: _uploaded(upload_id, weight_set),
        SYNTHETIC: lambda: _synthetic(n_word_lines, n_bit_lines, layout_rule, seed),
        CALIBRATED: lambda: _calibrated(chip_id, weight_set),
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
    chip = upload_store().uploaded_chip(upload_id)
    if chip is not None:
        # A chip file holds one set of weights, under whatever number a link names.
        return Source(chip)
    return source_of_measurement(upload_store().open(upload_id), weight_set)


@lru_cache(maxsize=8)
def _synthetic(n_word_lines: int, n_bit_lines: int, layout_rule: str, seed: int) -> Source:
    return Source(am.synthetic_chip(n_word_lines, n_bit_lines, layout_rule=layout_rule, seed=seed))


def keep_calibrated(
    chip: Chip,
    *,
    kind: str,
    upload_id: str,
    chip_id: str,
    weight_set: int,
    shared_chip: Chip | None = None,
) -> str:
    """Id under which `read_source` finds a chip calibrated from the measurement in view.

    `kind`, `upload_id`, `chip_id` say which measurement that is, as for `read_source`.
    """
    measured = upload_id if kind == UPLOAD else ""
    if kind == CALIBRATED:
        measured = upload_store().open_chip(chip_id).upload_id
    shared = "" if shared_chip is None else shared_chip.to_yaml()
    return upload_store().put_chip(ChipRecord(chip.to_yaml(), measured, weight_set, shared))


@lru_cache(maxsize=8)
def _calibrated(chip_id: str, weight_set: int) -> Source:
    """A calibrated chip beside its measurement, which has to be there still.

    Under another weight set than the one it was calibrated with, the chip takes that
    set's one-hot reads; everything else carries over.
    """
    record = upload_store().open_chip(chip_id)
    kind = UPLOAD if record.upload_id else BUNDLED
    measured = read_source(kind, upload_id=record.upload_id, weight_set=weight_set)
    chip = Chip.from_yaml(record.chip)
    shared = Chip.from_yaml(record.shared_chip) if record.shared_chip else None
    if weight_set != record.weight_set:
        chip = chip.with_weights(measured.chip.cell_current)
        shared = None if shared is None else shared.with_weights(measured.chip.cell_current)
    return Source(chip, measured.measurement, shared)
