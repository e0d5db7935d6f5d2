"""Results of a command: a table for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from analog_model.errors import ConfigurationError


def print_json(result: Mapping[str, Any]) -> None:
    """One JSON object on stdout.

    JSON has no infinity: an exact prediction, whose ratio is infinite, prints null.
    """
    typer.echo(json.dumps(plain(result), ensure_ascii=False, indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """`value` in the types that JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def require_free(path: Path, *, force: bool) -> None:
    """Raise before any work is done if `path` exists and may not be replaced."""
    if path.exists() and not force:
        raise ConfigurationError(
            str(path),
            expected="no file of this name",
            got="one",
            advice="Choose another name, or replace it with --force.",
        )


def require_folder(path: Path) -> None:
    """Raise before any work is done if `path` lies in no folder."""
    if not path.resolve().parent.is_dir():
        raise ConfigurationError(
            str(path), expected="a file name in an existing folder", got="no such folder"
        )


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Names beside values, under a title."""
    console = Console()
    console.print(title, style="bold", markup=False, highlight=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, str(value))
    console.print(table, markup=False)


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table whose first column names its rows."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table, markup=False)


def in_unit(value: float, unit: str) -> str:
    """A value in SI with the prefix that keeps it readable: 1.24e-6, "s" gives "1.24 us"."""
    prefixes = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M"}
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    exponent = min(max(3 * math.floor(math.log10(abs(value)) / 3), -15), 6)
    return f"{value / 10.0**exponent:.4g} {prefixes[exponent]}{unit}"
