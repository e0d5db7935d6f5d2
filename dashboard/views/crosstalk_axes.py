"""Axes that the figures of the crosstalk page share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bokeh.models import (
    BasicTicker,
    CustomJSHover,
    CustomJSTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

# Borders in pixels, equal in every figure of a row so that their frames line up.
TOP, BOTTOM = 8, 42
_TRIM = "return Number((value / factor).toPrecision(4)).toString() + suffix"


def line_range(size: int, *, downward: bool = False) -> Range1d:
    """Range of a word-line or bit-line axis; line 0 on top where it runs downward."""
    low, high = -0.5, size - 0.5
    start, end = (high, low) if downward else (low, high)
    return Range1d(start, end, bounds=(low, high), min_interval=2)


def resize(axis_range: Range1d, size: int) -> None:
    """Show all of another number of lines, in the same direction."""
    low, high = -0.5, size - 0.5
    start, end = (high, low) if axis_range.start > axis_range.end else (low, high)
    axis_range.update(bounds=None)
    axis_range.update(start=start, end=end, reset_start=start, reset_end=end, bounds=(low, high))


def line_ticker() -> BasicTicker:
    """Ticks on whole lines only."""
    return BasicTicker(min_interval=1, mantissas=[1, 2, 4, 8], base=16, num_minor_ticks=0)


def unit_formatter(factor: float, unit: str = "") -> CustomJSTickFormatter:
    """Ticks in SI shown in a unit of size `factor`, which is named where it is given."""
    return CustomJSTickFormatter(
        args={"factor": factor, "suffix": f" {unit}" if unit else ""},
        code="return Number((tick / factor).toPrecision(4)).toString() + suffix",
    )


def unit_hover(factor: float, unit: str) -> CustomJSHover:
    """Hovered values in SI shown in a unit of size `factor`."""
    return CustomJSHover(args={"factor": factor, "suffix": f" {unit}" if unit else ""}, code=_TRIM)


def time_unit(longest: float) -> tuple[float, str]:
    """Size in SI, name of a unit fit for times up to `longest` [s]."""
    return (1e-9, "ns") if longest < 2e-5 else (1e-6, "µs")


def bare_figure(options: Mapping[str, Any]) -> figure:
    """A figure without tools that fills the place it is given.

    `options` are those of `bokeh.plotting.figure`.
    """
    chosen = {
        "sizing_mode": "stretch_both",
        "min_border_top": TOP,
        "min_border_bottom": BOTTOM,
        "min_border_left": 6,
        "min_border_right": 6,
        "toolbar_location": None,
        "tools": "",
        **options,
    }
    made = figure(**chosen)
    made.grid.visible = False
    return made
