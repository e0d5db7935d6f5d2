"""Scatter of judged against true charge, with the error underneath.

Both figures draw one source, patched in place. Tapping a point selects it in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import xarray as xr
from bokeh.models import (
    ColumnDataSource,
    GlyphRenderer,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Slope,
    Span,
    TapTool,
)
from bokeh.plotting import figure

from analog_model import vocabulary as v
from analog_model.error_budget import UNNAMED
from analog_model.figures.colours import KIND_COLOURS
from analog_model.figures.units import Unit, unit_for
from dashboard import theme
from dashboard.views.error_numbers import IDEAL, MEASURED, SIMULATED

# 6000 points are 130 kB an update; of more, a seeded part is drawn.
MOST_POINTS = 6000
ADJECTIVES = {MEASURED: "measured", SIMULATED: "simulated", IDEAL: "ideal"}
KINDS = (*v.KINDS, UNNAMED)
_EMPTY = {
    name: np.zeros(0, dtype=kind)
    for name, kind in (
        ("true", np.float32),
        ("judged", np.float32),
        ("error", np.float32),
        ("pattern", np.int32),
        ("bit_line", np.int32),
        ("kind", np.uint8),
    )
}


class ComparedCharges(Protocol):
    """Charges (pattern, bit_line) [C] of which `judged` names one, held against `true`."""

    @property
    def charges(self) -> xr.Dataset:
        """Both charges, with kind of pattern as a coordinate where it is known."""

    @property
    def true(self) -> str:
        """Name of the charge taken as true."""

    @property
    def judged(self) -> str:
        """Name of the charge judged by it."""


class ChargeScatter:
    """Two figures over one x axis: the charges with the identity line, their difference."""

    def __init__(self, on_select: Callable[[int, int], None]) -> None:
        self._on_select = on_select
        self._row_of_point = np.zeros((0, 2), dtype=int)
        self._patching = False
        self.source = ColumnDataSource(data=dict(_EMPTY))
        self.chosen = ColumnDataSource(data={"true": [], "judged": [], "error": []})
        self.rings: list[GlyphRenderer] = []
        self.hovers: list[HoverTool] = []
        # Explicit ranges: an automatic one would stay where a tap or a zoom left it.
        self.x_range, self.y_range = Range1d(0, 1), Range1d(0, 1)
        self.error_range = Range1d(-1, 1)
        self.charges = self._figure(self.y_range, "judged")
        self.errors = self._figure(self.error_range, "error")
        self.identity = Slope(gradient=1, y_intercept=0, line_width=1.2, level="underlay")
        self.zero = Span(location=0, dimension="width", line_width=1.2, level="underlay")
        self.charges.add_layout(self.identity)
        self.errors.add_layout(self.zero)
        self.errors.height = 176
        self.errors.sizing_mode = "stretch_width"
        self.charges.min_height = 180
        self.charges.xaxis.axis_label = None
        self.charges.xaxis.major_label_text_font_size = "0px"
        self.source.selected.on_change("indices", self._tapped)

    def _figure(self, y_range: Range1d, column: str) -> figure:
        plot = figure(
            sizing_mode="stretch_both",
            x_range=self.x_range,
            y_range=y_range,
            tools="pan,wheel_zoom,box_zoom,reset",
            toolbar_location=None,
            min_border_left=64,
            min_border_right=8,
            output_backend="webgl",
        )
        colours = LinearColorMapper(
            palette=[KIND_COLOURS[kind] for kind in KINDS], low=-0.5, high=len(KINDS) - 0.5
        )
        points = plot.scatter(
            "true",
            column,
            source=self.source,
            size=5,
            line_color=None,
            fill_alpha=0.65,
            fill_color={"field": "kind", "transform": colours},
            # The point looked at gets a ring of its own; dimming all others would hide them.
            nonselection_fill_alpha=0.65,
        )
        self.rings.append(
            plot.scatter("true", column, source=self.chosen, size=13, fill_color=None, line_width=2)
        )
        # Kept, since looking for a model in a figure takes 12 ms.
        hover = HoverTool(renderers=[points], point_policy="snap_to_data")
        self.hovers.append(hover)
        plot.add_tools(hover, TapTool(renderers=[points]))
        plot.toolbar.logo = None
        return plot

    def show(self, numbers: ComparedCharges) -> None:
        """Draw the charges compared; what is selected stays only by `select`."""
        true, judged = (
            numbers.charges[name].transpose(v.PATTERN, v.BIT_LINE).values
            for name in (numbers.true, numbers.judged)
        )
        unit, error_unit = unit_for(true, "C"), unit_for(judged - true, "C")
        self._row_of_point = drawn_points(true.shape)
        rows, columns = self._row_of_point.T
        kinds = kind_numbers(numbers)[rows]
        data = {
            "true": unit.scaled(true[rows, columns]),
            "judged": unit.scaled(judged[rows, columns]),
            "error": error_unit.scaled((judged - true)[rows, columns]),
            "pattern": numbers.charges[v.PATTERN].values[rows].astype(np.int32),
            "bit_line": numbers.charges[v.BIT_LINE].values[columns].astype(np.int32),
            "kind": kinds,
        }
        self._patching = True
        try:
            self.source.selected.indices = []
            self.source.data = data
        finally:
            self._patching = False
        self._frame(data)
        self._label(numbers, unit, error_unit)

    def _frame(self, data: dict[str, np.ndarray]) -> None:
        low = min(float(data["true"].min()), float(data["judged"].min()))
        high = max(float(data["true"].max()), float(data["judged"].max())) or 1.0
        # Zero belongs into the picture unless all points are far from it.
        low = min(low, 0.0) if low < 0.5 * high else low
        margin = 0.03 * (high - low)
        for span in (self.x_range, self.y_range):
            _reset(span, low - margin, high + margin)
        most = 1.08 * float(np.abs(data["error"]).max()) or 1.0
        _reset(self.error_range, -most, most)

    def _label(self, numbers: ComparedCharges, unit: Unit, error_unit: Unit) -> None:
        true, judged = ADJECTIVES[numbers.true], ADJECTIVES[numbers.judged]
        self.charges.yaxis.axis_label = f"{judged} charge [{unit.symbol}]"
        self.errors.xaxis.axis_label = f"{true} charge [{unit.symbol}]"
        self.errors.yaxis.axis_label = f"error [{error_unit.symbol}]"
        tooltips = (
            '<div style="font: 12px system-ui; line-height: 1.5">'
            "<b>pattern @pattern</b>, bit line @bit_line<br>"
            f"{true} @true{{0.0000}} {unit.symbol}<br>"
            f"{judged} @judged{{0.0000}} {unit.symbol}<br>"
            f"error @error{{+0.000}} {error_unit.symbol}</div>"
        )
        for hover in self.hovers:
            if hover.tooltips != tooltips:
                hover.tooltips = tooltips

    def select(self, row: int, column: int) -> None:
        """Ring the point of a pattern (by position) on a bit line, if it is drawn."""
        found = np.flatnonzero((self._row_of_point == (row, column)).all(axis=1))
        self.chosen.data = {
            name: self.source.data[name][found] for name in ("true", "judged", "error")
        }

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        palette = theme.PALETTES[name]
        for plot in (self.charges, self.errors):
            theme.paint_figure(plot, name)
        self.identity.line_color = palette.muted
        self.zero.line_color = palette.muted
        for ring in self.rings:
            ring.glyph.line_color = palette.text

    def _tapped(self, _name: str, _old: Any, new: Sequence[int]) -> None:
        if not self._patching and new:
            row, column = self._row_of_point[new[0]]
            self._on_select(int(row), int(column))
            # Cleared, so that tapping the same point again counts.
            self._patching = True
            try:
                self.source.selected.indices = []
            finally:
                self._patching = False


def drawn_points(shape: tuple[int, ...]) -> np.ndarray:
    """(point, 2) positions of pattern with bit line that are drawn: all, or a seeded part.

    In random order, so that no kind of pattern lies on top of another.
    """
    rows, columns = np.indices(shape).reshape(2, -1)
    points = np.stack([rows, columns], axis=1)
    return np.random.default_rng(0).permutation(points)[:MOST_POINTS]


def kind_numbers(numbers: ComparedCharges) -> np.ndarray:
    """Position in `KINDS` of every pattern's kind."""
    n_patterns = numbers.charges.sizes[v.PATTERN]
    if v.KIND not in numbers.charges.coords:
        return np.full(n_patterns, KINDS.index(UNNAMED), dtype=np.uint8)
    kinds = numbers.charges[v.KIND].values
    return np.array([KINDS.index(str(kind)) for kind in kinds], dtype=np.uint8)


def _reset(span: Range1d, start: float, end: float) -> None:
    """Move a range, and with it what the reset tool goes back to."""
    span.update(start=start, end=end, reset_start=start, reset_end=end)
