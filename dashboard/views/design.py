"""Design page: one or two chip parameters against the error, the accuracy of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import xarray as xr

from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import AnalogModelError
from analog_model.sweeps.axes import Value, chip_at
from analog_model.sweeps.plan import SweepPoint
from dashboard import theme
from dashboard.design_choices import CHOICES
from dashboard.design_question import SweepQuestion, question_of
from dashboard.design_run import SweepOutcome, run_sweep
from dashboard.design_store import sweep_store
from dashboard.latest import LatestOnly
from dashboard.parameters import PARAMETERS
from dashboard.sources import SYNTHETIC
from dashboard.state import CHIP_INPUTS, State
from dashboard.views.batch import in_one_message
from dashboard.views.design_controls import DesignControls
from dashboard.views.design_curve import SweepCurve
from dashboard.views.design_map import SweepMap
from dashboard.views.design_numbers import Index, Readings, point_text, position
from dashboard.views.design_words import invitation, refusal, summary, title
from dashboard.views.export import Export
from dashboard.views.html import WITHIN, Html
from dashboard.views.job_run import JobRun

WATCHED = (*CHOICES, *CHIP_INPUTS, "source_chip", "page")


class DesignView(pn.viewable.Viewer):
    """Sweeps the chip in view and shows the points as they come.

    `DesignView(State())` works in a notebook cell. The sweep runs in a process of its own;
    its points are kept, so that leaving the page loses none.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.question: SweepQuestion | None = None
        self.readings: Readings | None = None
        self.found: xr.Dataset | None = None
        self._key = ""
        self._taking = False
        self._redraw: LatestOnly[None] = LatestOnly(lambda _none: self._show())
        self._on_a_page = state.page == "design"
        self.chosen: Index | None = None
        self.controls = DesignControls(state)
        self.run = JobRun("Run", heard=self._hear, ended=self._ended)
        self.export = Export(self, what="sweep")
        self.map, self.curve = SweepMap(self.take), SweepCurve(self.take)
        self.summary = Html("", min_height=22, sizing_mode="stretch_width", margin=(6, 2, 2, 2))
        self.empty = Html("", sizing_mode="stretch_both", margin=0, stylesheets=[WITHIN])
        self.point = pn.widgets.Select(
            label="Point, the best first", sizing_mode="stretch_width", margin=(0, 8, 0, 0)
        )
        self.take_button = pn.widgets.Button(
            label="Take its values", width=130, margin=(18, 0, 0, 0)
        )
        self.points = pn.Row(
            self.point, self.take_button, sizing_mode="stretch_width", margin=(4, 0, 0, 0)
        )
        self.layout = self._layout()
        self.run.start_button.on_click(lambda _event: self.start())
        self.take_button.on_click(lambda _event: self._take_listed())
        state.param.watch(self._update, list(WATCHED))
        state.param.watch(self._paint, "theme")
        self._paint()
        self._update()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        return self.layout

    def chip_name(self) -> str:
        """Name of the chip that is swept."""
        return str(self.state.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """The figure of a finished sweep."""
        found = self.found
        if found is None:
            return {}

        def make() -> Any:
            # HoloViews costs a second to import; only an export needs it.
            from analog_model.figures.sweep import sweep_figure

            return sweep_figure(found)

        return {"Sweep": make}

    def data(self) -> xr.Dataset | None:
        """The finished sweep."""
        return self.found

    def table(self) -> xr.Dataset | None:
        """The finished sweep, which is one table."""
        return self.found

    def start(self) -> None:
        """Sweep what is asked for, in the background."""
        if self.question is None:
            return
        asked = {"question": self.question, "folder": sweep_store().folder}
        if not self.run.start(run_sweep, asked):
            return
        self.readings, self.found = Readings.of(self.question), None
        self._show()

    def take(self, index: Index) -> None:
        """Give the chip of every page the values of a point."""
        if self.readings is None or self.question is None:
            return
        values = self.readings.values_at(index)
        self.chosen = index
        # The map stays: it is of the chip without these values.
        self._taking = True
        try:
            self._set(values, self.question)
            self.state.tell(f"Every page now shows this chip: {point_text(values)}.")
        except AnalogModelError as error:
            self.state.tell(str(error), "error")
        finally:
            self._taking = False
        self._show()

    def _set(self, values: dict[str, Value], question: SweepQuestion) -> None:
        state = self.state
        ours = {name: value for name, value in values.items() if name in PARAMETERS}
        array = {name: value for name, value in values.items() if name not in PARAMETERS}
        if array and state.source == SYNTHETIC:
            # Another source forgets what was changed of the one before.
            kept = _kept(state)
            state.param.update(**array)
            state.param.update(**(kept | ours))
            return
        if array:
            # A measured chip has the array it has; another one comes as a file of its own.
            chip = chip_at(question.chip, array)
            state.load_upload(chip.to_yaml().encode(), name="point-of-a-sweep.yaml")
        state.param.update(**ours)

    def _take_listed(self) -> None:
        if self.point.value is not None:
            self.take(self.point.value)

    def _layout(self) -> pn.Column:
        self.top = pn.Row(
            self.run.start_button,
            self.run.cancel_button,
            self.run.status,
            self.controls.measure,
            self.export.button,
            sizing_mode="stretch_width",
            margin=0,
        )
        # In rows, for a Bokeh pane itself cannot be hidden once it is on screen.
        self._map_pane, self._curve_pane = (
            pn.Row(
                pn.pane.Bokeh(part.figure, sizing_mode="stretch_both", margin=0),
                sizing_mode="stretch_both",
                margin=0,
            )
            for part in (self.map, self.curve)
        )
        return pn.Column(
            self.top,
            self.export.panel,
            self.controls.layout,
            self.summary,
            self._map_pane,
            self._curve_pane,
            self.empty,
            self.points,
            sizing_mode="stretch_both",
            min_height=560,
            styles={"position": "relative"},
            margin=0,
        )

    @in_one_message
    def _update(self, *_events: Any) -> None:
        """Bring the page up to date; it rests while another page is in front."""
        if self._taking or (self._on_a_page and self.state.page != "design"):
            return
        try:
            question = question_of(self.state)
            key = question.key()
        except AnalogModelError as error:
            self._forget()
            self.empty.object = refusal(error)
            self._show()
            return
        if key != self._key:
            self._forget()
            self._key, self.question = key, question
            self._find(key)
        self._show()

    def _forget(self) -> None:
        self.run.cancel()
        self.question = self.readings = self.found = self.chosen = None
        self._key = ""

    def _find(self, key: str) -> None:
        """A sweep that was finished before appears at once."""
        assert self.question is not None
        try:
            self.found = sweep_store().find(key)
        except AnalogModelError as error:
            self.state.tell(str(error), "error")
        if self.found is not None:
            self.readings = Readings.of(self.question)
            self.readings.add_all(self.found)
            self.run.say("Computed before.")

    def _hear(self, message: Any) -> None:
        """What the job says while it runs."""
        if isinstance(message, SweepPoint) and self.readings is not None:
            self.readings.add(message)
        elif isinstance(message, SweepOutcome):
            self.found = message.found
        # Points that are known already come hundreds at a time.
        self._redraw(None)

    def _ended(self) -> None:
        self._show()

    @in_one_message
    def _show(self) -> None:
        question, readings = self.question, self.readings
        self.run.start_button.disabled = question is None
        some = readings is not None and bool(readings.known)
        flat = some and readings is not None and len(readings.over) == 1
        for part, seen in (
            (self._map_pane, some and not flat),
            (self._curve_pane, flat),
            (self.points, some),
            (self.empty, not some),
        ):
            if part.visible != seen:
                part.visible = seen
        if question is None:
            self.summary.object = ""
            return
        if readings is None or not some:
            self.summary.object = ""
            self.empty.object = invitation(question)
            return
        self._draw(question, readings)

    def _draw(self, question: SweepQuestion, readings: Readings) -> None:
        places = [position(values, self._own(name)) for name, values in readings.over.items()]
        if len(places) == 1:
            self.curve.show(readings, title(question, readings))
            self.curve.mark(places[0], self.chosen)
        else:
            self.map.show(readings, title(question, readings))
            self.map.mark(places[0], places[1], self.chosen)
        self.summary.object = summary(readings, marked=None not in places)
        shown = readings.shown
        # The list is long: it is sent once the sweep is over.
        if not self.run.busy:
            self.point.options = {
                f"{shown.text(readings.known[index][shown.name])} · "
                f"{point_text(readings.values_at(index))}": index
                for index in readings.best_first()
            }
            self.point.value = self.chosen or readings.best_first()[0]
        self.point.disabled = self.take_button.disabled = self.run.busy

    def _own(self, name: str) -> Value | None:
        """The value that the chip in view has on an axis."""
        chip = self.state.network_chip
        if name == "n_word_lines":
            return int(chip.n_word_lines)
        if name == "layout_rule":
            shape = chip.layout.layout_class.shape
            for rule, make in LAYOUT_RULES.items():
                if (make(*shape).layout_class == chip.layout.layout_class).all():
                    return rule
            return None
        value: Value | None = self.state.parameter_values[name]
        return value

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        for part in (self.map, self.curve):
            part.paint(self.state.theme)
        palette = theme.PALETTES[self.state.theme]
        self.layout.styles = {"position": "relative", "color": palette.text}


def _kept(state: State) -> dict[str, Any]:
    """What a user changed of the chip's own values."""
    changed = {name: getattr(state, name) for name in PARAMETERS}
    return {name: value for name, value in changed.items() if value is not None}
