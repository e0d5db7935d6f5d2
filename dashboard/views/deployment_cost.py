"""Cost of an inference by layer: energy with its parts, latency, each as bars."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from bokeh.core.properties import value
from bokeh.models import (
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LabelSet,
    Legend,
    LegendItem,
    Range1d,
)
from bokeh.plotting import figure

from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL
from analog_model.figures.units import unit_for
from dashboard import theme

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@text</div>'
_ROW, _HEADROOM = 26, 100
_FEWEST = 2


class LayerBars:
    """One row a layer, its parts end to end, its total behind them."""

    def __init__(self, quantity: str, si: str, parts: tuple[str, ...]) -> None:
        self.quantity, self.si = quantity, si
        self.rows, self.range = FactorRange(), Range1d(0, 1)
        self.source = ColumnDataSource(
            data={k: [] for k in ("row", "left", "right", "part", "colour", "text")}
        )
        self.totals = ColumnDataSource(data={k: [] for k in ("row", "total", "text")})
        self.figure = figure(
            title=quantity,
            sizing_mode="stretch_width",
            height=_HEADROOM + _FEWEST * _ROW,
            x_range=self.range,
            y_range=self.rows,
            tools="",
            toolbar_location=None,
            min_border_left=72,
            min_border_right=12,
        )
        bars = self.figure.hbar(
            y="row",
            left="left",
            right="right",
            height=0.66,
            source=self.source,
            color="colour",
            line_color=None,
        )
        self.labels = LabelSet(
            x="total",
            y="row",
            text="text",
            source=self.totals,
            x_offset=6,
            text_font_size="11px",
            text_baseline="middle",
            text_font=value(theme.FONT),
        )
        self.figure.add_layout(self.labels)
        self.figure.ygrid.grid_line_color = None
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=_TOOLTIP))
        if len(parts) > 1:
            named = LegendItem(label={"field": "part"}, renderers=[bars])
            legend = Legend(items=[named], orientation="horizontal", border_line_width=0)
            legend.update(padding=0, margin=2, label_text_font_size="11px", glyph_height=12)
            # Beside the bars it would hide some of them.
            self.figure.add_layout(legend, "above")

    def show(self, layers: list[str], parts: Mapping[str, np.ndarray]) -> None:
        """Draw values in SI, by part, by layer."""
        total = np.sum(list(parts.values()), axis=0)
        unit = unit_for(total, self.si)
        left = np.zeros(len(layers))
        columns: dict[str, list[object]] = {
            name: [] for name in ("row", "left", "right", "part", "colour", "text")
        }
        for k, (part, values) in enumerate(parts.items()):
            size = values / unit.factor
            columns["row"] += layers
            columns["left"] += left.tolist()
            columns["right"] += (left + size).tolist()
            columns["part"] += [part] * len(layers)
            columns["colour"] += [CATEGORICAL[k]] * len(layers)
            columns["text"] += [
                f"<b>{layer}</b><br>{part} {one:.4g} {unit.symbol}"
                for layer, one in zip(layers, size, strict=True)
            ]
            left = left + size
        self.rows.factors = layers[::-1]
        self.range.end = 1.18 * float(left.max()) or 1.0
        self.figure.height = _HEADROOM + _ROW * max(_FEWEST, len(layers))
        self.source.data = columns
        self.totals.data = {
            "row": layers,
            "total": left.tolist(),
            "text": [f"{one:.3g}" for one in left],
        }
        self.figure.title.text = (
            f"{self.quantity} of an inference · {left.sum():.3g} {unit.symbol} in all"
        )
        self.figure.xaxis.axis_label = f"{self.quantity.lower()} [{unit.symbol}]"

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.labels.text_color = theme.PALETTES[name].text


class CostBars:
    """Energy above latency."""

    def __init__(self) -> None:
        self.energy = LayerBars("Energy", "J", ("bit-line charge", "word-line pulses"))
        self.latency = LayerBars("Latency", "s", ("latency",))

    def show(self, cost: xr.Dataset) -> None:
        """Draw the table `cost` of a deployment."""
        layers = [f"layer {name}" for name in cost[v.LAYER].values]
        parts = {
            "bit-line charge": cost["energy_bit_line"].values,
            "word-line pulses": cost["energy_word_line"].values,
        }
        self.energy.show(layers, parts)
        self.latency.show(layers, {"latency": cost["latency"].values})

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        self.energy.paint(name)
        self.latency.paint(name)
