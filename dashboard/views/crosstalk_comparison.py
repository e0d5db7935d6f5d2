"""Comparison of measured with simulated crosstalk, cell by cell.

Three maps: measured, simulated on the same colour scale, their difference on a scale of
its own that the heading states.
"""

from __future__ import annotations

import math

import numpy as np
import panel as pn
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    CustomJSHover,
    HoverTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.plotting import figure

import analog_model as am
from dashboard import theme
from dashboard.compute import reduce_blocks
from dashboard.views.crosstalk_axes import (
    bare_figure,
    line_range,
    line_ticker,
    resize,
    unit_formatter,
    unit_hover,
)
from dashboard.views.crosstalk_numbers import Comparison, nice_limit
from dashboard.views.html import Html

KIND_LABELS = {"Adjacent pairs": "pair", "Leave one out": "leave_one_out"}
_EXPLAIN = {
    "pair": "Charge of two adjacent word lines together less that of each alone, over the "
    "pulse width. Row j is the pair (j, j + 1).",
    "leave_one_out": "Charge with all word lines less that without word line j and that of j "
    "alone, over the pulse width.",
}
_STYLE = """
:host { color: var(--text, inherit); font-size: 13px; }
h3 { margin: 0; font-size: 13px; font-weight: 650; }
p { margin: 2px 0 0; color: var(--muted, #5a6577); max-width: 70em; }
.empty { padding: 28px 20px; border: 1px dashed var(--border, #d9dde3); border-radius: 8px;
  max-width: 60em; }
b { color: var(--text, inherit); font-variant-numeric: tabular-nums; }
"""


class MapPanel:
    """One of the three maps."""

    def __init__(self, title: str, x_range: Range1d, y_range: Range1d, *, labelled: bool) -> None:
        self.figure: figure = bare_figure(
            {
                "x_range": x_range,
                "y_range": y_range,
                "x_axis_label": "bit line",
                "title": title,
                "min_border_left": 44 if labelled else 8,
                "min_border_top": 28,
            }
        )
        self.figure.xaxis.ticker = line_ticker()
        self.figure.yaxis.ticker = line_ticker()
        if labelled:
            self.figure.yaxis.axis_label = "word line"
        else:
            self.figure.yaxis.major_label_text_font_size = "0px"
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=-1, high=1)
        self.image = ColumnDataSource({"image": [np.zeros((1, 1), dtype=np.float32)]})
        self.renderer = self.figure.image(
            image="image", source=self.image, x=-0.5, y=-0.5, dw=1, dh=1, color_mapper=self.mapper
        )
        whole = CustomJSHover(code="return String(Math.round(value))")
        self.figure.add_tools(
            HoverTool(
                renderers=[self.renderer],
                tooltips=[
                    ("cell", "word line $y{custom}, bit line $x{custom}"),
                    ("current", "@image{custom}"),
                ],
                formatters={"$x": whole, "$y": whole, "@image": unit_hover(1e-9, "nA")},
            )
        )

    def add_bar(self) -> None:
        """A colour bar of its own."""
        self.figure.add_layout(
            ColorBar(
                color_mapper=self.mapper,
                width=10,
                padding=5,
                border_line_color=None,
                bar_line_color=None,
                formatter=unit_formatter(1e-9, "nA"),
                ticker=BasicTicker(desired_num_ticks=5),
            ),
            "right",
        )

    def show(self, values: np.ndarray, limit: float) -> None:
        """Draw (row, bit_line) [A] between -limit and +limit."""
        drawn = reduce_blocks(values).astype(np.float32)
        self.image.data = {"image": [drawn]}
        self.renderer.glyph.update(dw=values.shape[1], dh=values.shape[0])
        self.mapper.update(low=-limit, high=limit)


class ComparisonPanel:
    """The three maps with what they say in one line, or why there is nothing to compare."""

    def __init__(self, kind: str) -> None:
        self.shape = (2, 2)
        self.kind = pn.widgets.RadioButtonGroup(
            label="Patterns compared",
            options=KIND_LABELS,
            value=kind,
            width=230,
            margin=(0, 0, 0, 8),
            align="center",
        )
        x_range, y_range = line_range(2), line_range(2, downward=True)
        self.measured = MapPanel("Measured", x_range, y_range, labelled=True)
        self.simulated = MapPanel("Simulated", x_range, y_range, labelled=False)
        self.difference = MapPanel("Measured − simulated", x_range, y_range, labelled=False)
        self.simulated.add_bar()
        self.difference.add_bar()
        self.heading = Html(
            "", stylesheets=[_STYLE], sizing_mode="stretch_width", min_height=44, margin=0
        )
        self.maps = pn.Row(
            *(
                pn.pane.Bokeh(part.figure, sizing_mode="stretch_both", margin=0)
                for part in self.parts
            ),
            sizing_mode="stretch_width",
            height=300,
        )
        self.layout = pn.Column(
            pn.Row(
                self.heading,
                self.kind,
                sizing_mode="stretch_width",
                margin=(0, 4),
                styles={"display": "grid", "grid-template-columns": "minmax(0, 1fr) auto"},
            ),
            self.maps,
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def parts(self) -> tuple[MapPanel, MapPanel, MapPanel]:
        """The maps from left to right."""
        return self.measured, self.simulated, self.difference

    def show(self, found: Comparison) -> None:
        """Draw a comparison."""
        if found.measured.shape != self.shape:
            self.shape = found.measured.shape
            resize(self.measured.figure.x_range, self.shape[1])
            resize(self.measured.figure.y_range, self.shape[0])
        error = found.measured - found.simulated
        limit = nice_limit(
            float(np.nanmax(np.abs(np.concatenate([found.measured, found.simulated]))))
        )
        own = min(nice_limit(float(np.nanmax(np.abs(error)))), limit)
        self.measured.show(found.measured, limit)
        self.simulated.show(found.simulated, limit)
        self.difference.show(error, own)
        finer = limit / own
        scale = "same scale" if finer < 1.01 else f"scale {finer:.3g}× finer"
        self.difference.figure.title.text = f"Measured − simulated ({scale})"
        self.heading.object = _summary(found)
        self.maps.visible = self.kind.visible = True

    def explain(self, reason: str, advice: str, *, choice: bool) -> None:
        """Say why there is nothing to compare; `choice` where the other kind may have it."""
        self.kind.visible = choice
        self.heading.object = f'<div class="empty"><h3>{reason}</h3><p>{advice}</p></div>'
        self.maps.visible = False

    def paint(self, name: str) -> None:
        """Take the colours of a theme."""
        for part in self.parts:
            theme.paint_figure(part.figure, name)
            part.figure.title.text_font_size = "12px"
            part.mapper.update(palette=theme.diverging(name), nan_color=theme.PALETTES[name].border)


def _summary(found: Comparison) -> str:
    if math.isinf(found.ratio):
        agreement = "the same to the last digit"
    else:
        agreement = (
            f"signal-to-error ratio <b>{found.ratio:.3g}</b>"
            f" (<b>{am.decibel(found.ratio):.1f} dB</b>)"
        )
    missing = int(np.isnan(found.measured).sum())
    gap = f", {missing} cells not measured" if missing else ""
    return (
        f"<h3>Measured crosstalk, simulated crosstalk: {agreement}{gap}</h3>"
        f"<p>{_EXPLAIN[found.kind]} From {found.n_patterns} patterns with equal pulses.</p>"
    )
