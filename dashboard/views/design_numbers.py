"""Numbers of the design page: readings over one or two axes, as far as they are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analog_model.sweeps.axes import AXES, Value
from analog_model.sweeps.plan import SweepPoint
from dashboard.design_choices import ACCURACY, RETRAINED, SER
from dashboard.design_question import SweepQuestion
from dashboard.parameters import PARAMETERS

Index = tuple[int, ...]


@dataclass(frozen=True)
class Shown:
    """The number of a reading that is drawn: its name, label, unit, SI size of that unit."""

    name: str
    label: str
    unit: str
    factor: float = 1.0

    def text(self, value: float) -> str:
        """A value for people."""
        if math.isinf(value):
            return "no error"
        return f"{value / self.factor:.1f} {self.unit}"


SHOWN: Mapping[str, Shown] = {
    SER: Shown("decibel", "SER of the product", "dB"),
    ACCURACY: Shown("accuracy", "Accuracy, not retrained", "%", 0.01),
    RETRAINED: Shown("accuracy", "Accuracy, retrained", "%", 0.01),
}
BEFORE = Shown("undefended_accuracy", "not retrained", "%", 0.01)


@dataclass(eq=False)
class Readings:
    """Readings by index over the axes of a question."""

    over: Mapping[str, tuple[Value, ...]]
    measure: str
    known: dict[Index, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, question: SweepQuestion) -> Readings:
        """None yet."""
        return cls(question.over, question.measure)

    def add(self, point: SweepPoint) -> None:
        """Take a point."""
        self.known[point.index] = point.reading

    def add_all(self, found: xr.Dataset) -> None:
        """Take every point of a finished sweep."""
        names = list(found.data_vars)
        stacked = [found[name].transpose(*self.over).values for name in names]
        for index in np.ndindex(*self.shape):
            self.known[index] = {
                str(name): float(values[index]) for name, values in zip(names, stacked, strict=True)
            }

    @property
    def shown(self) -> Shown:
        """What is drawn."""
        return SHOWN[self.measure]

    @property
    def shape(self) -> Index:
        return tuple(map(len, self.over.values()))

    @property
    def n_points(self) -> int:
        return math.prod(self.shape)

    def values_at(self, index: Index) -> dict[str, Value]:
        """Values of the axes at a point."""
        return {name: values[k] for (name, values), k in zip(self.over.items(), index, strict=True)}

    def best_first(self) -> list[Index]:
        """Known points, those with the largest number first."""
        name = self.shown.name
        return sorted(self.known, key=lambda index: -self.known[index][name])


def axis_title(name: str) -> str:
    """Label of an axis with its unit."""
    return f"{axis_label(name)} [{axis_unit(name)}]" if axis_unit(name) else axis_label(name)


def axis_label(name: str) -> str:
    """What people call an axis."""
    if name in PARAMETERS:
        return PARAMETERS[name].label
    return AXES[name].long_name.capitalize()


def axis_unit(name: str) -> str:
    """Unit shown to people."""
    return PARAMETERS[name].unit if name in PARAMETERS else ""


def value_text(name: str, value: Value) -> str:
    """A value of an axis, without its unit."""
    return str(value).replace("_", " ") if AXES[name].words else f"{float(value):.4g}"


def point_text(values: Mapping[str, Value]) -> str:
    """Where a point lies."""
    return ", ".join(
        f"{axis_label(name)[0].lower()}{axis_label(name)[1:]} {value_text(name, value)}"
        + (f" {axis_unit(name)}" if axis_unit(name) else "")
        for name, value in values.items()
    )


def position(values: tuple[Value, ...], value: Value | None) -> float | None:
    """Where a value lies among those of an axis, in steps; None where it is not between them."""
    if value is None:
        return None
    if isinstance(value, str) or any(isinstance(one, str) for one in values):
        return float(values.index(value)) if value in values else None
    numbers = np.asarray(values, dtype=float)
    if not numbers[0] <= float(value) <= numbers[-1]:
        return None
    return float(np.interp(float(value), numbers, np.arange(numbers.size)))
