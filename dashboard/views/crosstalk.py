"""Crosstalk page: pulses on the left, the array they act on beside them, one cell below.

The figures share axes. A row is the same word line in timeline, strip, heatmap; the cell's
current runs on the timeline's time axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

import panel as pn
import param
from bokeh.models import LayoutDOM
from panel.viewable import Viewable

from analog_model import vocabulary as v
from analog_model.errors import DataError, SimulationError
from dashboard.patterns import code_grid
from dashboard.state import State
from dashboard.views import crosstalk_numbers as numbers
from dashboard.views.batch import in_one_message
from dashboard.views.crosstalk_actions import Actions
from dashboard.views.crosstalk_axes import line_range, time_unit
from dashboard.views.crosstalk_cell import CellPanel
from dashboard.views.crosstalk_classes import class_key
from dashboard.views.crosstalk_comparison import ComparisonPanel
from dashboard.views.crosstalk_controls import PatternControls, ShowControls, SlotControls
from dashboard.views.crosstalk_figures import CrosstalkFigures
from dashboard.views.crosstalk_gestures import Channel, on_drag, on_tap
from dashboard.views.crosstalk_heatmap import Heatmap
from dashboard.views.crosstalk_timeline import Timeline, operation_extent
from dashboard.views.export import Export
from dashboard.views.html import Html

# The cell's course and the comparison come after the heatmap: in the next message, or above
# this many cells when a drag pauses.
_SMALL = 128 * 128
_NEXT_MS = 60
_PAUSE_MS = 200
# Parts of the page with their heights, as they stand below each other: what belongs to the array
# comes with it. Where there is room, pattern and array stand side by side.
_HEIGHTS = {
    "pattern": 54,
    "pulses": 366,
    "shown": 54,
    "array": 366,
    "key": 48,
    "slots": 48,
    "cell": 152,
    "facts": 152,
}
_PAIRS = (("pattern", "shown"), ("pulses", "array"), ("slots", "key"), ("cell", "facts"))
_COMPARISON_HEIGHT = 360
_HEATMAP_LABEL = (
    "Heatmap of the array. Arrow keys move the selected cell, the space bar switches its word "
    "line, plus or minus change its pulse by one code."
)


def _template(rows: Iterable[tuple[str, ...]], columns: str) -> str:
    """Value of CSS's `grid-template`."""
    lines = (f'"{" ".join(parts)}" {_HEIGHTS[parts[0]]}px' for parts in rows)
    return f"{' '.join(lines)} / {columns}"


_GRID_STYLE = f"""
:host {{ display: grid !important; flex: none !important; height: auto !important;
  max-height: none !important; column-gap: 14px;
  grid-template: {_template(_PAIRS, "minmax(0, 43fr) minmax(0, 57fr)")}; }}
@container (max-width: 840px) {{ :host {{
  grid-template: {_template(((part,) for part in _HEIGHTS), "minmax(0, 1fr)")}; }} }}
"""
_KEY_STYLE = """
:host { font-size: 12px; color: var(--muted, #5a6577); }
:host { padding: 0 8px 0 58px; }
p { margin: 0; color: var(--text, inherit); font-weight: 600; }
span { font-weight: 400; color: var(--muted, #5a6577); margin-left: 6px; }
ul { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 2px 0 0; list-style: none; }
i { display: inline-block; width: 9px; height: 9px; margin-right: 5px; border-radius: 2px; }
"""


class CrosstalkView(pn.viewable.Viewer):
    """Pulses, time slots, what they do to every cell of the array.

    `CrosstalkView(State())` shows the bundled chip in a notebook cell.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.layout: Viewable | None = None
        self.state = state
        shape = state.chip.cell_current.shape
        word_lines = line_range(shape[0], downward=True)
        self.heatmap = Heatmap(shape, word_lines)
        self.timeline = Timeline(word_lines)
        self.cell = CellPanel(self.timeline.time)
        self.comparison: ComparisonPanel | None = None
        self.pattern = PatternControls(state)
        self.slot = SlotControls(state)
        self.actions = Actions(state, self.heatmap)
        self.shown = ShowControls(state, self._zoom)
        self.export = Export(CrosstalkFigures(state), what="crosstalk")
        self.key = Html("", stylesheets=[_KEY_STYLE], margin=0, sizing_mode="stretch_both")
        self._waiting: set[str] = set()
        self._listen()
        self._paint()
        self._on_change()
        self._below = pn.Column(
            Html("Comparing with the measurement…", css_classes=["note"]),
            sizing_mode="stretch_width",
            min_height=_COMPARISON_HEIGHT,
            margin=(12, 0, 0, 0),
        )
        self.layout = self._composed()

    def _listen(self) -> None:
        state, actions = self.state, self.actions
        self.channel = Channel(
            self.heatmap.figure,
            _HEATMAP_LABEL,
            on_move=self._move,
            on_toggle=actions.toggle_selected,
            on_widen=actions.widen_selected,
            on_view=self._on_view,
        )
        on_tap(self.heatmap.figure, actions.choose_cell)
        on_tap(self.timeline.strip, lambda _x, y: actions.toggle(y))
        for plot in (self.timeline.figure, self.cell.figure):
            on_tap(plot, lambda x, _y: actions.choose_time(x))
        on_drag(self.timeline.figure, actions.drag_pulse)
        state.param.watch(
            self._on_change,
            ["chip", "pulse_width", "time_slot", "quantity", "word_line", "bit_line"],
        )
        state.param.watch(self._on_comparison, ["chip", "measurement", "comparison_kind"])
        state.param.watch(self._paint, "theme")

    def _composed(self) -> Viewable:
        array = pn.Row(
            _placed(self.timeline.strip, mode="stretch_height"),
            _placed(self.heatmap.figure),
            sizing_mode="stretch_both",
            margin=0,
        )
        parts: dict[str, Viewable] = {
            "pattern": self.pattern.layout,
            "pulses": _placed(self.timeline.figure),
            "shown": self.shown.layout,
            "array": array,
            "key": self.key,
            "slots": self.slot.layout,
            "cell": _placed(self.cell.figure),
            "facts": self.cell.facts,
        }
        for name, part in parts.items():
            part.styles = {**part.styles, "grid-area": name}
        grid = pn.Column(
            *parts.values(),
            sizing_mode="stretch_width",
            # Of the style sheet's, which decides; without one Panel stretches it, with a warning.
            height=sum(_HEIGHTS[left] for left, _right in _PAIRS),
            margin=0,
            stylesheets=[_GRID_STYLE],
        )
        self.export.float_above()
        # What is below the fold comes after the first paint, in a place kept for it.
        pn.state.onload(self._add_comparison)
        return pn.Column(
            self.export.button,
            self.export.panel,
            grid,
            self._below,
            sizing_mode="stretch_width",
            styles={"position": "relative", "container-type": "inline-size"},
            margin=0,
        )

    @in_one_message
    def _add_comparison(self) -> None:
        self.comparison = panel = ComparisonPanel(self.state.comparison_kind)
        panel.kind.param.watch(
            lambda event: self.state.param.update(comparison_kind=event.new), "value"
        )
        self._show_comparison()
        panel.paint(self.state.theme)
        self._below.objects = [panel.layout]

    def __panel__(self) -> Viewable:
        assert self.layout is not None
        return self.layout

    @in_one_message
    def _on_change(self, *_events: param.parameterized.Event) -> None:
        self._show_array()
        self._show_operation()
        self._soon("cell", self._show_course)

    @in_one_message
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
        key = class_key(chip, numbers.quantity_label(state.quantity), self.heatmap.note())
        self.key.object = key

    def _show_operation(self) -> None:
        state, slots = self.state, self.state.slots
        grid = code_grid(state.chip, state.measurement)
        self.timeline.show(
            slots,
            state.pulse_width,
            state.time_slot,
            extent=operation_extent(grid.full_width, state.chip.pulse.alignment),
        )
        self.cell.show_slot(slots, state.time_slot)
        self.slot.show(slots.sizes[v.TIME_SLOT], self._span())

    def _span(self) -> str:
        slots, k = self.state.slots, self.state.time_slot
        if not slots.sizes[v.TIME_SLOT]:
            return ""
        begin = float(slots[v.SLOT_START].values[k])
        end = begin + float(slots[v.SLOT_DURATION].values[k])
        factor, unit = time_unit(self.timeline.time.end - self.timeline.time.start)
        drawn = self.timeline.edge_step
        sparse = f", one slot edge of {drawn} drawn" if drawn > 1 else ""
        return f"{begin / factor:.6g} to {end / factor:.6g} {unit}{sparse}"

    @in_one_message
    def _show_course(self) -> None:
        state = self.state
        cell = state.word_line, state.bit_line
        current = numbers.cell_course(state.chip, state.pulse_width, *cell)
        self.cell.show_course(state.slots, current, float(state.chip.cell_current[cell]))

    @in_one_message
    def _show_comparison(self) -> None:
        state, panel = self.state, self.comparison
        if panel is None:
            return
        panel.kind.value = state.comparison_kind
        if state.measurement is None:
            panel.explain(
                "No measurement, nothing to compare with.",
                "This chip was not measured. Choose the bundled chip, or upload a file "
                "with pair or leave-one-out patterns, to see measured crosstalk beside simulated.",
                choice=False,
            )
            return
        try:
            found = numbers.comparison(
                state.chip, state.measurement, state.comparison_kind, state.weight_set
            )
        except DataError as error:
            panel.explain("These patterns were not measured.", escape(str(error)), choice=True)
            return
        except SimulationError as error:
            # Such as pulses wider than the input code of this chip has.
            panel.explain("This chip cannot take these patterns.", escape(str(error)), choice=True)
            return
        panel.show(found)

    def _soon(self, name: str, act: Callable[[], None]) -> None:
        """Do it once the heatmap is on its way, on a large array in a pause of the changes."""
        document = pn.state.curdoc
        served = document is not None and document.session_context is not None
        if not served:
            act()
            return
        if name in self._waiting:
            return
        self._waiting.add(name)

        def later() -> None:
            self._waiting.discard(name)
            act()

        small = self.state.chip.cell_current.size <= _SMALL
        document.add_timeout_callback(later, _NEXT_MS if small else _PAUSE_MS)

    @in_one_message
    def _zoom(self, factor: float | None) -> None:
        self.actions.zoom(factor)

    @in_one_message
    def _move(self, down: int, right: int) -> None:
        self.actions.move(down, right)

    @in_one_message
    def _on_view(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        if self.heatmap.look_at(x, y):
            self._show_array()

    @in_one_message
    def _paint(self, *_events: param.parameterized.Event) -> None:
        for part in (self.heatmap, self.timeline, self.cell, self.comparison):
            if part is not None:
                part.paint(self.state.theme)


def _placed(plot: LayoutDOM, mode: str = "stretch_both") -> pn.pane.Bokeh:
    return pn.pane.Bokeh(plot, sizing_mode=mode, margin=0)
