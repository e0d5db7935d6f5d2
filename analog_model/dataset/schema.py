"""Schema of a dataset: what a file of one kind must hold.

A check changes nothing. It raises one `DataError` at the first violation, naming the
variable, its labelled index, the value there, what was expected, what to do.

Repeated measurements of the same pulses are legitimate and pass; a repeated *label* of a
pattern is not, for it would leave open which of the two a result belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset import attributes, conformity
from analog_model.errors import DataError, nearest_name


@dataclass(frozen=True)
class Schema:
    """Variables with their attributes, under a versioned name.

    `counted` are the dimensions whose labels, where given, must be 0, 1, 2, ...: positions
    on them have a meaning (physical neighbours, a number that another variable refers to).
    `relations` check what holds between variables.
    """

    name: str
    variables: Mapping[str, v.VariableSpec]
    attributes: Mapping[str, tuple[str | None, str]]
    counted: tuple[str, ...]
    relations: tuple[Callable[[xr.Dataset, str], None], ...] = ()

    @property
    def dims(self) -> tuple[str, ...]:
        """All dimensions that a variable of the schema can have."""
        shapes = [(*spec.dims, *(spec.alternative_dims or ())) for spec in self.variables.values()]
        return tuple(dict.fromkeys(dim for shape in shapes for dim in shape))

    def check(self, dataset: xr.Dataset, source: str) -> None:
        """Raise `DataError` unless `dataset` obeys the schema."""
        attributes.check_schema_name(dataset.attrs, self.name, source)
        attributes.check_attributes(dataset.attrs, self.attributes, source)
        self._check_names(dataset, source)
        for name in self.dims:
            if name in dataset.dims and name not in self.variables:
                conformity.check_labels(dataset, name, source, counted=name in self.counted)
        for name, spec in self.variables.items():
            if name in dataset.variables:
                conformity.check_variable(dataset, spec, source)
        for relation in self.relations:
            relation(dataset, source)

    def _check_names(self, dataset: xr.Dataset, source: str) -> None:
        valid = {*self.variables, *self.dims}
        for name in map(str, dataset.variables):
            if name not in valid:
                raise DataError(
                    f"{name} in {source}",
                    expected=f"a variable of the schema {self.name}",
                    got=repr(name),
                    advice=nearest_name(name, valid),
                )
        for name, spec in self.variables.items():
            if spec.required and name not in dataset.variables:
                raise DataError(
                    f"{name} in {source}",
                    expected=f"the variable {name} ({', '.join(spec.dims)})"
                    + (f" in {spec.unit}" if spec.unit else ""),
                    got="no such variable",
                    advice=f"The file holds: {', '.join(map(str, dataset.variables)) or 'none'}.",
                )


def _check_weight_sets(dataset: xr.Dataset, source: str) -> None:
    """Every pattern belongs to a weight set whose currents are given."""
    if v.WEIGHT_SET not in dataset.dims:
        return
    count = dataset.sizes[v.WEIGHT_SET]
    if v.WEIGHT_SET_OF_PATTERN not in dataset.variables:
        if count == 1:
            return
        raise DataError(
            f"{v.WEIGHT_SET_OF_PATTERN} in {source}",
            expected=f"the weight set of each pattern, as there are {count} weight sets",
            got="no such variable",
            advice="Say which weights were on the chip during each pattern.",
        )
    conformity.check_each(
        dataset[v.WEIGHT_SET_OF_PATTERN],
        np.asarray(dataset[v.WEIGHT_SET_OF_PATTERN]) < count,
        source,
        expected=f"a weight set from 0 to {count - 1}",
        advice=f"Give its {v.CELL_CURRENT} too, or remove the pattern.",
    )


MEASUREMENT = Schema(
    name=v.MEASUREMENT_SCHEMA,
    variables=v.VARIABLES,
    attributes=v.ATTRIBUTES,
    counted=(v.WORD_LINE, v.WEIGHT_SET),
    relations=(_check_weight_sets,),
)


def validate(dataset: xr.Dataset, *, source: str = "dataset") -> xr.Dataset:
    """The same dataset, known to be a measurement.

    Checks names, dims and their order, sorts of values, units, labels, finiteness, lower
    bounds, allowed words, attributes, relations between variables. Raises `DataError` with
    `source` (a file name, say) in its message.
    """
    MEASUREMENT.check(dataset, source)
    return dataset
