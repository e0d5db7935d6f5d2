"""Arrays of a deployment: where weights lie by layout class, which current each cell is to have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
from bokeh.core.properties import value
from bokeh.events import Tap
from bokeh.models import (
    BasicTicker,
    BoxAnnotation,
    ColorBar,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    LinearColorMapper,
)
from bokeh.plotting import figure

from analog_model import vocabulary as v
from analog_model.deployment.result import Deployment
from analog_model.figures.colours import CATEGORICAL
from analog_model.figures.units import unit_for
from dashboard import theme
from dashboard.compute import reduce_blocks
from dashboard.views.crosstalk_axes import line_range, line_ticker, resize
from dashboard.views.deployment_numbers import (
    IDLE,
    ArrayPicture,
    class_names,
    layer_of,
    picture_of,
    used_cells,
)
from dashboard.views.html import Html
from dashboard.views.side_by_side import side_by_side

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">{}</div>'
_BAR = 72
# In less room a first layout draws a title across the canvas' first row, where it stays:
# Bokeh clears from half a pixel on.
_TOP = 28


class LayerPicture:
    """All arrays of one layer; a tap on one chooses it."""

    def __init__(self, on_choose: Callable[[int], None]) -> None:
        self._on_choose = on_choose
        self._picture: ArrayPicture | None = None
        self._drawn: tuple[int, int] | None = None
        self._n_codes, self._colours = IDLE + 1, ["#ffffff", "#d9dde3"]
        # Of data, not fixed: only these keep cells square whatever the pane.
        self.x_range = DataRange1d(range_padding=0.02)
        self.y_range = DataRange1d(range_padding=0.06, flipped=True)
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=-0.5, high=0.5)
        self.source = ColumnDataSource(data={"image": [np.zeros((1, 1), dtype=np.uint8)]})
        self.figure = figure(
            sizing_mode="stretch_both",
            x_range=self.x_range,
            y_range=self.y_range,
            match_aspect=True,
            tools="",
            toolbar_location=None,
            min_border_left=8,
            min_border_right=8,
            min_border_top=_TOP,
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.image = self.figure.image(
            image="image", source=self.source, color_mapper=self.mapper, x=-0.5, y=-0.5, dw=1, dh=1
        )
        self.mark = BoxAnnotation(fill_alpha=0, line_width=4, level="overlay")
        self.figure.add_layout(self.mark)
        self.numbers = ColumnDataSource(data={"x": [], "y": [], "text": []})
        self.texts = self.figure.text(
            "x",
            "y",
            "text",
            source=self.numbers,
            text_font_size="11px",
            text_font=value(theme.FONT),
            text_align="center",
            text_baseline="bottom",
            y_offset=-1,
        )
        self.figure.on_event(Tap, self._tapped)

    def show(self, deployment: Deployment, array: int) -> None:
        """Draw the layer of an array, that array framed."""
        layer = layer_of(deployment, array)
        known = self._drawn
        self._drawn = (id(deployment), layer)
        if known != self._drawn or self._picture is None:
            self._picture = picture_of(deployment, layer)
            self._draw(self._picture, len(class_names(deployment)))
        self._frame(self._picture, array)
        facts = deployment.layers.isel({v.LAYER: layer})
        rows, columns = self._picture.shape
        count = int(facts[v.N_ARRAYS])
        left_out = self._picture.n_left_out
        self.figure.title.text = (
            f"Layer {facts[v.LAYER].item()} · {count} array{'s' if count > 1 else ''} of "
            f"{rows}×{columns}, {100 * float(facts[v.FILL]):.3g} % of the cells in use"
            + (f" · the last {left_out} not drawn" if left_out else "")
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.figure.update(outline_line_color=None)
        self._colours = [palette.background, palette.border]
        self._colour()
        self.mark.line_color = palette.text
        self.texts.glyph.text_color = palette.muted

    def _draw(self, picture: ArrayPicture, n_classes: int) -> None:
        height, width = picture.codes.shape
        self._n_codes = IDLE + 1 + n_classes
        self._colour()
        self.image.glyph.update(dw=width, dh=height)
        self.source.data = {"image": [picture.codes]}
        few = picture.arrays.size <= 16
        self.numbers.data = {
            "x": picture.corners[:, 1] + (picture.shape[1] - 1) / 2,
            "y": picture.corners[:, 0] - 0.5,
            "text": [str(array) if few else "" for array in picture.arrays],
        }

    def _colour(self) -> None:
        classes = range(self._n_codes - IDLE - 1)
        palette = self._colours + [CATEGORICAL[k % len(CATEGORICAL)] for k in classes]
        self.mapper.update(palette=palette, low=-0.5, high=self._n_codes - 0.5)

    def _frame(self, picture: ArrayPicture, array: int) -> None:
        place = np.flatnonzero(picture.arrays == array)
        self.mark.visible = bool(place.size)
        if place.size:
            top, left = picture.corners[place[0]]
            rows, columns = picture.shape
            self.mark.update(
                left=left - 0.5, right=left + columns - 0.5, top=top + rows - 0.5, bottom=top - 0.5
            )

    def _tapped(self, event: Any) -> None:
        if self._picture is None or event.x is None:
            return
        array = self._picture.array_at(event.y, event.x)
        if array is not None:
            self._on_choose(array)


class TargetMap:
    """Target current of every cell of one array."""

    def __init__(self) -> None:
        self.x_range, self.y_range = line_range(16), line_range(16, downward=True)
        self.source = ColumnDataSource(data={"image": [np.zeros((1, 1), dtype=np.float32)]})
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=0, high=1)
        self.figure = figure(
            sizing_mode="stretch_both",
            x_range=self.x_range,
            y_range=self.y_range,
            x_axis_label="bit line",
            y_axis_label="word line",
            tools="",
            toolbar_location=None,
            min_border_right=_BAR,
            min_border_top=_TOP,
        )
        self.figure.grid.visible = False
        self.figure.xaxis.ticker = self.figure.yaxis.ticker = line_ticker()
        self.image = self.figure.image(
            image="image", source=self.source, color_mapper=self.mapper, x=-0.5, y=-0.5, dw=1, dh=1
        )
        self.figure.add_layout(
            ColorBar(
                color_mapper=self.mapper,
                width=12,
                padding=6,
                border_line_color=None,
                bar_line_color=None,
                ticker=BasicTicker(desired_num_ticks=5),
            ),
            "right",
        )
        self.hover = HoverTool(renderers=[self.image])
        self.figure.add_tools(self.hover)

    def show(self, deployment: Deployment, array: int) -> None:
        """Draw an array; currents of all arrays share one colour scale."""
        whole = deployment.arrays[v.TARGET_CURRENT]
        values = whole.values[array]
        unit = unit_for(whole.values, "A")
        rows, columns = values.shape
        resize(self.x_range, columns)
        resize(self.y_range, rows)
        self.image.glyph.update(dw=columns, dh=rows)
        self.mapper.update(low=0.0, high=float(whole.max()) / unit.factor or 1.0)
        used = used_cells(deployment, array).astype(float)
        drawn = np.where(reduce_blocks(used) > 0, reduce_blocks(values) / unit.factor, np.nan)
        self.source.data = {"image": [drawn.astype(np.float32)]}
        most = " · largest of each block of cells" if drawn.shape != values.shape else ""
        self.figure.title.text = f"Target currents of array {array} [{unit.symbol}]{most}"
        self.hover.tooltips = _TOOLTIP.format(
            f"word line $y{{0}}, bit line $x{{0}}<br>@image{{0.0}} {unit.symbol}"
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        # Idle cells, as in the picture beside it.
        self.mapper.update(palette=theme.sequential(name), nan_color=palette.border)


class ArrayPlots:
    """Picture of a layer on the left with its legend, targets of the chosen array on the right."""

    def __init__(self, on_choose: Callable[[int], None]) -> None:
        self.picture, self.targets = LayerPicture(on_choose), TargetMap()
        self.legend = Html("", sizing_mode="stretch_width", margin=(2, 8))
        left = pn.Column(
            pn.pane.Bokeh(self.picture.figure, sizing_mode="stretch_both", margin=0),
            self.legend,
            sizing_mode="stretch_both",
            margin=0,
        )
        right = pn.pane.Bokeh(self.targets.figure, sizing_mode="stretch_both", margin=0)
        self.layout = side_by_side(left, right, left_width=400, right_width=400, right_share=1.0)

    def show(self, deployment: Deployment, array: int) -> None:
        """Draw an array with its layer."""
        self.picture.show(deployment, array)
        self.targets.show(deployment, array)
        names = class_names(deployment)
        colours = [CATEGORICAL[k % len(CATEGORICAL)] for k in range(len(names))]
        swatches = [*zip(names, colours, strict=True), ("idle", "var(--line, #d9dde3)")]
        self.legend.object = "".join(
            '<span style="display: inline-flex; align-items: center; gap: 5px; margin-right: 12px;'
            f' font-size: 12px"><i style="width: 11px; height: 11px; background: {colour};'
            f' border-radius: 2px"></i>{name}</span>'
            for name, colour in swatches
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        self.picture.paint(name)
        self.targets.paint(name)
