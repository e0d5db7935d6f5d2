"""Calibration page: from a measurement to a chip, step by step.

Models are fitted to calibration patterns only. Which patterns judge them stands in every
title; test patterns unless chosen otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import AnalogModelError
from dashboard import theme
from dashboard.calibration_run import (
    Extraction,
    FittedModel,
    Outcome,
    calibrate_measurement,
)
from dashboard.state import State
from dashboard.views.batch import in_one_message
from dashboard.views.calibration_extraction import ExtractionPlots
from dashboard.views.calibration_figures import dataset_of, figures_of, table_of
from dashboard.views.calibration_ladder import PLANNED_STEPS, ModelBars, StepBars
from dashboard.views.calibration_numbers import (
    ALL_KINDS,
    FULL,
    Finished,
    finishes,
    fitted_models,
    kinds_of,
    model_label,
    selection,
    splits_of,
    steps,
)
from dashboard.views.calibration_parameters import ParameterTables
from dashboard.views.calibration_residuals import ResidualPlots
from dashboard.views.calibration_words import beforehand, summary
from dashboard.views.export import Export, chip_file
from dashboard.views.html import WITHIN, Html
from dashboard.views.job_run import JobRun
from dashboard.views.side_by_side import side_by_side

ASPECTS = {
    "Models": "models",
    "Residuals": "residuals",
    "Parameters": "parameters",
    "Extraction": "extraction",
}
SPLIT_LABELS = {v.TEST: "Test", v.CALIBRATION: "Calibration"}
# For screen readers only: what is chosen speaks for itself.
_UNSEEN_LABEL = """
.bk-input-group > label { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
"""
WATCHED = ("measurement", "weight_set", "split", "pattern_kind", "model", "aspect", "page", "chip")


class CalibrationView(pn.viewable.Viewer):
    """Calibrates the measurement in view and shows what that says of the chip.

    `CalibrationView(state)` follows the state; `CalibrationView(State())` works in a
    notebook cell. The calibration runs in a process of its own, see `dashboard.jobs`.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.finished: Finished | None = None
        self.models: list[FittedModel] = []
        self._question: tuple[xr.Dataset | None, int] = (None, -1)
        self._climbing = False
        self._reflecting = False
        self._on_a_page = state.page == "calibration"
        self.run = JobRun("Calibrate", heard=self._hear, ended=self._ended)
        self.use = pn.widgets.Button(label="Use this chip", margin=(0, 8, 0, 0), disabled=True)
        self.yaml = pn.widgets.Button(label="Chip YAML", margin=(0, 8, 0, 0), disabled=True)
        self.export = Export(self, what="calibration")
        self.aspect = pn.widgets.RadioButtonGroup(
            label="What is shown", options=ASPECTS, value=state.aspect, margin=(0, 14, 0, 0)
        )
        self.split = pn.widgets.RadioButtonGroup(
            label="Patterns that judge",
            options={label: name for name, label in SPLIT_LABELS.items()},
            value=v.TEST,
            margin=(0, 10, 0, 0),
        )
        self.kind = pn.widgets.Select(
            label="Kind of pattern",
            options={"All kinds": ALL_KINDS},
            value=ALL_KINDS,
            width=132,
            margin=(0, 10, 0, 0),
            stylesheets=[_UNSEEN_LABEL],
        )
        self.model = pn.widgets.Select(
            label="Model", width=176, margin=0, visible=False, stylesheets=[_UNSEEN_LABEL]
        )
        self.summary = Html("", min_height=44, sizing_mode="stretch_width", margin=(6, 2, 0, 2))
        self.bars, self.steps = ModelBars(self._choose_model), StepBars()
        self.residuals, self.parameters = ResidualPlots(), ParameterTables()
        self.extraction = ExtractionPlots()
        self.empty = Html("", sizing_mode="stretch_both", margin=0, stylesheets=[WITHIN])
        self.aspects = self._aspects()
        self.layout = self._layout()
        self._watch()
        self._paint()
        self._update()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        return self.layout

    def chip_name(self) -> str:
        """Name of the chip in view."""
        return str(self.state.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        if self.finished is None:
            return {}
        return figures_of(self.finished, **self._selected())

    def data(self) -> xr.Dataset | None:
        """Every number in view; None while there is none."""
        return None if self.finished is None else dataset_of(self.finished)

    def table(self) -> xr.Dataset | None:
        """The numbers of the aspect in view, as one table."""
        if self.finished is None:
            return None
        return table_of(self.finished, aspect=self.state.aspect, **self._selected())

    def start(self) -> None:
        """Calibrate the measurement in view, in the background."""
        state = self.state
        if state.measurement is None:
            return
        asked = {"measurement": state.measurement, "weight_set": state.weight_set}
        if not self.run.start(calibrate_measurement, asked):
            return
        self.models, self._climbing = [], True
        self._show_running()

    def use_chip(self) -> None:
        """Make the calibrated chip the one that every page shows."""
        if self.finished is None:
            return
        calibration = self.finished.outcome.calibration
        chip = calibration.chip
        try:
            self.state.use_calibrated(chip, shared_chip=calibration.shared_chip)
        except AnalogModelError as error:
            self.state.tell(str(error), "error")
            return
        self.state.tell(f"{chip.name}: every page now shows the calibrated chip.")

    def _aspects(self) -> dict[str, pn.viewable.Viewable]:
        bars = pn.pane.Bokeh(self.bars.figure, sizing_mode="stretch_both", margin=0)
        steps_pane = pn.pane.Bokeh(self.steps.figure, sizing_mode="stretch_both", margin=0)
        return {
            "models": side_by_side(bars, steps_pane, left_width=440, right_width=420),
            "residuals": self.residuals.layout,
            "parameters": self.parameters.layout,
            "extraction": self.extraction.layout,
        }

    def _layout(self) -> pn.Column:
        top = pn.Row(
            self.run.start_button,
            self.run.cancel_button,
            self.run.status,
            self.use,
            self.yaml,
            self.export.button,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.choices = pn.Row(
            self.aspect,
            self.split,
            self.kind,
            self.model,
            sizing_mode="stretch_width",
            margin=(8, 0, 0, 0),
            styles={"flex-wrap": "wrap", "row-gap": "6px"},
        )
        return pn.Column(
            top,
            self.export.panel,
            self.choices,
            self.summary,
            *self.aspects.values(),
            self.empty,
            sizing_mode="stretch_both",
            min_height=560,
            styles={"position": "relative"},
            margin=0,
        )

    def _watch(self) -> None:
        self.run.start_button.on_click(lambda _event: self.start())
        self.use.on_click(lambda _event: self.use_chip())
        self.yaml.on_click(lambda _event: self._save_yaml())
        for name, widget in (
            ("aspect", self.aspect),
            ("split", self.split),
            ("pattern_kind", self.kind),
            ("model", self.model),
        ):
            widget.param.watch(partial(self._choose, name), "value")
        self.state.param.watch(self._update, list(WATCHED))
        self.state.param.watch(self._paint, "theme")

    def _choose(self, name: str, event: Any) -> None:
        if not self._reflecting and event.new is not None:
            self.state.param.update({name: event.new})

    def _choose_model(self, name: str) -> None:
        """A bar was tapped: look at the residuals of its model."""
        if self.finished is not None:
            self.state.param.update(model=name, aspect="residuals")

    def _selected(self) -> dict[str, str]:
        """Model, split, kind in view: what the state says, where the result has it."""
        if self.finished is None:
            return {"model": FULL, "split": v.TEST, "kind": ALL_KINDS}
        outcome = self.finished.outcome
        splits, names = splits_of(outcome), list(outcome.calibration.chips)
        split = self.state.split if self.state.split in splits else splits[0]
        kinds = kinds_of(outcome, split)
        kind = self.state.pattern_kind if self.state.pattern_kind in kinds else ALL_KINDS
        model = self.state.model if self.state.model in names else names[-1]
        return {"model": model, "split": split, "kind": kind}

    @in_one_message
    def _update(self, *_events: Any) -> None:
        """Bring the page up to date; it rests while another page is in front."""
        state = self.state
        question = (state.measurement, state.weight_set)
        changed = question[0] is not self._question[0] or question[1] != self._question[1]
        if changed:
            self._question = question
            self.run.cancel()
            self.models, self._climbing = [], False
            self.finished = finishes.find(*question)
        if self._on_a_page and state.page != "calibration":
            return
        self.run.start_button.disabled = state.measurement is None
        if self._climbing:
            self._show_running()
        elif self.finished is None:
            self._show_nothing()
        else:
            self._show_finished(self.finished)

    def _hear(self, message: Any) -> None:
        """What the job says while it runs."""
        if isinstance(message, FittedModel):
            known = {model.name: model for model in self.models} | {message.name: message}
            self.models = list(known.values())
            self._update()
        elif isinstance(message, Outcome):
            self.finished, self._climbing = Finished(message), False
            self._keep()
            self._update()
        elif isinstance(message, Extraction) and self.finished is not None:
            self.finished.extraction = message
            self._update()

    def _keep(self) -> None:
        measurement, weight_set = self._question
        if measurement is not None and self.finished is not None:
            finishes.keep(measurement, weight_set, self.finished)

    def _ended(self) -> None:
        self._climbing = False
        self._update()

    def _show_running(self) -> None:
        """The ladder as far as it was climbed."""
        self._front("models")
        self.choices.visible, self.aspect.value = True, "models"
        self._enable_choices(on=False)
        self.use.disabled = self.yaml.disabled = True
        self.summary.object = beforehand(self.state.measurement, self.state.weight_set)
        self.bars.show_running(self.models)
        self.steps.show(steps(self.models), noise_known=False, planned=PLANNED_STEPS)

    def _show_nothing(self) -> None:
        self._front(None)
        self.choices.visible = False
        self.use.disabled = self.yaml.disabled = True
        self.summary.object = ""
        self.empty.object = beforehand(self.state.measurement, self.state.weight_set, whole=True)

    def _show_finished(self, finished: Finished) -> None:
        outcome, selected = finished.outcome, self._selected()
        self._reflect(outcome, selected)
        aspect = self.state.aspect
        self._front(aspect)
        self.choices.visible = True
        self._enable_choices(on=True)
        self.use.disabled = self.state.source_chip == outcome.calibration.chip
        self.yaml.disabled = False
        self.summary.object = self._summary(outcome, selected)
        one = {v.SPLIT: selected["split"], v.KIND: selected["kind"]}
        models = fitted_models(outcome)
        if aspect == "models":
            self.bars.show_report(outcome.report.sel(one), models)
            known = bool(outcome.report["ceiling"].notnull().any())
            self.steps.show(steps(models), noise_known=known)
        elif aspect == "residuals":
            self.residuals.show(selection(outcome, **selected))
        elif aspect == "parameters":
            self.parameters.show(outcome.calibration)
        else:
            self.extraction.show(finished, kind=selected["kind"], running=self.run.busy)

    def _summary(self, outcome: Outcome, selected: dict[str, str]) -> str:
        if self.state.aspect != "residuals":
            full = list(outcome.calibration.chips)[-1]
            return summary(outcome, **{**selected, "model": full})
        labelled = v.KIND in outcome.charges.coords
        drawn = kinds_of(outcome, selected["split"])[1:] if selected["kind"] == ALL_KINDS else []
        return summary(outcome, kinds=drawn if labelled else [], **selected)

    def _reflect(self, outcome: Outcome, selected: dict[str, str]) -> None:
        """Have the choices say what is shown, without that counting as a choice."""
        kinds = kinds_of(outcome, selected["split"])
        names = list(outcome.calibration.chips)
        self._reflecting = True
        try:
            self.aspect.value = self.state.aspect
            _set(
                self.split,
                options={SPLIT_LABELS[name]: name for name in splits_of(outcome)},
                value=selected["split"],
            )
            labels = {"All kinds" if k == ALL_KINDS else k.replace("_", " "): k for k in kinds}
            _set(self.kind, options=labels, value=selected["kind"])
            _set(
                self.model,
                options={model_label(name): name for name in names},
                value=selected["model"],
            )
        finally:
            self._reflecting = False
        aspect = self.state.aspect
        self.model.visible = aspect == "residuals"
        self.split.visible = aspect in {"models", "residuals"}
        self.kind.visible = aspect != "parameters"

    def _enable_choices(self, *, on: bool) -> None:
        self.aspect.disabled = not on
        if not on:
            self.split.visible = self.kind.visible = self.model.visible = False

    def _front(self, aspect: str | None) -> None:
        for name, part in self.aspects.items():
            if part.visible != (name == aspect):
                part.visible = name == aspect
        self.empty.visible = aspect is None

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        for part in (self.bars, self.steps, self.residuals, self.parameters, self.extraction):
            part.paint(self.state.theme)
        palette = theme.PALETTES[self.state.theme]
        self.layout.styles = {"position": "relative", "color": palette.text}

    def _save_yaml(self) -> None:
        if self.finished is not None:
            chip = self.finished.outcome.calibration.chip
            self.export.send(chip_file(chip))


def _set(widget: pn.widgets.Widget, **values: Any) -> None:
    """Set what differs: an equal value would still travel to the browser."""
    differing = {name: new for name, new in values.items() if getattr(widget, name) != new}
    if differing:
        widget.param.update(**differing)
