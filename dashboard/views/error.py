"""Error page: charge against the ideal vector-matrix multiplier.

Which patterns are shown stands in the title at any time, because calibration patterns
flatter a model; the two splits are never drawn together.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from html import escape
from typing import Any

import numpy as np
import panel as pn
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import AnalogModelError
from dashboard import theme
from dashboard.patterns import code_grid
from dashboard.state import State
from dashboard.views.batch import in_one_message
from dashboard.views.error_bars import BitLineBars, EffectBars, KindBars, ser_text
from dashboard.views.error_figures import figures_of
from dashboard.views.error_numbers import (
    ErrorNumbers,
    Question,
    error_numbers,
    split_label,
)
from dashboard.views.error_pattern import PatternStrip
from dashboard.views.error_scatter import ADJECTIVES, ChargeScatter
from dashboard.views.export import Export
from dashboard.views.html import WITHIN, Html
from dashboard.views.side_by_side import side_by_side
from dashboard.views.waiting import Latest

COMPARED_LABELS = {
    "Measured vs ideal": "measured_ideal",
    "Measured vs simulated": "measured_simulated",
    "Simulated vs ideal": "simulated_ideal",
}
SPLIT_LABELS = {"Test": v.TEST, "Calibration": v.CALIBRATION}
WATCHED = ("chip", "measurement", "weight_set", "split", "compared", "page")


class ErrorView(pn.viewable.Viewer):
    """Where a chip's charge departs from the ideal, with what the model makes of it.

    `ErrorView(state)` follows the state; `ErrorView(State())` works in a notebook cell.
    On a page of the dashboard it rests while another page is in front.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.numbers: ErrorNumbers | None = None
        self._point = (0, 0)
        self._reflecting = False
        self._on_a_page = state.page == "error"
        self._latest: Latest[ErrorNumbers] = Latest(done=self._show, failed=self._explain)
        self.scatter = ChargeScatter(self.select)
        self.effects, self.kinds, self.bit_lines = EffectBars(), KindBars(), BitLineBars()
        self.pattern = PatternStrip(on_choose=self.select, on_open=self._open_pattern)
        # Two lines at least: what follows must not move when the text is longer.
        self.summary = Html("", min_height=52, sizing_mode="stretch_width", margin=(4, 2))
        self.compared = _choice("Charges compared", COMPARED_LABELS, state.compared)
        self.split = _choice("Patterns", SPLIT_LABELS, state.split)
        self.export = Export(self, what="error")
        self.plots = self._plots()
        self.empty = Html("", sizing_mode="stretch_both", visible=False, stylesheets=[WITHIN])
        self.layout = self._layout()
        self.compared.param.watch(partial(self._choose, "compared"), "value")
        self.split.param.watch(partial(self._choose, "split"), "value")
        state.param.watch(self._update, list(WATCHED))
        state.param.watch(self._paint, "theme")
        self._paint()
        self._update()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        return self.layout

    @in_one_message
    def select(self, row: int, column: int) -> None:
        """Look at the pattern at a position, on the bit line at a position."""
        if self.numbers is None:
            return
        sizes = self.numbers.charges.sizes
        row, column = min(row, sizes[v.PATTERN] - 1), min(column, sizes[v.BIT_LINE] - 1)
        self._point = (row, column)
        with _drawing():
            self.pattern.show(self.numbers, row, column)
            self.scatter.select(row, column)

    def chip_name(self) -> str:
        """Name of the chip in view."""
        return str(self.state.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        return {} if self.numbers is None else figures_of(self.numbers)

    def data(self) -> xr.Dataset | None:
        """Every number in view; None while there is none."""
        return None if self.numbers is None else self.numbers.dataset()

    def table(self) -> xr.Dataset | None:
        """Charges of every pattern on every bit line."""
        if self.numbers is None:
            return None
        charges = self.numbers.charges
        return charges[[name for name in charges.data_vars if v.BIT_LINE in charges[name].dims]]

    def _plots(self) -> pn.Row:
        left = pn.Column(
            pn.pane.Bokeh(self.scatter.charges, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.scatter.errors, sizing_mode="stretch_width", margin=0),
            self.pattern.layout,
            sizing_mode="stretch_both",
            margin=0,
        )
        right = pn.Column(
            pn.pane.Bokeh(self.effects.figure, sizing_mode="stretch_width", margin=0),
            pn.pane.Bokeh(self.kinds.figure, sizing_mode="stretch_width", margin=0),
            pn.pane.Bokeh(self.bit_lines.figure, sizing_mode="stretch_both", margin=0),
            sizing_mode="stretch_both",
            max_width=440,
            margin=(0, 0, 0, 12),
        )
        return side_by_side(
            left, right, left_width=420, right_width=380, height=480, right_share=1.0
        )

    def _layout(self) -> pn.Column:
        self.export.button.styles = {"margin-left": "auto"}
        bar = pn.Row(
            self.compared,
            self.split,
            self.export.button,
            sizing_mode="stretch_width",
            margin=0,
            styles={"flex-wrap": "wrap", "row-gap": "6px"},
        )
        return pn.Column(
            bar,
            self.export.panel,
            self.summary,
            self.plots,
            self.empty,
            sizing_mode="stretch_both",
            min_height=600,
            styles={"position": "relative"},
            margin=0,
        )

    def _choose(self, name: str, event: Any) -> None:
        if not self._reflecting:
            self.state.param.update({name: event.new})

    def _update(self, *_events: Any) -> None:
        state = self.state
        if self._on_a_page and state.page != "error":
            return
        question = Question(
            chip=state.chip,
            measurement=state.measurement,
            weight_set=state.weight_set,
            split=state.split,
            compared=state.compared,
        )
        self._reflect(question)
        try:
            light = question.is_light
        except AnalogModelError as error:
            self._explain(error)
            return
        if not light:
            self.summary.object = _waiting(question)
            self.plots.styles = {**self.plots.styles, "opacity": "0.45"}
        self._latest.ask(partial(error_numbers, question), at_once=light)

    def _reflect(self, question: Question) -> None:
        """Have the choices say what is shown, without that counting as a choice."""
        self._reflecting = True
        try:
            self.compared.value, self.split.value = question.comparison, question.split
        finally:
            self._reflecting = False
        self.compared.disabled = question.measurement is None
        self.split.visible = question.measurement is not None

    @in_one_message
    def _show(self, numbers: ErrorNumbers) -> None:
        self.plots.styles = {**self.plots.styles, "opacity": "1"}
        self.plots.visible, self.empty.visible = True, False
        self.numbers = numbers
        with _drawing():
            self.scatter.show(numbers)
            for bars in (self.effects, self.kinds, self.bit_lines):
                bars.show_numbers(numbers)
            self.summary.object = _summary(numbers, self.state.weight_set)
            self.select(*self._point)

    def _explain(self, error: BaseException) -> None:
        """Say why there is nothing to see, in place of the plots."""
        self.numbers = None
        self.summary.object = ""
        self.plots.visible, self.empty.visible = False, True
        self.empty.object = _nothing(error, self.state.split)

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        with _drawing():
            for part in (self.scatter, self.effects, self.kinds, self.bit_lines, self.pattern):
                part.paint(self.state.theme)
        palette = theme.PALETTES[self.state.theme]
        self.layout.styles = {"position": "relative", "color": palette.text}

    def _open_pattern(self) -> None:
        """Show the selected pattern on the crosstalk page."""
        if self.numbers is None:
            return
        row, column = self._point
        charges = self.numbers.charges
        target: dict[str, Any] = {
            "page": "crosstalk",
            "bit_line": int(charges[v.BIT_LINE].values[column]),
        }
        if self.numbers.measured and self.state.measurement is not None:
            patterns = self.state.measurement[v.PATTERN].values
            index = int(np.flatnonzero(patterns == charges[v.PATTERN].values[row])[0])
            target |= {"pattern_source": "measured", "pattern_index": index}
        else:
            width = charges[v.PULSE_WIDTH].values[row]
            codes = np.rint(width / code_grid(self.state.chip).lsb).astype(int)
            target |= {"pattern_source": "drawn", "drawn_codes": tuple(codes.tolist())}
        self.state.param.update(target)


def _drawing() -> AbstractContextManager[None]:
    """Changes of Bokeh models, sent to the browser together.

    Panel runs some callbacks without the document's lock, where Bokeh refuses changes that
    are not sent this way.
    """
    return pn.io.unlocked()


def _choice(name: str, options: dict[str, str], value: str) -> pn.widgets.RadioButtonGroup:
    return pn.widgets.RadioButtonGroup(
        label=name, options=options, value=value, margin=(0, 12, 0, 0)
    )


def _summary(numbers: ErrorNumbers, weight_set: int) -> str:
    total = float(numbers.total["signal_to_error_ratio"].values[0])
    sizes = numbers.charges.sizes
    what = f"{ADJECTIVES[numbers.true]} charge, with the {ADJECTIVES[numbers.judged]} as prediction"
    if numbers.measured:
        patterns = (
            f"<b>{escape(split_label(numbers.split))}</b>, weight set {weight_set}: "
            f"{sizes[v.PATTERN]} patterns on {sizes[v.BIT_LINE]} bit lines"
        )
    else:
        patterns = f"<b>simulated only, nothing was measured</b>: {escape(numbers.sampling)}"
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline">'
        f'<span style="font-size: 22px; font-weight: 600">{ser_text(total)}</span>'
        f"<span>signal-to-error ratio of the {what}</span>"
        f'<span style="color: var(--muted, #5a6577)">{patterns}</span></div>'
    )


def _waiting(question: Question) -> str:
    chip = question.chip
    return (
        '<div role="status" style="font-size: 15px; padding: 6px 0">'
        f"Simulating {chip.n_word_lines} × {chip.n_bit_lines} cells…</div>"
    )


def _nothing(error: BaseException, split: str) -> str:
    other = v.CALIBRATION if split == v.TEST else v.TEST
    return (
        '<div style="max-width: 560px; margin: 8vh auto; line-height: 1.5">'
        f"<h2>No {escape(split)} patterns to show</h2><p>{escape(str(error))}</p>"
        f"<p>The other split ({other}) or the other weight set of this file may have some. "
        "Splits are never mixed: a model is judged on patterns it was not fitted to.</p></div>"
    )
