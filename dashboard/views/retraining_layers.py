"""Signal-to-error ratio of every layer: which one suffers on the chip."""

from __future__ import annotations

import math

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d
from bokeh.plotting import figure

import analog_model as am
from dashboard import theme
from dashboard.views.retraining_numbers import TREATMENT_COLOURS, Treatment
from dashboard.views.side_by_side import side_by_side

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@text</div>'
_TITLES = {
    "own": "What each layer adds: its own SER [dB]",
    "cumulative": "What has come together up to it: SER [dB]",
}


class LayerPlot:
    """Ratios of one kind, a line of dots for each treatment."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.layers, self.decibel = FactorRange(), Range1d(0, 1)
        self.sources = {
            name: ColumnDataSource(data={"layer": [], "db": [], "text": []})
            for name in TREATMENT_COLOURS
        }
        self.figure = figure(
            title=_TITLES[kind],
            sizing_mode="stretch_both",
            x_range=self.layers,
            y_range=self.decibel,
            x_axis_label="layer",
            y_axis_label="SER [dB]",
            tools="",
            toolbar_location=None,
        )
        drawn = []
        for name, source in self.sources.items():
            colour = TREATMENT_COLOURS[name]
            self.figure.line("layer", "db", source=source, color=colour, line_alpha=0.45)
            drawn.append(self.figure.scatter("layer", "db", source=source, color=colour, size=8))
        self.figure.add_tools(HoverTool(renderers=drawn, tooltips=_TOOLTIP))

    def show(self, treatments: dict[str, Treatment]) -> None:
        """Draw the treatments that are on the chip."""
        shown: list[float] = []
        for name, source in self.sources.items():
            one = treatments.get(name)
            if one is None or one.own is None:
                source.data = {"layer": [], "db": [], "text": []}
                continue
            self.layers.factors = [f"layer {layer}" for layer in one.layers]
            ratios = np.asarray(getattr(one, self.kind), dtype=float)
            # An exact layer has no finite ratio, therefore no dot.
            decibel = [am.decibel(r) if math.isfinite(r) and r > 0 else math.nan for r in ratios]
            source.data = {
                "layer": [f"layer {layer}" for layer in one.layers],
                "db": decibel,
                "text": [
                    f"<b>{one.label}</b><br>layer {layer}: {value:.1f} dB · ×{ratio:.3g}"
                    for layer, value, ratio in zip(one.layers, decibel, ratios, strict=True)
                ],
            }
            shown += [value for value in decibel if math.isfinite(value)]
        if shown:
            self.decibel.update(start=min(shown) - 2, end=max(shown) + 2)


class LayerPlots:
    """Own ratios left, cumulative ones right."""

    def __init__(self) -> None:
        self.own, self.cumulative = LayerPlot("own"), LayerPlot("cumulative")
        self.layout = side_by_side(
            pn.pane.Bokeh(self.own.figure, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.cumulative.figure, sizing_mode="stretch_both", margin=0),
            left_width=310,
            right_width=310,
            height=320,
            right_share=1.0,
        )

    def show(self, treatments: dict[str, Treatment]) -> None:
        """Draw both."""
        self.own.show(treatments)
        self.cumulative.show(treatments)

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.own.figure, name)
        theme.paint_figure(self.cumulative.figure, name)
