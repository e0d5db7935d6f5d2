"""Plan of a sweep: its points, each with the chip that is judged there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from analog_model.chip.chip import Chip
from analog_model.dataset.provenance import with_step
from analog_model.sweeps.axes import AXES, Value, checked_axes, chip_at
from analog_model.sweeps.cache import key_of
from analog_model.sweeps.reading import Measure

SCHEMA = "analog-model/sweep/1"


@dataclass(frozen=True)
class PlannedPoint:
    """Where a point lies on the axes, the chip there, the name of its reading."""

    index: tuple[int, ...]
    values: Mapping[str, Value]
    chip: Chip
    key: str


@dataclass(frozen=True)
class SweepPoint:
    """A finished point; `known`: its reading was in the cache."""

    index: tuple[int, ...]
    values: Mapping[str, Value]
    reading: Mapping[str, float]
    known: bool


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """One or two axes over one chip with one measure. Raises ConfigurationError."""

    chip: Chip
    over: Mapping[str, Sequence[Any]]
    measure: Measure

    def __post_init__(self) -> None:
        for name in self.axes:
            AXES[name].check(self.chip)
        for point in self.points:
            self.measure.check(point.chip)

    @cached_property
    def axes(self) -> dict[str, tuple[Value, ...]]:
        """Checked values by axis, in the order in which they were given."""
        return checked_axes(self.over)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values on each axis."""
        return tuple(len(values) for values in self.axes.values())

    @cached_property
    def points(self) -> tuple[PlannedPoint, ...]:
        """Every combination, the last axis fastest."""
        return tuple(self._point(index) for index in itertools.product(*map(range, self.shape)))

    def _point(self, index: tuple[int, ...]) -> PlannedPoint:
        values = {name: axis[k] for (name, axis), k in zip(self.axes.items(), index, strict=True)}
        chip = chip_at(self.chip, values)
        return PlannedPoint(index, values, chip, key_of(self.measure, chip))

    def dataset(self, points: Sequence[SweepPoint]) -> xr.Dataset:
        """Readings over the axes; NaN at points that are not among `points`."""
        coordinates = {
            name: (name, np.array(values), _attributes(AXES[name].long_name, AXES[name].unit))
            for name, values in self.axes.items()
        }
        variables = {}
        for quantity in self.measure.quantities:
            numbers = np.full(self.shape, np.nan)
            for point in points:
                numbers[point.index] = point.reading[quantity.name]
            attributes = _attributes(quantity.long_name, quantity.unit)
            variables[quantity.name] = (tuple(self.axes), numbers, attributes)
        found = xr.Dataset(variables, coordinates, {"schema": SCHEMA, **self._provenance()})
        return with_step(found, f"swept {' x '.join(self.axes)}, {len(self.points)} points")

    def _provenance(self) -> dict[str, str]:
        return {
            "title": f"{self.measure.quantities[0].long_name} over {' and '.join(self.axes)}",
            "chip": self.chip.name,
            "chip_fingerprint": self.chip.fingerprint(),
            "measure": json.dumps(self.measure.identity(), sort_keys=True),
        }


def _attributes(long_name: str, unit: str) -> dict[str, str]:
    return {"long_name": long_name, **({"units": unit} if unit else {})}
