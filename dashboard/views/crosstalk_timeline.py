"""Timeline of one operation: a bar per word line for its pulse, a line per slot edge."""

from __future__ import annotations

import numpy as np
import xarray as xr
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    CustomJSHover,
    HoverTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.transform import transform

from analog_model import vocabulary as v
from dashboard import theme
from dashboard.views.crosstalk_axes import (
    bare_figure,
    line_ticker,
    time_unit,
    unit_formatter,
    unit_hover,
)

# More slot edges than this would merge into a grey area.
MOST_EDGES = 128
IDLE, LOW, HIGH = 0, 1, 2


class Timeline:
    """The figure of the pulses with a narrow one that names the word lines high now.

    Both share the heatmap's word-line range; `strip` stands at the heatmap's left edge.
    """

    def __init__(self, word_lines: Range1d) -> None:
        self.time = Range1d(0.0, 1.0)
        self.figure = bare_figure(
            {
                "name": "timeline",
                "x_range": self.time,
                "y_range": word_lines,
                "y_axis_label": "word line",
                "x_axis_label": "time (ns)",
                "min_border_right": 14,
                "min_border_left": 56,
            }
        )
        self.figure.yaxis.ticker = line_ticker()
        self.strip = bare_figure(
            {
                "name": "strip",
                "x_range": Range1d(-0.5, 0.5),
                "y_range": word_lines,
                "sizing_mode": "stretch_height",
                "width": 54,
                "min_border_left": 30,
                "min_border_right": 2,
            }
        )
        self.strip.xaxis.visible = False
        self.strip.yaxis.ticker = line_ticker()
        self.strip.yaxis.axis_line_color = None
        self.figure.xaxis.formatter = unit_formatter(1e-9)
        self.edge_step = 1
        self.slots: xr.Dataset | None = None
        self._add_bars()
        self._add_strip()

    def _add_bars(self) -> None:
        self.colours = LinearColorMapper(palette=["#000000"] * 3, low=-0.5, high=2.5)
        self.slot = BoxAnnotation(left=0, right=0, level="underlay")
        self.figure.add_layout(self.slot)
        self.edges = ColumnDataSource({"x": [], "y0": [], "y1": []})
        self._edge_lines = self.figure.segment(
            "x", "y0", "x", "y1", source=self.edges, line_width=1
        )
        self.pulses = ColumnDataSource(
            {"line": [], "start": [], "end": [], "width": [], "state": []}
        )
        self._bars = self.figure.hbar(
            y="line",
            left="start",
            right="end",
            height=0.62,
            line_width=0,
            source=self.pulses,
            fill_color=transform("state", self.colours),
        )
        self._pulse_width = unit_hover(1e-9, "ns")
        whole = CustomJSHover(code="return String(Math.round(value))")
        self.figure.add_tools(
            HoverTool(
                renderers=[self._bars],
                point_policy="follow_mouse",
                tooltips=[("word line", "@line"), ("pulse", "@width{custom}")],
                formatters={"@width": self._pulse_width, "@line": whole},
            )
        )

    def _add_strip(self) -> None:
        self.states = ColumnDataSource({"image": [np.zeros((1, 1), dtype=np.uint8)]})
        self._states = self.strip.image(
            image="image",
            source=self.states,
            x=-0.5,
            y=-0.5,
            dw=1,
            dh=1,
            color_mapper=self.colours,
        )
        words = "return ['no pulse in this operation', 'low now', 'high now'][value]"
        self.strip.add_tools(
            HoverTool(
                renderers=[self._states],
                tooltips=[("word line", "$y{custom}"), ("state", "@image{custom}")],
                formatters={
                    "$y": CustomJSHover(code="return String(Math.round(value))"),
                    "@image": CustomJSHover(code=words),
                },
            )
        )

    def show(
        self,
        slots: xr.Dataset,
        pulse_width: np.ndarray,
        current_slot: int,
        *,
        extent: tuple[float, float],
    ) -> None:
        """Draw an operation; of the same one only the slot looked at moves.

        The time axis spans `extent` [s] at least, so that it stays while pulses are drawn.
        """
        states = self._states_of(slots, pulse_width, current_slot)
        if slots is not self.slots:
            self.slots = slots
            self._draw(slots, states, extent)
        else:
            self.pulses.data.update(state=states)
        self.states.data.update(image=[states[:, None]])
        mark_slot(self.slot, slots, current_slot)

    def _states_of(
        self, slots: xr.Dataset, pulse_width: np.ndarray, current_slot: int
    ) -> np.ndarray:
        states = np.where(np.asarray(pulse_width) > 0, LOW, IDLE).astype(np.uint8)
        if slots.sizes[v.TIME_SLOT]:
            states[slots[v.ACTIVATION_PATTERN].values[current_slot]] = HIGH
        return states

    def _draw(self, slots: xr.Dataset, states: np.ndarray, extent: tuple[float, float]) -> None:
        start, width = slots[v.PULSE_START].values, slots[v.PULSE_WIDTH].values
        n_lines = len(start)
        self.pulses.data = {
            "line": np.arange(n_lines, dtype=np.float32),
            "start": start.astype(np.float32),
            "end": (start + width).astype(np.float32),
            "width": width.astype(np.float32),
            "state": states,
        }
        self._states.glyph.dh = n_lines
        edges = slot_edges(slots)
        self.edge_step = max(1, -(-len(edges) // MOST_EDGES))
        drawn = edges[:: self.edge_step]
        self.edges.data = {
            "x": drawn,
            "y0": np.full(len(drawn), -0.5),
            "y1": np.full(len(drawn), n_lines - 0.5),
        }
        first = min(extent[0], float(edges[0])) if len(edges) else extent[0]
        last = max(extent[1], float(edges[-1])) if len(edges) else extent[1]
        margin = 0.03 * (last - first)
        self.time.update(
            start=first - margin if first < 0 else 0.0, end=last + margin if last > 0 else 0.0
        )
        factor, unit = time_unit(last - first)
        self.figure.xaxis.formatter.args = {"factor": factor, "suffix": ""}
        self.figure.xaxis.axis_label = f"time ({unit})"
        self._pulse_width.args = {"factor": factor, "suffix": f" {unit}"}

    def paint(self, name: str) -> None:
        """Take the colours of a theme."""
        colours = theme.PALETTES[name]
        for figure in (self.figure, self.strip):
            theme.paint_figure(figure, name)
        self.strip.yaxis.axis_line_color = None
        self.colours.palette = [colours.surface, colours.muted, colours.accent]
        paint_slot(self.slot, name)
        self._edge_lines.glyph.line_color = colours.border


def mark_slot(box: BoxAnnotation, slots: xr.Dataset, current_slot: int) -> None:
    """Lay a box over the slot looked at, none without slots."""
    there = slots.sizes[v.TIME_SLOT] > 0
    begin = float(slots[v.SLOT_START].values[current_slot]) if there else 0.0
    length = float(slots[v.SLOT_DURATION].values[current_slot]) if there else 0.0
    box.update(left=begin, right=begin + length, visible=there)


def paint_slot(box: BoxAnnotation, name: str) -> None:
    """Give the box the colours of a theme; its outline keeps a short slot visible."""
    accent = theme.PALETTES[name].accent
    box.update(fill_color=accent, fill_alpha=0.16, line_color=accent, line_alpha=0.9)


def operation_extent(full_width: float, alignment: str) -> tuple[float, float]:
    """First and last time [s] of pulses of full width; time 0 is the edge they share."""
    if alignment == "trailing":
        return -full_width, 0.0
    if alignment == "centred":
        return -full_width / 2, full_width / 2
    return 0.0, full_width


def slot_edges(slots: xr.Dataset) -> np.ndarray:
    """Times (edge,) [s] at which the activation pattern changes, first to last."""
    begin, duration = slots[v.SLOT_START].values, slots[v.SLOT_DURATION].values
    return np.unique(np.concatenate([begin, begin + duration])) if len(begin) else np.empty(0)


def slot_at(slots: xr.Dataset, time: float) -> int | None:
    """Number of the slot at a time [s], the nearest one outside; None without slots."""
    begin = slots[v.SLOT_START].values
    if not len(begin):
        return None
    return int(np.clip(np.searchsorted(begin, time, side="right") - 1, 0, len(begin) - 1))
