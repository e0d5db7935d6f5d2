"""Predicted accuracy of a deployment: every programmed chip beside flawless cells."""

from __future__ import annotations

import math

import xarray as xr
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d, Span, TeeHead, Whisker
from bokeh.plotting import figure

from analog_model.deployment.tables import SEED
from analog_model.figures.colours import CATEGORICAL
from dashboard import theme

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@text</div>'
DIGITAL, FLAWLESS, PROGRAMMED = "before conversion", "flawless cells", "programmed chips"


class AccuracyDots:
    """Accuracy by stage, the standard error of so many images as whiskers."""

    def __init__(self) -> None:
        self.rows, self.range = FactorRange(), Range1d(0, 100)
        self.source = ColumnDataSource(
            data={k: [] for k in ("row", "value", "low", "high", "text", "colour")}
        )
        self.figure = figure(
            title="Predicted accuracy",
            sizing_mode="stretch_width",
            height=210,
            x_range=self.range,
            y_range=self.rows,
            x_axis_label="accuracy [%]",
            tools="",
            toolbar_location=None,
            min_border_left=126,
            min_border_right=12,
        )
        self.figure.ygrid.grid_line_color = None
        self.mean = Span(dimension="height", line_dash="dashed", line_width=1.4, level="underlay")
        self.figure.add_layout(self.mean)
        self.whisker = Whisker(
            base="row",
            lower="low",
            upper="high",
            dimension="width",
            source=self.source,
            lower_head=TeeHead(size=6),
            upper_head=TeeHead(size=6),
        )
        self.figure.add_layout(self.whisker)
        dots = self.figure.scatter(
            "value", "row", size=9, color="colour", source=self.source, line_color=None
        )
        self.figure.add_tools(HoverTool(renderers=[dots], tooltips=_TOOLTIP))

    def show(self, accuracy: xr.Dataset) -> None:
        """Draw the table `accuracy` of a deployment."""
        n_images = int(accuracy["n_images"])
        chips = list(zip(accuracy[SEED].values, accuracy["accuracy"].values, strict=True))
        shares = [(FLAWLESS, "cells that hold their targets", float(accuracy["flawless"]))]
        if "digital" in accuracy:
            shares.insert(0, (DIGITAL, "the digital network", float(accuracy["digital"])))
        shares += [(f"chip {seed}", f"chip of seed {seed}", float(share)) for seed, share in chips]
        colours = {DIGITAL: CATEGORICAL[7], FLAWLESS: CATEGORICAL[2]}
        error = [math.sqrt(share * (1 - share) / n_images) for _, _, share in shares]
        low = [100 * (s[2] - e) for s, e in zip(shares, error, strict=True)]
        high = [100 * (s[2] + e) for s, e in zip(shares, error, strict=True)]
        rows = [name for name, _, _ in shares]
        self.rows.factors = rows[::-1]
        self.figure.height = 92 + 22 * len(rows)
        room = 0.15 * (max(high) - min(low)) or 1.0
        self.range.update(start=min(low) - room, end=max(high) + room)
        self.mean.location = 100 * float(accuracy["mean"])
        self.source.data = {
            "row": rows,
            "value": [100 * share for _, _, share in shares],
            "low": low,
            "high": high,
            "colour": [colours.get(name, CATEGORICAL[0]) for name in rows],
            "text": [
                f"<b>{text}</b><br>{100 * share:.2f} % ± {100 * one:.2f} of {n_images} images"
                for (_, text, share), one in zip(shares, error, strict=True)
            ],
        }
        self.figure.title.text = f"Accuracy on {n_images} test images"

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.mean.line_color = palette.muted
        self.whisker.line_color = palette.muted
        for head in (self.whisker.lower_head, self.whisker.upper_head):
            head.line_color = palette.muted
