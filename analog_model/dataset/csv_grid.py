"""Grid of values out of a table with one row a value.

Every place of the grid is filled by exactly one row: a value that is not given is not taken
as zero, and of two rows for one place none is preferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analog_model import vocabulary as v
from analog_model.dataset.csv_table import Table
from analog_model.dataset.csv_units import QUANTITIES, agreed_power_of_ten
from analog_model.errors import DataError, nearest_name


@dataclass(frozen=True)
class Axis:
    """One dimension of the grid: its labels, with the place of each row among them."""

    column: str
    labels: tuple[Any, ...]
    place: np.ndarray


def axis_as_listed(table: Table, column: str) -> Axis:
    """Axis of whole numbers in the order of their first appearance."""
    labels, first, place = np.unique(
        table.whole_numbers(column), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    return Axis(column, tuple(labels[order].tolist()), np.argsort(order)[place])


def axis_of_counts(table: Table, column: str) -> Axis:
    """Axis of the numbers 0, 1, 2, ... without a gap."""
    numbers = table.whole_numbers(column)
    labels = np.unique(numbers)
    if not np.array_equal(labels, np.arange(labels.size)):
        missing = min({*range(labels.size)} - {*labels.tolist()})
        raise DataError(
            f"{table.source}, column {column!r}",
            expected="numbers from 0 without a gap",
            got=f"{labels[0]} to {labels[-1]} without {missing}",
            advice=f"Number the {column} from 0 in their physical order.",
        )
    return Axis(column, tuple(labels.tolist()), numbers)


def axis_of_names(table: Table, column: str, names: Sequence[str]) -> Axis:
    """Axis of given names, each cell one of them."""
    texts = table.texts(column)
    for row, text in enumerate(texts):
        if text not in names:
            raise DataError(
                table.where(row, column),
                expected=f"one of {', '.join(names)}",
                got=repr(text),
                advice=nearest_name(text, names),
            )
    return Axis(column, tuple(names), np.array([names.index(text) for text in texts]))


def measured_grid(table: Table, name: str, axes: Sequence[Axis], unit: str | None) -> np.ndarray:
    """Values of a quantity in its SI unit; axes in the order of the result's dims."""
    power = agreed_power_of_ten(
        QUANTITIES[name],
        source=table.source,
        comment=table.comment,
        header_units={name: table.units[name]},
        option=unit,
    )
    lower = (v.VARIABLES.get(name) or v.LAYOUT_VARIABLES[name]).lower
    return grid(table, name, table.numbers(name, power_of_ten=power, lower=lower), axes)


def grid(table: Table, name: str, values: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """The rows' values in an array, one dimension an axis."""
    shape = tuple(len(axis.labels) for axis in axes)
    places = np.ravel_multi_index(tuple(axis.place for axis in axes), shape).tolist()
    row_of_place: dict[int, int] = {}
    for row, place in enumerate(places):
        if place in row_of_place:
            raise DataError(
                table.where(row, name),
                expected=f"one row for {_named(axes, shape, place)}",
                got=f"a second one; the first is line {table.lines[row_of_place[place]]}",
            )
        row_of_place[place] = row
    size = int(np.prod(shape, dtype=object))
    if len(row_of_place) < size:
        missing = next(place for place in range(size) if place not in row_of_place)
        count = size - len(row_of_place)
        more = f" (and {count - 1} more are missing)" if count > 1 else ""
        raise DataError(
            f"{name} in {table.source}",
            expected=f"a row for {_named(axes, shape, missing)}",
            got=f"none{more}",
            advice="Every value must be given; a pulse that is not sent has width 0."
            if name == v.PULSE_WIDTH
            else "Every value must be given.",
        )
    return values[[row_of_place[place] for place in range(size)]].reshape(shape)


def _named(axes: Sequence[Axis], shape: tuple[int, ...], place: int) -> str:
    position = np.unravel_index(place, shape)
    return ", ".join(
        f"{axis.column}={axis.labels[k]}" for axis, k in zip(axes, position, strict=True)
    )
