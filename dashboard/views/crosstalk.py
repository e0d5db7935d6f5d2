"""Crosstalk page: pulses on the left, the array they act on beside them, one cell below.

The figures share axes. A row is the same word line in timeline, strip, heatmap; the cell's
current runs on the timeline's time axis.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import Any, TypeVar, cast

import numpy as np
import panel as pn
import param
from bokeh.plotting import figure
from panel.viewable import Viewable

from analog_model import vocabulary as v
from analog_model.errors import DataError
from dashboard.patterns import code_grid
from dashboard.state import State
from dashboard.views import crosstalk_numbers as numbers
from dashboard.views.crosstalk_axes import line_range, time_unit
from dashboard.views.crosstalk_cell import CellPanel
from dashboard.views.crosstalk_classes import class_key
from dashboard.views.crosstalk_comparison import ComparisonPanel
from dashboard.views.crosstalk_controls import PatternControls, ShowControls, SlotControls
from dashboard.views.crosstalk_figures import CrosstalkFigures
from dashboard.views.crosstalk_gestures import Channel, on_drag, on_tap
from dashboard.views.crosstalk_heatmap import Heatmap
from dashboard.views.crosstalk_timeline import Timeline, slot_at
from dashboard.views.export import Export

# Above this many cells the cell's course and the comparison wait until a drag pauses.
_AT_ONCE = 128 * 128
_PAUSE_MS = 120
# Heights of the page's rows: controls, array, slots, cell.
_ROWS = (54, 366, 48, 152)
_HEATMAP_LABEL = (
    "Heatmap of the array. Arrow keys move the selected cell, the space bar switches its word line."
)
_KEY_STYLE = """
:host { font-size: 12px; color: var(--muted, #5a6577); }
:host { padding: 0 8px 0 58px; }
p { margin: 0; color: var(--text, inherit); font-weight: 600; }
ul { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 2px 0 0; list-style: none; }
i { display: inline-block; width: 9px; height: 9px; margin-right: 5px; border-radius: 2px; }
"""


Method = TypeVar("Method", bound=Callable[..., None])


def _in_one_message(method: Method) -> Method:
    """Send what `method` changes together; Panel's callbacks need that to touch Bokeh models."""

    @wraps(method)
    def held(*arguments: Any) -> None:
        with pn.io.hold():
            method(*arguments)

    return cast(Method, held)


class CrosstalkView(pn.viewable.Viewer):
    """Pulses, time slots, what they do to every cell of the array.

    `CrosstalkView(State())` shows the bundled chip in a notebook cell.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        shape = state.chip.cell_current.shape
        word_lines = line_range(shape[0], downward=True)
        self.heatmap = Heatmap(shape, word_lines)
        self.timeline = Timeline(word_lines)
        self.cell = CellPanel(self.timeline.time)
        self.comparison = ComparisonPanel(state.comparison_kind)
        self.pattern = PatternControls(state)
        self.slot = SlotControls(state)
        self.shown = ShowControls(state, self._zoom)
        self.export = Export(CrosstalkFigures(state), what="crosstalk")
        self.key = pn.pane.HTML("", stylesheets=[_KEY_STYLE], sizing_mode="stretch_both", margin=0)
        self._dragged: int | None = None
        self._waiting: set[str] = set()
        self._listen()
        self._paint()
        self._on_change()
        self._on_comparison()
        self.layout = self._composed()

    def _listen(self) -> None:
        state = self.state
        self.channel = Channel(
            self.heatmap.figure,
            _HEATMAP_LABEL,
            on_move=self._move,
            on_toggle=self._toggle_selected,
            on_view=self._on_view,
        )
        on_tap(self.heatmap.figure, self._tap_cell)
        on_tap(self.timeline.strip, lambda _x, y: self._toggle(y))
        on_tap(self.timeline.figure, lambda x, _y: self._tap_time(x))
        on_tap(self.cell.figure, lambda x, _y: self._tap_time(x))
        on_drag(self.timeline.figure, self._drag_pulse)
        state.param.watch(
            self._on_change,
            ["chip", "pulse_width", "time_slot", "quantity", "word_line", "bit_line"],
        )
        state.param.watch(self._on_comparison, ["chip", "measurement", "comparison_kind"])
        state.param.watch(self._paint, "theme")
        self.comparison.kind.param.watch(
            lambda event: state.param.update(comparison_kind=event.new), "value"
        )

    def _composed(self) -> Viewable:
        array = pn.Row(
            _placed(self.timeline.strip, mode="stretch_height"),
            _placed(self.heatmap.figure),
            sizing_mode="stretch_both",
            margin=0,
        )
        grid = pn.Column(
            self.pattern.layout,
            self.shown.layout,
            _placed(self.timeline.figure),
            array,
            self.slot.layout,
            self.key,
            _placed(self.cell.figure),
            self.cell.facts,
            sizing_mode="stretch_width",
            height=sum(_ROWS),
            margin=0,
            styles={
                "display": "grid",
                "grid-template-columns": "minmax(0, 43fr) minmax(0, 57fr)",
                "grid-template-rows": " ".join(f"{height}px" for height in _ROWS),
                "column-gap": "14px",
            },
        )
        self.export.float_above()
        return pn.Column(
            self.export.button,
            self.export.panel,
            grid,
            self.comparison.layout,
            sizing_mode="stretch_width",
            styles={"position": "relative"},
            margin=0,
        )

    def __panel__(self) -> Viewable:
        return self.layout

    # What is shown

    @_in_one_message
    def _on_change(self, *_events: param.parameterized.Event) -> None:
        self._show_array()
        self._show_operation()
        self._soon("cell", self._show_course)

    @_in_one_message
    def _on_comparison(self, *_events: param.parameterized.Event) -> None:
        self._soon("comparison", self._show_comparison)

    def _show_array(self) -> None:
        state = self.state
        chip, active = state.chip, state.activation_pattern
        shift = numbers.cell_map(chip, active, "shift")
        cells = (
            shift if state.quantity == "shift" else numbers.cell_map(chip, active, state.quantity)
        )
        self.heatmap.show(chip, cells, shift, state.theme)
        cell = state.word_line, state.bit_line
        coupled = numbers.aggressors(chip, *cell, active)
        self.heatmap.select(*cell, coupled)
        assert shift.kappa is not None
        self.cell.show_facts(
            chip,
            cell,
            shift=float(shift.values[cell]),
            kappa=float(shift.kappa[cell]),
            is_high=bool(active[cell[0]]),
            coupled=coupled,
        )
        key = class_key(chip, numbers.quantity_label(state.quantity))
        if self.key.object != key:
            self.key.object = key

    def _show_operation(self) -> None:
        state, slots = self.state, self.state.slots
        grid = code_grid(state.chip, state.measurement)
        self.timeline.show(slots, state.pulse_width, state.time_slot, full_width=grid.full_width)
        self.cell.show_slot(slots, state.time_slot)
        self.slot.show(slots.sizes[v.TIME_SLOT], self._span())

    def _span(self) -> str:
        slots, k = self.state.slots, self.state.time_slot
        if not slots.sizes[v.TIME_SLOT]:
            return ""
        begin = float(slots[v.SLOT_START].values[k])
        end = begin + float(slots[v.SLOT_DURATION].values[k])
        factor, unit = time_unit(self.timeline.time.end)
        return f"{begin / factor:.6g} to {end / factor:.6g} {unit}"

    @_in_one_message
    def _show_course(self) -> None:
        state = self.state
        cell = state.word_line, state.bit_line
        current = numbers.cell_course(state.chip, state.pulse_width, *cell)
        self.cell.show_course(state.slots, current, float(state.chip.cell_current[cell]))

    @_in_one_message
    def _show_comparison(self) -> None:
        state = self.state
        self.comparison.kind.value = state.comparison_kind
        if state.measurement is None:
            self.comparison.explain(
                "No measurement, nothing to compare with.",
                "This chip comes from a layout rule. Choose the bundled chip, or upload a file "
                "with pair or leave-one-out patterns, to see measured crosstalk beside simulated.",
            )
            return
        try:
            found = numbers.comparison(
                state.chip, state.measurement, state.comparison_kind, state.weight_set
            )
        except DataError as error:
            self.comparison.explain("These patterns were not measured.", escape(str(error)))
            return
        self.comparison.show(found)

    def _soon(self, name: str, act: Callable[[], None]) -> None:
        """Do it now on a small array, in a pause of the changes on a large one."""
        document = pn.state.curdoc
        served = document is not None and document.session_context is not None
        if not served or self.state.chip.cell_current.size <= _AT_ONCE:
            act()
            return
        if name in self._waiting:
            return
        self._waiting.add(name)

        def later() -> None:
            self._waiting.discard(name)
            act()

        document.add_timeout_callback(later, _PAUSE_MS)

    @_in_one_message
    def _paint(self, *_events: param.parameterized.Event) -> None:
        for part in (self.heatmap, self.timeline, self.cell, self.comparison):
            part.paint(self.state.theme)

    # What the user does

    def _tap_cell(self, x: float, y: float) -> None:
        assert self.heatmap.shown is not None
        cell = self.heatmap.window.cell_at(x, y, self.heatmap.shown.values)
        if cell is not None:
            self.state.param.update(word_line=cell[0], bit_line=cell[1])

    @_in_one_message
    def _move(self, down: int, right: int) -> None:
        n_word_lines, n_bit_lines = self.state.chip.cell_current.shape
        word_line = int(np.clip(self.state.word_line + down, 0, n_word_lines - 1))
        bit_line = int(np.clip(self.state.bit_line + right, 0, n_bit_lines - 1))
        self.heatmap.reveal(word_line, bit_line)
        self.state.param.update(word_line=word_line, bit_line=bit_line)

    def _toggle_selected(self) -> None:
        self._toggle(float(self.state.word_line))

    def _toggle(self, y: float) -> None:
        """Switch a word line between no pulse and the full pulse."""
        line = self._line_at(y)
        if line is None:
            return
        codes = list(self.state.codes())
        codes[line] = 0 if codes[line] else self._grid().highest
        self.state.set_pattern(codes)

    def _drag_pulse(self, x: float, y: float, *, begins: bool) -> None:
        """Set the width of the pulse on whose row the drag began, to whole codes."""
        if begins:
            self._dragged = self._line_at(y)
        line = self._dragged
        if line is None:
            return
        grid, codes = self._grid(), list(self.state.codes())
        start = float(self.state.slots[v.PULSE_START].values[line]) if codes[line] else 0.0
        code = int(np.clip(np.rint((x - start) / grid.lsb), 0, grid.highest))
        if code != codes[line]:
            codes[line] = code
            self.state.set_pattern(codes)

    def _tap_time(self, x: float) -> None:
        slot = slot_at(self.state.slots, x)
        if slot is not None:
            self.state.time_slot = slot

    def _line_at(self, y: float) -> int | None:
        line = int(np.floor(y + 0.5))
        return line if 0 <= line < self.state.chip.n_word_lines else None

    def _grid(self) -> Any:
        return code_grid(self.state.chip, self.state.measurement)

    @_in_one_message
    def _zoom(self, factor: float | None) -> None:
        if factor is None:
            factor = float(max(self.state.chip.cell_current.shape))
        self.heatmap.zoom(factor, self.state.word_line, self.state.bit_line)

    @_in_one_message
    def _on_view(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        if self.heatmap.look_at(x, y):
            self._show_array()


def _placed(plot: figure, mode: str = "stretch_both") -> pn.pane.Bokeh:
    return pn.pane.Bokeh(plot, sizing_mode=mode, margin=0)
