"""Tidy CSV: one row a value, with the labels of its pattern, word line, bit line.

Pulses (`pattern, word_line, pulse_width`) and charges (`pattern, bit_line, charge`) come in
two files or in one; the static reads (`word_line, bit_line, cell_current`) in their own.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.csv_grid import Axis, axis_as_listed, axis_of_counts, measured_grid
from analog_model.dataset.csv_table import Table
from analog_model.dataset.csv_wide import Coordinates, label_coordinates
from analog_model.errors import DataError

PULSE_COLUMNS = (v.PATTERN, v.WORD_LINE, v.PULSE_WIDTH)
CHARGE_COLUMNS = (v.PATTERN, v.BIT_LINE, v.CHARGE)
LABEL_COLUMNS = (v.KIND, v.SPLIT, v.WEIGHT_SET_OF_PATTERN)
CURRENT_COLUMNS = (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE, v.CELL_CURRENT)


def is_tidy(table: Table) -> bool:
    """Whether the header looks like one row a value."""
    return not {*PULSE_COLUMNS[1:], *CHARGE_COLUMNS[1:]}.isdisjoint(table.columns)


def from_tidy(
    pulses: Table,
    charges: Table,
    *,
    pulse_width_unit: str | None = None,
    charge_unit: str | None = None,
) -> xr.Dataset:
    """Measurement in tidy tables, in SI units.

    `pulses` and `charges` may be one table with the columns of both; a row of it gives a
    pulse width, a charge, or both. Patterns keep the order of their first appearance. Raises
    `DataError` for a missing, repeated or contradicting row.
    """
    known = (*PULSE_COLUMNS, *CHARGE_COLUMNS, *LABEL_COLUMNS)
    for table, columns in ((pulses, PULSE_COLUMNS), (charges, CHARGE_COLUMNS)):
        table.require_known(known, "a tidy file")
        table.require(columns)
    pulses, charges = (
        _without_rows_of(CHARGE_COLUMNS, PULSE_COLUMNS, pulses),
        _without_rows_of(PULSE_COLUMNS, CHARGE_COLUMNS, charges),
    )
    pattern = axis_as_listed(pulses, v.PATTERN)
    pattern_of_charge = _same_patterns(pattern, pulses, charges)
    word_line = axis_of_counts(pulses, v.WORD_LINE)
    bit_line = axis_of_counts(charges, v.BIT_LINE)
    pulse_width = measured_grid(pulses, v.PULSE_WIDTH, [pattern, word_line], pulse_width_unit)
    charge = measured_grid(charges, v.CHARGE, [pattern_of_charge, bit_line], charge_unit)
    dataset = xr.Dataset(
        {
            v.PULSE_WIDTH: (v.VARIABLES[v.PULSE_WIDTH].dims, pulse_width),
            v.CHARGE: (v.VARIABLES[v.CHARGE].dims, charge),
        },
        coords={
            axis.column: np.array(axis.labels, dtype=np.int64)
            for axis in (pattern, word_line, bit_line)
        },
    )
    of_pulses = _labels_by_pattern(pulses, pattern, {})
    return dataset.assign_coords(_labels_by_pattern(charges, pattern_of_charge, of_pulses))


def cell_current_from_tidy(table: Table, *, cell_current_unit: str | None = None) -> xr.DataArray:
    """Static cell currents (weight_set, word_line, bit_line) [A] in a tidy table.

    Without a column `weight_set` there is one set, number 0.
    """
    table.require_known(CURRENT_COLUMNS, "a file of cell currents")
    table.require(CURRENT_COLUMNS[1:])
    axes = [axis_of_counts(table, v.WORD_LINE), axis_of_counts(table, v.BIT_LINE)]
    if v.WEIGHT_SET in table.columns:
        axes.insert(0, axis_of_counts(table, v.WEIGHT_SET))
    else:
        axes.insert(0, Axis(v.WEIGHT_SET, (0,), np.zeros(len(table.rows), dtype=np.int64)))
    values = measured_grid(table, v.CELL_CURRENT, axes, cell_current_unit)
    return xr.DataArray(values, dims=v.VARIABLES[v.CELL_CURRENT].dims)


def _without_rows_of(other: tuple[str, ...], own: tuple[str, ...], table: Table) -> Table:
    """The rows that give own values, out of a table that may hold the other kind too.

    A row is left to the other kind if its own line and value cells are empty while the
    other's are filled; any other gap stays, to be named by whoever reads the cell.
    """
    if any(name not in table.columns for name in other):
        return table
    cells = {name: table.texts(name) for name in (*own[1:], *other[1:])}
    kept = [
        row
        for row in range(len(table.rows))
        if any(cells[name][row] for name in own[1:])
        or not all(cells[name][row] for name in other[1:])
    ]
    return table.selected(kept)


def _same_patterns(pattern: Axis, pulses: Table, charges: Table) -> Axis:
    """The charges' axis of patterns, in the pulses' order; both must have the same."""
    charged = axis_as_listed(charges, v.PATTERN)
    for name, table, lacking in (
        (v.CHARGE, charges, set(pattern.labels) - set(charged.labels)),
        (v.PULSE_WIDTH, pulses, set(charged.labels) - set(pattern.labels)),
    ):
        if lacking:
            raise DataError(
                f"{name} in {table.source}",
                expected=f"rows for pattern {min(lacking)}",
                got="none",
                advice="Every pattern needs its pulses and its charges.",
            )
    place = {label: k for k, label in enumerate(pattern.labels)}
    order = np.array([place[label] for label in charged.labels])
    return Axis(v.PATTERN, pattern.labels, order[charged.place])


def _labels_by_pattern(table: Table, pattern: Axis, known: Coordinates) -> Coordinates:
    """Coordinates of the patterns, which all rows of a pattern must agree on."""
    _, first = np.unique(pattern.place, return_index=True)
    found = dict(known)
    for name, (dims, values) in label_coordinates(table).items():
        agreed = known[name][1] if name in known else values[first]
        differing = np.flatnonzero(values != agreed[pattern.place])
        if differing.size:
            row = int(differing[0])
            place = int(pattern.place[row])
            raise DataError(
                table.where(row, name),
                expected=f"{str(agreed[place])!r} as elsewhere for pattern {pattern.labels[place]}",
                got=repr(str(values[row])),
            )
        found[name] = (dims, agreed)
    return found
