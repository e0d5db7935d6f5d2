"""Wide CSV: one row a pattern, `t0..tN-1` the pulse widths, `q0..qM-1` the charges."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.dataset.csv_table import Table
from analog_model.dataset.csv_units import QUANTITIES, agreed_power_of_ten
from analog_model.errors import DataError

LABEL_COLUMNS = (v.PATTERN, v.KIND, v.SPLIT, v.WEIGHT_SET_OF_PATTERN)
Coordinates = dict[str, tuple[tuple[str, ...], np.ndarray]]
_NUMBERED = re.compile(r"[tq](0|[1-9][0-9]*)")


def is_wide(table: Table) -> bool:
    """Whether the header looks like one row a pattern."""
    return any(_NUMBERED.fullmatch(column) for column in table.columns)


def from_wide(
    table: Table, *, pulse_width_unit: str | None = None, charge_unit: str | None = None
) -> xr.Dataset:
    """Measurement in a wide table, in SI units.

    Columns may come in any order. Without a column `pattern` the rows count from 0. Raises
    `DataError` for a gap in the numbering, an unknown column, a cell that is no number, a
    repeated pattern label.
    """
    dataset = pulses_from_wide(table, pulse_width_unit=pulse_width_unit)
    columns = _numbered_columns(table, "q", "bit line")
    charge = _block(table, columns, v.CHARGE, charge_unit)
    return dataset.assign({v.CHARGE: (v.VARIABLES[v.CHARGE].dims, charge)}).assign_coords(
        {v.BIT_LINE: np.arange(len(columns))}
    )


def pulses_from_wide(table: Table, *, pulse_width_unit: str | None = None) -> xr.Dataset:
    """Pulse widths (pattern, word_line) [s] in a wide table, with the patterns' labels."""
    columns = _numbered_columns(table, "t", "word line")
    charged = [name for name in table.columns if _NUMBERED.fullmatch(name) and name[0] == "q"]
    table.require_known([*LABEL_COLUMNS, *columns, *charged], "a wide file (kind, t0, q0, ...)")
    pulse_width = _block(table, columns, v.PULSE_WIDTH, pulse_width_unit)
    pattern = np.arange(len(table.rows))
    if v.PATTERN in table.columns:
        pattern = table.whole_numbers(v.PATTERN)
        _check_distinct(table, pattern)
    dataset = xr.Dataset(
        {v.PULSE_WIDTH: (v.VARIABLES[v.PULSE_WIDTH].dims, pulse_width)},
        coords={v.PATTERN: pattern, v.WORD_LINE: np.arange(len(columns))},
    )
    return dataset.assign_coords(label_coordinates(table))


def label_coordinates(table: Table) -> Coordinates:
    """Coordinates of the patterns that the table states, one value a row."""
    found: Coordinates = {}
    for name in (v.KIND, v.SPLIT, v.WEIGHT_SET_OF_PATTERN):
        if name not in table.columns:
            continue
        allowed = v.VARIABLES[name].allowed
        values = table.words(name, allowed) if allowed else table.whole_numbers(name)
        found[name] = ((v.PATTERN,), values)
    return found


def _numbered_columns(table: Table, letter: str, noun: str) -> list[str]:
    """Columns letter0, letter1, ... in this order."""
    present = [name for name in table.columns if re.fullmatch(rf"{letter}[0-9]+", name)]
    columns = [f"{letter}{k}" for k in range(len(present))]
    for column in columns or [f"{letter}0"]:
        if column not in present:
            raise DataError(
                f"{table.source}, header",
                expected=f"columns {letter}0, {letter}1, ... without a gap, one per {noun}",
                got=f"no column {column!r}",
                advice=f"Present: {', '.join(present)}." if present else "",
            )
    return columns


def _block(table: Table, columns: list[str], name: str, option: str | None) -> np.ndarray:
    quantity = QUANTITIES[name]
    power = agreed_power_of_ten(
        quantity,
        source=table.source,
        comment=table.comment,
        header_units={column: table.units[column] for column in columns},
        option=option,
    )
    lower = v.VARIABLES[name].lower
    return np.stack([table.numbers(c, power_of_ten=power, lower=lower) for c in columns], axis=1)


def _check_distinct(table: Table, pattern: np.ndarray) -> None:
    seen: dict[int, int] = {}
    for row, label in enumerate(pattern.tolist()):
        if label in seen:
            raise DataError(
                table.where(row, v.PATTERN),
                expected="a label that no other row has",
                got=f"{label}, the label of line {table.lines[seen[label]]} too",
                advice="Give each repetition of the same pulses its own label.",
            )
        seen[label] = row
