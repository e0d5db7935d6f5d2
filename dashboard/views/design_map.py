"""Map of a sweep over two axes, one square for every point.

Squares are equally large, whatever the distance of the values; the chip in view is marked
in proportion between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    NoOverlap,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure

from analog_model.sweeps.axes import AXES
from dashboard import theme
from dashboard.views.design_numbers import Index, Readings, axis_title, point_text, value_text

TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@hover</div>'
# Points a side up to which each carries its number.
_WRITTEN = 11
_EMPTY: dict[str, list[Any]] = {"x": [], "y": [], "colour": [], "ink": [], "text": [], "hover": []}


class SweepMap:
    """The figure; `tapped` is told the index of a point."""

    def __init__(self, tapped: Callable[[Index], None]) -> None:
        self._tapped = tapped
        self._readings: Readings | None = None
        self._theme = "light"
        self.x, self.y = Range1d(-0.5, 0.5), Range1d(-0.5, 0.5)
        self.figure = figure(
            title=" ",
            sizing_mode="stretch_both",
            x_range=self.x,
            y_range=self.y,
            tools="",
            toolbar_location=None,
            min_border_right=90,
        )
        self.source = ColumnDataSource(data=dict(_EMPTY))
        squares = self.figure.rect(
            "x",
            "y",
            width=1,
            height=1,
            fill_color="colour",
            line_color=None,
            source=self.source,
        )
        squares.nonselection_glyph = squares.selection_glyph = None
        self._numbers = self.figure.text(
            "x",
            "y",
            text="text",
            text_color="ink",
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            text_font=value(theme.FONT),
            source=self.source,
        )
        self._numbers.nonselection_glyph = self._numbers.selection_glyph = None
        self._add_marks()
        self.mapper = LinearColorMapper(palette=["#888888"], low=0, high=1)
        self.bar = ColorBar(
            color_mapper=self.mapper,
            width=12,
            padding=6,
            border_line_color=None,
            bar_line_color=None,
            ticker=BasicTicker(desired_num_ticks=6),
        )
        self.figure.add_layout(self.bar, "right")
        self.figure.grid.grid_line_color = None
        self.figure.add_tools(
            HoverTool(renderers=[squares], tooltips=TOOLTIP), TapTool(renderers=[squares])
        )
        self.source.selected.on_change("indices", self._on_selected)

    def _add_marks(self) -> None:
        """The point chosen, the chip in view: drawn twice, to show on any colour."""
        self.chosen = ColumnDataSource({"x": [], "y": []})
        self.here = ColumnDataSource({"x": [], "y": []})
        self._halos = [
            self.figure.rect(
                "x", "y", width=1, height=1, fill_color=None, line_width=5, source=self.chosen
            ),
            self.figure.scatter("x", "y", size=34, line_width=5, fill_color=None, source=self.here),
        ]
        self._lines = [
            self.figure.rect(
                "x", "y", width=1, height=1, fill_color=None, line_width=2.5, source=self.chosen
            ),
            self.figure.scatter(
                "x", "y", size=34, line_width=2.5, fill_color=None, source=self.here
            ),
        ]

    def show(self, readings: Readings, title: str) -> None:
        """Draw what is known of a sweep."""
        self._readings = readings
        self.figure.title.text = title
        names = list(readings.over)
        for name, axis, span in zip(
            names, (self.figure.xaxis[0], self.figure.yaxis[0]), (self.x, self.y), strict=True
        ):
            label_axis(axis, name, [value_text(name, one) for one in readings.over[name]])
            span.update(start=-0.5, end=len(readings.over[name]) - 0.5)
        self._draw()

    def mark(self, x: float | None, y: float | None, chosen: Index | None) -> None:
        """Where the chip in view lies, None for outside; the point chosen."""
        inside = x is not None and y is not None
        self.here.data = {"x": [x] if inside else [], "y": [y] if inside else []}
        self.chosen.data = {
            "x": [] if chosen is None else [chosen[0]],
            "y": [] if chosen is None else [chosen[1]],
        }

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        self._theme = name
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        for halo in self._halos:
            halo.glyph.line_color = palette.background
        for line in self._lines:
            line.glyph.line_color = palette.text
        if self._readings is not None:
            self._draw()

    def _draw(self) -> None:
        readings = self._readings
        assert readings is not None
        shown = readings.shown
        known = list(readings.known)
        numbers = np.array([readings.known[index][shown.name] for index in known]) / shown.factor
        palette = theme.sequential(self._theme)
        finite = numbers[np.isfinite(numbers)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        high = high if high > low else low + 1.0
        colours = [_colour(number, low, high, palette) for number in numbers]
        written = max(readings.shape) <= _WRITTEN
        self.source.data = {
            "x": [index[0] for index in known],
            "y": [index[1] for index in known],
            "colour": colours,
            "ink": [_ink(colour) for colour in colours],
            "text": [_short(number) if written else "" for number in numbers],
            "hover": [hover_text(readings, index) for index in known],
        }
        self.mapper.update(palette=palette, low=low, high=high)
        self.bar.title = shown.unit

    def _on_selected(self, _name: str, _old: Any, new: Sequence[int]) -> None:
        if not new or self._readings is None:
            return
        known = list(self._readings.known)
        self.source.selected.indices = []
        if new[0] < len(known):
            self._tapped(known[new[0]])


def label_axis(axis: Any, name: str, texts: Sequence[str]) -> None:
    """Ticks at whole positions, each with its text."""
    axis.axis_label = axis_title(name)
    axis.ticker = FixedTicker(ticks=list(range(len(texts))))
    axis.major_label_overrides = dict(enumerate(texts))
    axis.major_label_policy = NoOverlap()
    upright = AXES[name].words and max(map(len, texts)) > 12
    axis.major_label_orientation = 0.35 if upright else "horizontal"


def hover_text(readings: Readings, index: Index) -> str:
    """A point in words."""
    reading, shown = readings.known[index], readings.shown
    text = f"{point_text(readings.values_at(index))}<br><b>{shown.text(reading[shown.name])}</b>"
    if "standard_error" in reading:
        text += f" ± {100 * reading['standard_error']:.1f} % (standard error)"
    if "undefended_accuracy" in reading:
        text += f"<br>not retrained {100 * reading['undefended_accuracy']:.1f} %"
    return text


def _colour(number: float, low: float, high: float, palette: Sequence[str]) -> str:
    if math.isinf(number):
        return palette[-1] if number > 0 else palette[0]
    return palette[round((number - low) / (high - low) * (len(palette) - 1))]


def _ink(colour: str) -> str:
    """Black or white, whichever reads better on a colour."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"


def _short(number: float) -> str:
    return "∞" if math.isinf(number) else f"{number:.1f}"
