"""Curve of a sweep over one axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource, HoverTool, Range1d, Span, TapTool
from bokeh.plotting import figure

from analog_model.figures.colours import CATEGORICAL
from analog_model.sweeps.axes import AXES
from dashboard import theme
from dashboard.views.design_map import TOOLTIP, hover_text, label_axis
from dashboard.views.design_numbers import BEFORE, Index, Readings, axis_title, value_text


class SweepCurve:
    """The figure; `tapped` is told the index of a point."""

    def __init__(self, tapped: Callable[[Index], None]) -> None:
        self._tapped = tapped
        self._order: list[Index] = []
        self.x, self.y = Range1d(0, 1), Range1d(0, 1)
        self.figure = figure(
            title=" ",
            sizing_mode="stretch_both",
            x_range=self.x,
            y_range=self.y,
            tools="",
            toolbar_location=None,
            min_border_right=20,
        )
        empty: dict[str, list[Any]] = {"x": [], "y": [], "hover": []}
        self.source, self.before = (ColumnDataSource(data=dict(empty)) for _ in range(2))
        blue, orange = CATEGORICAL[0], CATEGORICAL[1]
        self.figure.line(
            "x", "y", source=self.before, color=orange, line_dash="dashed", line_width=1.6
        )
        undefended = self.figure.scatter(
            "x", "y", source=self.before, color=orange, size=7, legend_label=BEFORE.label
        )
        self.figure.line("x", "y", source=self.source, color=blue, line_width=2)
        points = self.figure.scatter(
            "x", "y", source=self.source, color=blue, size=9, legend_label="retrained"
        )
        points.nonselection_glyph = points.selection_glyph = None
        self.chosen = ColumnDataSource({"x": [], "y": []})
        self._ring = self.figure.scatter(
            "x", "y", size=17, fill_color=None, line_width=2.5, source=self.chosen
        )
        self.here = Span(
            dimension="height", line_dash="dotted", line_width=2, visible=False, level="underlay"
        )
        self.figure.add_layout(self.here)
        self.figure.legend.location = "bottom_left"
        self.figure.legend.visible = False
        self.figure.add_tools(
            HoverTool(renderers=[points, undefended], tooltips=TOOLTIP),
            TapTool(renderers=[points]),
        )
        self.source.selected.on_change("indices", self._on_selected)

    def show(self, readings: Readings, title: str) -> None:
        """Draw what is known of a sweep."""
        (name, values), shown = next(iter(readings.over.items())), readings.shown
        self.figure.title.text = title
        axis = self.figure.xaxis[0]
        if AXES[name].words:
            label_axis(axis, name, [value_text(name, one) for one in values])
            self._places = [float(k) for k in range(len(values))]
        else:
            axis.update(axis_label=axis_title(name), ticker=BasicTicker(), major_label_overrides={})
            axis.major_label_orientation = "horizontal"
            self._places = [float(one) for one in values]
        low, high = min(self._places), max(self._places)
        room = 0.04 * (high - low) or 0.5
        self.x.update(start=low - room, end=high + room)
        self.figure.yaxis[0].axis_label = f"{shown.label} [{shown.unit}]"
        self._order = sorted(readings.known)
        self._fill(self.source, readings, shown.name, shown.factor)
        retrained = any(BEFORE.name in reading for reading in readings.known.values())
        self._fill(self.before, readings, BEFORE.name if retrained else "", BEFORE.factor)
        self.figure.legend.visible = retrained
        self._fit()

    def mark(self, position: float | None, chosen: Index | None) -> None:
        """Where the chip in view lies among the values, None for outside; the point chosen."""
        self.here.visible = position is not None
        if position is not None:
            k = min(int(position), len(self._places) - 2) if len(self._places) > 1 else 0
            step = self._places[k + 1] - self._places[k] if len(self._places) > 1 else 0.0
            self.here.location = self._places[k] + (position - k) * step
        at = None if chosen not in self._order else self._order.index(chosen)
        source = self.source.data
        self.chosen.data = {name: [] if at is None else [source[name][at]] for name in ("x", "y")}

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self._ring.glyph.line_color = palette.text
        self.here.line_color = palette.text

    def _fill(self, source: ColumnDataSource, readings: Readings, name: str, factor: float) -> None:
        order = self._order if name else []
        numbers = [readings.known[index][name] / factor for index in order]
        source.data = {
            "x": [self._places[index[0]] for index in order],
            # No error at all has no place on an axis of dB.
            "y": [math.nan if math.isinf(number) else number for number in numbers],
            "hover": [hover_text(readings, index) for index in order],
        }

    def _fit(self) -> None:
        numbers = [*self.source.data["y"], *self.before.data["y"]]
        finite = [number for number in numbers if math.isfinite(number)]
        if finite:
            room = 0.08 * (max(finite) - min(finite)) or 1.0
            self.y.update(start=min(finite) - room, end=max(finite) + room)

    def _on_selected(self, _name: str, _old: Any, new: Sequence[int]) -> None:
        if not new:
            return
        self.source.selected.indices = []
        if new[0] < len(self._order):
            self._tapped(self._order[new[0]])
