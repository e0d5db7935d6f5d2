"""Pattern behind a point of the error page."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from analog_model import vocabulary as v
from analog_model.figures.units import unit_for
from dashboard import theme
from dashboard.views.error_numbers import ErrorNumbers
from dashboard.views.error_scatter import ADJECTIVES
from dashboard.views.html import Html


class PatternStrip:
    """One pattern on one bit line: its pulses, its charges, a way to the crosstalk page.

    `on_choose(row, column)` is called when the user asks for another point by number, the
    way to one without a mouse; `on_open()` when they want to see the pattern at work.
    """

    def __init__(
        self, *, on_choose: Callable[[int, int], None], on_open: Callable[[], None]
    ) -> None:
        self._on_choose = on_choose
        self._numbers: ErrorNumbers | None = None
        self._showing = False
        self.source = ColumnDataSource(data={"word_line": [], "width": []})
        self.x_range, self.y_range = Range1d(-0.6, 15.6), Range1d(0, 1)
        self.figure = figure(
            height=108,
            sizing_mode="stretch_width",
            x_range=self.x_range,
            y_range=self.y_range,
            x_axis_label="word line",
            tools="",
            toolbar_location=None,
            min_border_right=8,
            min_border_bottom=0,
        )
        self.bars = self.figure.vbar(
            x="word_line", top="width", width=0.8, source=self.source, line_color=None
        )
        self.figure.xgrid.grid_line_color = None
        self.figure.yaxis.ticker.desired_num_ticks = 2
        self.figure.xaxis.ticker.desired_num_ticks = 4
        self.pattern = pn.widgets.IntInput(label="Pattern", width=86, margin=(0, 4))
        self.bit_line = pn.widgets.IntInput(label="Bit line", width=72, margin=(0, 4))
        self.open = pn.widgets.Button(
            label="Show this pattern on the Crosstalk page",
            margin=(6, 4, 0, 4),
            sizing_mode="stretch_width",
        )
        self.text = Html("", sizing_mode="stretch_width", margin=(0, 4))
        self.layout = pn.Row(
            pn.Column(
                pn.Row(self.pattern, self.bit_line, self.text, sizing_mode="stretch_width"),
                self.open,
                width=352,
                margin=0,
            ),
            pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_width",
            margin=0,
        )
        for widget in (self.pattern, self.bit_line):
            widget.param.watch(self._asked, "value")
        self.open.on_click(lambda _event: on_open())

    def show(self, numbers: ErrorNumbers, row: int, column: int) -> None:
        """The pattern at position `row`, its charge at position `column`."""
        self._numbers = numbers
        charges = numbers.charges
        width = charges[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values[row]
        unit = unit_for(charges[v.PULSE_WIDTH].values, "s")
        lines = charges[v.WORD_LINE].values.astype(float)
        self.source.data = {"word_line": lines, "width": unit.scaled(width)}
        self.x_range.update(start=lines[0] - 0.6, end=lines[-1] + 0.6)
        highest = float(charges[v.PULSE_WIDTH].max()) / unit.factor
        self.y_range.end = 1.08 * highest or 1.0
        self.figure.yaxis.axis_label = f"pulse [{unit.symbol}]"
        patterns, bit_lines = charges[v.PATTERN].values, charges[v.BIT_LINE].values
        self._showing = True
        try:
            # No bounds on the widgets: Bokeh checks each of the two as it arrives, and the
            # new lower one may lie above the old upper one. `_nearest` takes any number.
            self.pattern.value = int(patterns[row])
            self.bit_line.value = int(bit_lines[column])
        finally:
            self._showing = False
        self.text.object = charge_text(numbers, row, column)

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.bars.glyph.fill_color = theme.PALETTES[name].muted

    def _asked(self, _event: Any) -> None:
        if self._showing or self._numbers is None:
            return
        if self.pattern.value is None or self.bit_line.value is None:
            return
        charges = self._numbers.charges
        row = _nearest(charges[v.PATTERN].values, self.pattern.value)
        self._on_choose(row, _nearest(charges[v.BIT_LINE].values, self.bit_line.value))


def charge_text(numbers: ErrorNumbers, row: int, column: int) -> str:
    """The two charges of a point with their difference, as HTML."""
    chosen = numbers.charges.isel({v.PATTERN: row, v.BIT_LINE: column})
    true, judged = float(chosen[numbers.true]), float(chosen[numbers.judged])
    unit, error_unit = unit_for([true, judged], "C"), unit_for([judged - true], "C")
    kind = str(chosen[v.KIND].values).replace("_", " ") if v.KIND in chosen.coords else ""
    relative = f" ({100 * (judged - true) / true:+.2g} %)" if true else ""
    lines = (
        f"<b>{escape(kind)}</b>",
        f"{ADJECTIVES[numbers.true]} {true / unit.factor:.4g} {unit.symbol}",
        f"{ADJECTIVES[numbers.judged]} {judged / unit.factor:.4g} {unit.symbol}",
        f"error {(judged - true) / error_unit.factor:+.3g} {error_unit.symbol}{relative}",
    )
    return f'<div style="font-size: 12px; line-height: 1.3">{"<br>".join(lines)}</div>'


def _nearest(labels: np.ndarray, value: int) -> int:
    return int(np.abs(labels.astype(int) - value).argmin())
