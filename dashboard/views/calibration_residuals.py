"""Residuals of one model: measured against predicted charge, maps by cell, by kind.

The map by cell says which current would explain the residual on each cell; a model that
misses nothing leaves it without structure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LinearColorMapper,
)
from bokeh.plotting import figure

from analog_model.figures.units import unit_for
from dashboard import theme
from dashboard.compute import reduce_blocks
from dashboard.views.calibration_numbers import (
    Selection,
    cell_residual,
    kind_residual,
    model_label,
)
from dashboard.views.crosstalk_axes import line_range, line_ticker, resize
from dashboard.views.error_scatter import ChargeScatter
from dashboard.views.side_by_side import side_by_side

_BAR = 68
_LEFT = 92


def _colour_bar(mapper: LinearColorMapper) -> ColorBar:
    return ColorBar(
        color_mapper=mapper,
        width=12,
        padding=6,
        border_line_color=None,
        bar_line_color=None,
        ticker=BasicTicker(desired_num_ticks=5),
    )


class CellMap:
    """Current per cell that would explain the residual."""

    def __init__(self) -> None:
        self.x_range, self.y_range = line_range(16), line_range(16, downward=True)
        self.source = ColumnDataSource(data={"image": [np.zeros((1, 1), dtype=np.float32)]})
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=-1, high=1)
        self.figure = figure(
            sizing_mode="stretch_both",
            x_range=self.x_range,
            y_range=self.y_range,
            x_axis_label="bit line",
            y_axis_label="word line",
            tools="",
            toolbar_location=None,
            min_border_left=_LEFT,
            min_border_right=_BAR,
        )
        self.figure.grid.visible = False
        self.figure.xaxis.ticker = self.figure.yaxis.ticker = line_ticker()
        self.image = self.figure.image(
            image="image",
            source=self.source,
            color_mapper=self.mapper,
            x=-0.5,
            y=-0.5,
            dw=16,
            dh=16,
        )
        self.figure.add_layout(_colour_bar(self.mapper), "right")
        self.hover = HoverTool(renderers=[self.image])
        self.figure.add_tools(self.hover)

    def show(self, chosen: Selection) -> None:
        """Draw the map, its colours symmetric around zero."""
        values = cell_residual(chosen)
        unit = unit_for(values, "A")
        n_word_lines, n_bit_lines = values.shape
        resize(self.x_range, n_bit_lines)
        resize(self.y_range, n_word_lines)
        self.image.glyph.update(dw=n_bit_lines, dh=n_word_lines)
        drawn = unit.scaled(reduce_blocks(values))
        limit = float(np.abs(drawn).max()) or 1.0
        self.mapper.update(low=-limit, high=limit)
        self.source.data = {"image": [drawn]}
        self.figure.title.text = f"Residual booked on cells [{unit.symbol}]"
        self.hover.tooltips = (
            '<div style="font: 12px system-ui; line-height: 1.5">word line $y{0}, bit line $x{0}'
            f"<br>@image{{+0.000}} {unit.symbol}</div>"
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.mapper.palette = theme.diverging(name)


class KindMap:
    """Size of the residual by kind of pattern on every bit line."""

    def __init__(self) -> None:
        self.rows = FactorRange()
        self.x_range = line_range(16)
        self.source = ColumnDataSource(data={"kind": [], "bit_line": [], "level": []})
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=0, high=1)
        self.figure = figure(
            sizing_mode="stretch_width",
            height=170,
            x_range=self.x_range,
            y_range=self.rows,
            x_axis_label="bit line",
            tools="",
            toolbar_location=None,
            min_border_left=_LEFT,
            min_border_right=_BAR,
        )
        self.figure.grid.visible = False
        self.figure.xaxis.ticker = line_ticker()
        cells = self.figure.rect(
            "bit_line",
            "kind",
            width=1,
            height=1,
            line_color=None,
            source=self.source,
            fill_color={"field": "level", "transform": self.mapper},
        )
        self.figure.add_layout(_colour_bar(self.mapper), "right")
        self.hover = HoverTool(renderers=[cells])
        self.figure.add_tools(self.hover)

    def show(self, chosen: Selection) -> None:
        """Draw the map, from zero to the largest level."""
        kinds, level, unit = kind_residual(chosen)
        rows = [kind.replace("_", " ") for kind in kinds]
        factor, symbol = (1.0, "σ") if unit == "σ" else (100.0, "%")
        n_bit_lines = level.shape[1]
        resize(self.x_range, n_bit_lines)
        self.rows.factors = rows[::-1]
        self.source.data = {
            "kind": np.repeat(rows, n_bit_lines),
            "bit_line": np.tile(np.arange(n_bit_lines), len(rows)).astype(np.int32),
            "level": (factor * level).ravel().astype(np.float32),
        }
        self.mapper.update(low=0, high=float(factor * level.max()) or 1.0)
        of = "of the read noise" if unit == "σ" else "of the signal"
        self.figure.title.text = f"Rms residual by kind of pattern [{symbol}], {of}"
        self.figure.height = 96 + 24 * len(rows)
        self.hover.tooltips = (
            '<div style="font: 12px system-ui; line-height: 1.5">@kind, bit line @bit_line<br>'
            f"@level{{0.000}} {symbol} {of}</div>"
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.mapper.palette = theme.sequential(name)


class ResidualPlots:
    """Scatter on the left, the two maps on the right."""

    def __init__(self) -> None:
        self.scatter = ChargeScatter(self._select)
        self.cells, self.kinds = CellMap(), KindMap()
        left = pn.Column(
            pn.pane.Bokeh(self.scatter.charges, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.scatter.errors, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_both",
            margin=0,
        )
        right = pn.Column(
            pn.pane.Bokeh(self.cells.figure, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.kinds.figure, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_both",
            margin=0,
        )
        self.layout = side_by_side(left, right, left_width=420, right_width=400, height=460)

    def show(self, chosen: Selection) -> None:
        """Draw the residuals of a selection."""
        self.scatter.show(chosen)
        kinds = "" if chosen.kind == "all" else f"{chosen.kind.replace('_', ' ')}, "
        self.scatter.charges.title.text = (
            f"{model_label(chosen.model)} · {kinds}{chosen.split} patterns"
        )
        self.cells.show(chosen)
        self.kinds.show(chosen)

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        for part in (self.scatter, self.cells, self.kinds):
            part.paint(name)

    def _select(self, row: int, column: int, *_rest: Any) -> None:
        self.scatter.select(row, column)
