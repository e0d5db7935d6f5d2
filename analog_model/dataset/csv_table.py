"""Table of text cells from a CSV file, each of which knows its line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analog_model.dataset.csv_units import split_unit
from analog_model.dataset.io import MAX_BYTES
from analog_model.errors import ConfigurationError, DataError, nearest_name

# A cell of some six bytes takes about a hundred as a Python string.
MEMORY_PER_BYTE = 16
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,4}))?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns.

    `units` gives the unit in a column's header, None where there is none; `comment` the
    lines above the header that begin with #.
    """

    source: str
    comment: str
    columns: tuple[str, ...]
    units: Mapping[str, str | None]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    decimal: str = "."

    def where(self, row: int, column: str) -> str:
        """Place of a cell, the way a message names it."""
        return f"{self.source} line {self.lines[row]}, column {column!r}"

    def selected(self, rows: Sequence[int]) -> Table:
        """The table with these rows only."""
        return replace(
            self,
            lines=tuple(self.lines[row] for row in rows),
            rows=tuple(self.rows[row] for row in rows),
        )

    def texts(self, column: str) -> list[str]:
        """Cells of a column."""
        k = self.columns.index(column)
        return [row[k] for row in self.rows]

    def numbers(self, column: str, *, power_of_ten: int, lower: float | None = None) -> np.ndarray:
        """Cells of a column times 10^power_of_ten, each rounded once.

        The power goes into the text before it becomes a float: 1240 ns are the float
        nearest 1.24e-6, whereas 1240 * 1e-9 need not be.
        """
        values = np.empty(len(self.rows))
        for row, text in enumerate(self.texts(column)):
            values[row] = self._number(text, self.where(row, column), power_of_ten)
            if not np.isfinite(values[row]) or (lower is not None and values[row] < lower):
                bound = "" if lower is None else f" of at least {lower:g}"
                raise DataError(
                    self.where(row, column), expected=f"a finite number{bound}", got=repr(text)
                )
        return values

    def whole_numbers(self, column: str) -> np.ndarray:
        """Cells of a column as integers."""
        values = np.empty(len(self.rows), dtype=np.int64)
        for row, text in enumerate(self.texts(column)):
            if not _WHOLE.fullmatch(text):
                raise DataError(
                    self.where(row, column), expected="a whole number", got=_shown(text)
                )
            values[row] = int(text)
        return values

    def words(self, column: str, allowed: Sequence[str]) -> np.ndarray:
        """Cells of a column, each one of the words `allowed`."""
        texts = self.texts(column)
        for row, text in enumerate(texts):
            if text not in allowed:
                raise DataError(
                    self.where(row, column),
                    expected=f"one of {', '.join(allowed)}",
                    got=_shown(text),
                    advice=nearest_name(text, allowed),
                )
        return np.array(texts, dtype=np.str_)

    def require(self, columns: Sequence[str]) -> None:
        """Raise `DataError` unless the table has all these columns."""
        for column in columns:
            if column not in self.columns:
                raise DataError(
                    f"{self.source}, header",
                    expected=f"the columns {', '.join(columns)}",
                    got=f"no column {column!r}",
                    advice=f"Present: {', '.join(self.columns)}.",
                )

    def require_known(self, known: Sequence[str], form: str) -> None:
        """Raise `DataError` for a column that is not `known`."""
        for column in self.columns:
            if column not in known:
                raise DataError(
                    f"{self.source}, column {column!r}",
                    expected=f"a column of {form}",
                    got=repr(column),
                    advice=nearest_name(column, known),
                )

    def _number(self, text: str, where: str, power_of_ten: int) -> float:
        plain = text.replace(",", ".") if self.decimal == "," and "." not in text else text
        match = _NUMBER.fullmatch(plain)
        if match and not (self.decimal == "," and "." in text):
            return float(f"{match[1]}e{int(match[2] or 0) + power_of_ten}")
        mark = "comma" if self.decimal == "," else "point"
        advice = ""
        if re.fullmatch(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?", text):
            advice = "For decimal commas pass decimal=','."
        elif text.lower() in ("", "nan", "na", "n/a", "null", "none", "-"):
            advice = "Nothing is filled in: measure again, or remove the pattern."
        raise DataError(
            where, expected=f"a number with a decimal {mark}", got=_shown(text), advice=advice
        )


def parse_table(
    content: bytes,
    *,
    source: str,
    known: Sequence[str],
    decimal: str = ".",
    max_bytes: int = MAX_BYTES,
) -> Table:
    """Table in the bytes of a CSV file.

    UTF-8 with or without a byte-order mark; commas, semicolons or tabs between cells; any
    line ending; blank lines between rows are passed over. `known` column names may carry
    their unit after an underscore. `max_bytes` bounds the memory that the cells take. Raises
    `DataError` with line and column.
    """
    if decimal not in (".", ","):
        raise ConfigurationError("option decimal", expected="'.' or ','", got=repr(decimal))
    if len(content) * MEMORY_PER_BYTE > max_bytes:
        raise DataError(
            source,
            expected=f"a CSV file of at most {max_bytes // MEMORY_PER_BYTE} bytes",
            got=f"{len(content)} bytes",
            advice="Raise max_bytes if the file is trusted, or hand over NetCDF.",
        )
    lines = re.split("\r\n|\r|\n", _decoded(content, source))
    first = 0
    while first < len(lines) and (not lines[first].strip() or lines[first].startswith("#")):
        first += 1
    if first == len(lines):
        raise DataError(source, expected="a header line with column names", got="none")
    separator = _separator(lines[first], f"{source} line {first + 1}")
    cells = _cells(lines, first, separator, source)
    _, header = cells[0]
    names = [split_unit(cell, known) for cell in header]
    _check_header([name for name, _ in names], f"{source} line {first + 1}")
    rows = cells[1:]
    if not rows:
        raise DataError(source, expected="at least one row below the header", got="none")
    for line, row in rows:
        _check_row(line, row, header, separator, source)
    return Table(
        source=source,
        comment="\n".join(line.lstrip("#") for line in lines[:first]),
        columns=tuple(name for name, _ in names),
        units=dict(names),
        lines=tuple(line for line, _ in rows),
        rows=tuple(row for _, row in rows),
        decimal=decimal,
    )


def _decoded(content: bytes, source: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            source,
            expected="text in UTF-8",
            got="text in UTF-16",
            advice="Save it as 'CSV UTF-8'.",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source} line {line}",
            expected="text in UTF-8 (CSV), or a NetCDF4 file",
            got=f"byte 0x{content[error.start]:02x}",
            advice="Save it as 'CSV UTF-8'.",
        ) from None
    control = re.search(r"[\x00-\x08\x0e-\x1f]", text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise DataError(
            f"{source} line {line}",
            expected="text (CSV), or a NetCDF4 file",
            got=f"the control character {control[0]!r}",
            advice="The file is no text.",
        )
    return text


def _separator(header: str, where: str) -> str:
    present = [separator for separator in SEPARATORS if separator in header]
    if len(present) == 1:
        return present[0]
    if not present and " " not in split_unit(header.strip(), ())[0]:
        return ","  # a single column, such as the pulses of one word line
    raise DataError(
        where,
        expected="column names separated by commas, semicolons or tabs, one of them only",
        got=" together with ".join(SEPARATORS[s] for s in present) or _shown(header),
    )


def _cells(
    lines: Sequence[str], first: int, separator: str, source: str
) -> list[tuple[int, tuple[str, ...]]]:
    """Line number with cells, of every line from `first` on that is not blank."""
    found = []
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line.strip():
            continue
        if line.startswith("#"):
            raise DataError(
                f"{source} line {number}",
                expected="comments above the header only",
                got=_shown(line),
            )
        try:
            (row,) = csv.reader(io.StringIO(line), delimiter=separator, strict=True)
        except csv.Error as error:
            raise DataError(
                f"{source} line {number}", expected="CSV cells", got=f"a broken line ({error})"
            ) from None
        found.append((number, tuple(cell.strip() for cell in row)))
    return found


def _check_header(names: Sequence[str], where: str) -> None:
    for k, name in enumerate(names):
        if not name:
            raise DataError(where, expected="a name for every column", got=f"none for no. {k + 1}")
        if name in names[:k]:
            raise DataError(
                where,
                expected="each column once",
                got=f"{name!r} as columns {names.index(name) + 1} and {k + 1}",
            )


def _check_row(
    line: int, row: Sequence[str], header: Sequence[str], separator: str, source: str
) -> None:
    if len(row) == len(header):
        return
    advice = "A cell is missing."
    if len(row) > len(header):
        advice = "A cell too many."
        if separator == ",":
            advice += " Decimal commas need semicolons or tabs between the cells."
    raise DataError(
        f"{source} line {line}",
        expected=f"{len(header)} cells as in the header",
        got=f"{len(row)} cells",
        advice=advice,
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
