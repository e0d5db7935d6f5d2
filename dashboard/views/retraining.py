"""Retraining page: what a chip costs a network, what training for it wins back, live."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import xarray as xr

from analog_model.errors import AnalogModelError
from analog_model.nn.training.configuration import FLOAT
from dashboard import theme
from dashboard.run_store import run_store
from dashboard.state import State
from dashboard.training_choices import CHOICES
from dashboard.training_plan import plan_of
from dashboard.views.batch import in_one_message
from dashboard.views.export import Export
from dashboard.views.html import WITHIN, Html
from dashboard.views.retraining_classes import ClassPlots
from dashboard.views.retraining_comparison import CANCELLED, Comparison
from dashboard.views.retraining_controls import Controls
from dashboard.views.retraining_curves import TrainingCurves
from dashboard.views.retraining_layers import LayerPlots
from dashboard.views.retraining_numbers import (
    DIGITAL,
    UNDEFENDED,
    dataset_of,
)
from dashboard.views.retraining_progress import TrainingProgress
from dashboard.views.retraining_words import beforehand, refused, summary
from dashboard.views.retraining_words import table as final_table
from dashboard.views.unseen_label import UNSEEN_LABEL

ASPECTS = {"Curves": "curves", "Classes": "classes", "Layers": "layers"}
LIVE_MS, IDLE_MS = 40, 1000
_GAP = (0, 14, 0, 0)
# A dragged slider sends chip after chip; the plan waits until it rests [s].
_REST = 0.3
PAGE = "retraining"


class RetrainingView(pn.viewable.Viewer):
    """Trains a network for the chip in view and shows what that is worth.

    `RetrainingView(state)` follows the state; `RetrainingView(State())` works in a notebook
    cell. Training runs in a process of the server, see `dashboard.training_queue`; this page
    reads along and may be closed at any time.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.layout: pn.Column | None = None
        self.comparison: Comparison | None = None
        self._stale: float | None = None
        self._looks: Any = None
        self._on_a_page = state.page == PAGE
        self.controls = Controls(state)
        self.progress = TrainingProgress(start=self.start, pause=self.pause, cancel=self.cancel)
        self.export = Export(self, what="retraining")
        self.aspect = pn.widgets.RadioButtonGroup(
            label="What is shown", options=ASPECTS, value=state.training_aspect, margin=_GAP
        )
        self.shown = pn.widgets.Select(
            label="Confusion of",
            width=160,
            margin=0,
            visible=False,
            stylesheets=[UNSEEN_LABEL],
        )
        self.summary = Html("", min_height=30, sizing_mode="stretch_width", margin=(4, 2, 2, 2))
        self.final = Html("", sizing_mode="stretch_width", margin=0)
        self.curves, self.classes, self.layers = TrainingCurves(), ClassPlots(), LayerPlots()
        self.empty = Html("", sizing_mode="stretch_both", margin=0, stylesheets=[WITHIN])
        self.layout = self._layout()
        self._watch()
        self._paint()
        self.replan()
        self._follow_page()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        return self.layout

    def chip_name(self) -> str:
        """Name of the chip in view."""
        return str(self.state.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        one = self.comparison
        if one is None:
            return {}
        names = [run.name for run, done in zip(one.plan.runs, one.finished, strict=True) if done]
        known = [record for name in names if (record := one.store.record(name)) is not None]
        if not known:
            return {}
        return {
            "Accuracy over epochs": lambda: _figures().accuracy_curves(known),
            "Final accuracy as trained": lambda: _figures().final_accuracy(known),
        }

    def data(self) -> xr.Dataset | None:
        """Every number in view; None while there is none."""
        known = {} if self.comparison is None else self.comparison.treatments
        return dataset_of(known) if known else None

    def table(self) -> xr.Dataset | None:
        """Final figures of every treatment."""
        data = self.data()
        return None if data is None else data[["accuracy", "standard_error", "run"]]

    def start(self) -> None:
        """Train what is chosen, or go on with it."""
        if self.comparison is None:
            return
        try:
            self.comparison.start()
        except AnalogModelError as error:
            self.progress.say(str(error), "error")
            return
        self.look()

    def pause(self) -> None:
        """Stop after the step in hand, with a checkpoint."""
        training = None if self.comparison is None else self.comparison.training
        if training is not None:
            training.pause()
            self.progress.say_stopping("Pausing after this step")

    def cancel(self) -> None:
        """Stop at once; the last checkpoint stays."""
        training = None if self.comparison is None else self.comparison.training
        if training is not None:
            training.cancel()
            self.progress.say_stopping(CANCELLED)

    @in_one_message
    def replan(self) -> None:
        """Find out what the choices stand for, what is known of it."""
        self._stale = None
        if self.comparison is not None:
            self.comparison.stop_judging()
        self.controls.reflect()
        try:
            plan = plan_of(self.state, self.state.network_chip, run_store())
        except AnalogModelError as error:
            self.comparison = None
            self._show_empty(refused(str(error)))
            self.progress.say("")
            self.progress.show_buttons(active=False, pausing=False, label="Train", possible=False)
            return
        self.comparison = Comparison(plan, run_store())
        self.controls.show_recipe(plan)
        self.look()

    @in_one_message
    def look(self) -> None:
        """Read along: journals, how the training stands, what was judged."""
        if self._stale is not None and time.monotonic() - self._stale > _REST:
            self.replan()
            return
        one = self.comparison
        if one is None:
            return
        try:
            results, curves = one.look()
        except AnalogModelError as error:
            self.progress.say(str(error), "error")
            return
        if results:
            self._show(one)
        elif curves:
            self.curves.show(one.curves, one.epochs)
        self._show_progress(one)
        self._pace()

    def _show(self, one: Comparison) -> None:
        """What is known, or what there would be to train."""
        if one.is_begun or one.is_active:
            self.curves.show(one.curves, one.epochs)
            self._show_results(one)
        else:
            self._show_empty(beforehand(one.plan))

    def _show_progress(self, one: Comparison) -> None:
        training, all_finished = one.training, all(one.finished)
        active = training is not None and training.is_active
        self.progress.show_buttons(
            active=active,
            pausing=training is not None and training.standing == "pausing",
            label="Trained" if all_finished else "Resume" if one.is_interrupted else "Train",
            possible=not all_finished,
        )
        if training is not None and active:
            self.progress.show_training(training, one.labels)
        else:
            self.progress.say(*one.at_rest())

    def _show_results(self, one: Comparison) -> None:
        treatments, aspect = one.treatments, self.state.training_aspect
        modes = [run.mode for run in one.plan.runs if run.mode != FLOAT]
        self._front(aspect)
        self.summary.object = summary(treatments)
        self.final.object = final_table(treatments, (DIGITAL, UNDEFENDED, *modes))
        self.curves.show_chip(treatments)
        options = {treatment.label: name for name, treatment in treatments.items()}
        if self.shown.options != options:
            chosen = self.shown.value if self.shown.value in treatments else None
            self.shown.options = options
            self.shown.value = chosen or next(reversed(treatments), None)
        self.shown.visible = aspect == "classes" and bool(treatments)
        if aspect == "classes":
            self.classes.show(treatments, self.shown.value, self.state.theme)
        elif aspect == "layers":
            self.layers.show(treatments)

    def _show_empty(self, html: str) -> None:
        self._front(None)
        self.summary.object, self.empty.object = "", html

    def _front(self, aspect: str | None) -> None:
        for name, part in self.aspects.items():
            if part.visible != (name == aspect):
                part.visible = name == aspect
        self.body.visible = self.choices.visible = aspect is not None
        self.empty.visible = aspect is None

    def _layout(self) -> pn.Column:
        self.aspects = {
            "curves": self.curves.layout,
            "classes": self.classes.layout,
            "layers": self.layers.layout,
        }
        top = pn.Row(
            *self.progress.parts, self.export.button, sizing_mode="stretch_width", margin=(8, 0)
        )
        self.choices = pn.Row(self.aspect, self.shown, sizing_mode="stretch_width", margin=0)
        plots = pn.Column(
            *self.aspects.values(),
            sizing_mode="stretch_both",
            margin=0,
            # Beside the table where there is room for both, else above it.
            styles={"flex": "1 1 460px", "min-width": "0", "min-height": "400px"},
        )
        side = pn.Column(self.final, margin=0, styles={"flex": "0 1 262px"})
        self.body = pn.Row(
            plots,
            side,
            sizing_mode="stretch_both",
            margin=0,
            styles={"flex-wrap": "wrap", "gap": "12px"},
        )
        return pn.Column(
            self.controls.row,
            self.controls.box,
            top,
            self.export.panel,
            self.choices,
            self.summary,
            self.body,
            self.empty,
            sizing_mode="stretch_both",
            min_height=560,
            styles={"position": "relative"},
            margin=0,
        )

    def _watch(self) -> None:
        self.aspect.param.watch(partial(self._choose, "training_aspect"), "value")
        self.shown.param.watch(self._redraw, "value")
        self.state.param.watch(self._on_choice, list(CHOICES))
        self.state.param.watch(self._on_chip, "chip")
        self.state.param.watch(self._redraw, "training_aspect")
        self.state.param.watch(self._follow_page, "page")
        self.state.param.watch(self._paint, "theme")

    def _choose(self, name: str, event: Any) -> None:
        self.state.param.update({name: event.new})

    def _on_choice(self, *_events: Any) -> None:
        if self._in_front:
            self.replan()
        else:
            self._stale = time.monotonic()

    def _on_chip(self, *_events: Any) -> None:
        self._stale = time.monotonic()
        if self.comparison is not None:
            self.comparison.stop_judging()
        self._pace()

    @in_one_message
    def _redraw(self, *_events: Any) -> None:
        if self.aspect.value != self.state.training_aspect:
            self.aspect.value = self.state.training_aspect
        if self.comparison is not None and not self.empty.visible:
            self._show_results(self.comparison)

    @property
    def _in_front(self) -> bool:
        return not self._on_a_page or self.state.page == PAGE

    def _follow_page(self, *_events: Any) -> None:
        """Read along while the page is in front only."""
        if self._in_front and self._looks is None:
            self._looks = pn.state.add_periodic_callback(self.look, period=LIVE_MS)
        elif not self._in_front and self._looks is not None:
            self._looks.stop()
            self._looks = None

    def _pace(self) -> None:
        """Look 25 times a second while something happens, else once."""
        one = self.comparison
        busy = self._stale is not None or (one is not None and one.is_active)
        period = LIVE_MS if busy else IDLE_MS
        if self._looks is not None and self._looks.period != period:
            self._looks.period = period

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        for part in (self.curves, self.classes, self.layers):
            part.paint(self.state.theme)
        assert self.layout is not None
        text = theme.PALETTES[self.state.theme].text
        self.layout.styles = {"position": "relative", "color": text}
        self._redraw()


def _figures() -> Any:
    # HoloViews costs a second to import; only an export needs it.
    from analog_model.figures import training

    return training
