"""Placeholder heatmap until the views are there: the pattern for raw Bokeh, patched in place."""

from __future__ import annotations

import numpy as np
import panel as pn
from bokeh.models import ColorBar, LinearColorMapper
from bokeh.plotting import figure

from analog_model import vocabulary as v
from dashboard import compute, theme
from dashboard.state import State


class Placeholder(pn.viewable.Viewer):
    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.figure = figure(
            sizing_mode="stretch_both",
            x_axis_label="bit line",
            y_axis_label="word line",
            toolbar_location=None,
            match_aspect=True,
        )
        self.mapper = LinearColorMapper(palette=theme.diverging(state.theme), low=-1, high=1)
        self.image = self.figure.image(
            image=[np.zeros((1, 1), dtype=np.float32)],
            x=0,
            y=0,
            dw=1,
            dh=1,
            color_mapper=self.mapper,
        )
        self.figure.add_layout(ColorBar(color_mapper=self.mapper, title="shift"), "right")
        self.layout = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both")
        state.param.watch(self._update, ["chip", "pulse_width", "time_slot"])
        state.param.watch(self._paint, "theme")
        self._update()
        self._paint()

    def _update(self, *events) -> None:
        shift = compute.current_shift(self.state.chip, self.state.activation_pattern)
        values = compute.reduce_blocks(shift[v.CURRENT_SHIFT].values).astype(np.float32)
        limit = float(np.abs(values).max()) or 1.0
        self.mapper.update(low=-limit, high=limit)
        n, m = self.state.chip.cell_current.shape
        self.image.data_source.data = {"image": [values]}
        self.image.glyph.update(dw=m, dh=n)

    def _paint(self, *events) -> None:
        theme.paint_figure(self.figure, self.state.theme)
        self.mapper.palette = theme.diverging(self.state.theme)

    def __panel__(self):
        return self.layout
