"""Deployment page: a trained network on arrays, from target currents to predicted accuracy.

What is shown is the deployment that the choices ask for, once it was made on this server;
making it is a job in a process of its own.
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
from dashboard.deployment_choices import CHOICES
from dashboard.deployment_run import Deployed, DeploymentPlan, deploy_plan
from dashboard.run_store import run_store
from dashboard.state import State
from dashboard.views.batch import in_one_message
from dashboard.views.deployment_accuracy import AccuracyDots
from dashboard.views.deployment_arrays import ArrayPlots
from dashboard.views.deployment_controls import DeploymentControls
from dashboard.views.deployment_cost import CostBars
from dashboard.views.deployment_files import dataset_of, deployment_archive, figures_of, table_of
from dashboard.views.deployment_numbers import (
    SMALL,
    chosen_run,
    deployments,
    finished_runs,
    key_of,
    layer_of,
    plan_of,
)
from dashboard.views.deployment_words import (
    accuracy_words,
    beforehand,
    cost_words,
    summary,
)
from dashboard.views.export import PRIMARY, Export, ExportFile
from dashboard.views.html import Html
from dashboard.views.job_run import JobRun
from dashboard.views.side_by_side import side_by_side
from dashboard.views.waiting import Latest

PAGE = "deployment"
ASPECTS = {"Arrays": "arrays", "Cost": "cost", "Accuracy": "accuracy"}
# For screen readers only: what is chosen speaks for itself.
_UNSEEN_LABEL = """
.bk-input-group > label { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
"""
WATCHED = (*CHOICES, "chip", "deployment_aspect", "deployed_array", "page")


class DeploymentView(pn.viewable.Viewer):
    """Puts a trained network on arrays, shows what it takes and what it will do.

    `DeploymentView(state)` follows the state; `DeploymentView(State())` works in a notebook
    cell. The work is done in a process of its own, see `dashboard.jobs`.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.layout: pn.Column | None = None
        self.deployed: Deployed | None = None
        self._plan: DeploymentPlan | None = None
        self._key = self._running = self._chosen = ""
        self._reflecting = False
        self._on_a_page = state.page == PAGE
        self.run = JobRun("Deploy", heard=self._hear, ended=self._update)
        self.controls = DeploymentControls(state)
        self.targets = pn.widgets.Button(label="Targets (zip)", margin=(0, 8, 0, 0), disabled=True)
        self.export = Export(self, what="deployment")
        self._archive: Latest[ExportFile] = Latest(done=self._saved, failed=self._refuse)
        self.aspect = pn.widgets.RadioButtonGroup(
            label="What is shown", options=ASPECTS, value=state.deployment_aspect, margin=0
        )
        self.array = pn.widgets.Select(
            label="Array", width=150, margin=(0, 0, 0, 14), stylesheets=[_UNSEEN_LABEL]
        )
        self.summary = Html("", sizing_mode="stretch_width", margin=(8, 2, 6, 2))
        self.arrays, self.cost = ArrayPlots(self._choose_array), CostBars()
        self.accuracy = AccuracyDots()
        self.cost_words = Html("", sizing_mode="stretch_width", margin=(4, 8))
        self.accuracy_words = Html("", sizing_mode="stretch_width", margin=(4, 8))
        self.empty = Html("", sizing_mode="stretch_width", margin=0)
        self.begin = pn.widgets.Button(
            label="Deploy this network", margin=(16, 0), align="center", stylesheets=[PRIMARY]
        )
        self.nothing = pn.Column(self.empty, self.begin, sizing_mode="stretch_width", margin=0)
        self.aspects = self._aspects()
        self.layout = self._layout()
        self._watch()
        self._paint()
        self._update()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        assert self.layout is not None
        return self.layout

    def chip_name(self) -> str:
        """Name of the chip in view, as the files are called."""
        return "" if self.deployed is None else str(self.deployed.deployment.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        if self.deployed is None:
            return {}
        return figures_of(self.deployed.deployment, self._chosen_array(self.deployed))

    def data(self) -> xr.Dataset | None:
        """Every number in view; None while there is none."""
        return None if self.deployed is None else dataset_of(self.deployed.deployment)

    def table(self) -> xr.Dataset | None:
        """The numbers of the aspect in view, as one table."""
        if self.deployed is None:
            return None
        return table_of(
            self.deployed.deployment,
            aspect=self.state.deployment_aspect,
            array=self._chosen_array(self.deployed),
        )

    def start(self) -> None:
        """Deploy what is chosen, in the background."""
        if self._plan is not None and self.run.start(deploy_plan, {"plan": self._plan}):
            self._running = self._key
            # A training run that ends meanwhile would be the newest, and in view instead.
            self.state.deployed_run = self._chosen
            self._update()

    def _aspects(self) -> dict[str, pn.viewable.Viewable]:
        bars = pn.Column(
            *(
                pn.pane.Bokeh(one.figure, sizing_mode="stretch_width", margin=0)
                for one in (self.cost.energy, self.cost.latency)
            ),
            sizing_mode="stretch_both",
            margin=0,
        )
        dots = pn.Column(
            pn.pane.Bokeh(self.accuracy.figure, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_both",
            margin=0,
        )
        return {
            "arrays": self.arrays.layout,
            "cost": side_by_side(bars, self.cost_words, left_width=420, right_width=380),
            "accuracy": side_by_side(dots, self.accuracy_words, left_width=420, right_width=380),
        }

    def _layout(self) -> pn.Column:
        top = pn.Row(
            self.run.start_button,
            self.run.cancel_button,
            self.run.status,
            self.targets,
            self.export.button,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.shown = pn.Row(
            self.aspect, self.array, sizing_mode="stretch_width", margin=0, visible=False
        )
        return pn.Column(
            top,
            self.export.panel,
            self.controls.row,
            self.summary,
            self.shown,
            *self.aspects.values(),
            self.nothing,
            sizing_mode="stretch_both",
            min_height=560,
            styles={"position": "relative"},
            margin=0,
        )

    def _watch(self) -> None:
        for button in (self.run.start_button, self.begin):
            button.on_click(lambda _event: self.start())
        self.targets.on_click(lambda _event: self._save_targets())
        for name, widget in (("deployment_aspect", self.aspect), ("deployed_array", self.array)):
            widget.param.watch(partial(self._choose, name), "value")
        self.state.param.watch(self._update, list(WATCHED))
        self.state.param.watch(self._paint, "theme")

    def _choose(self, name: str, event: Any) -> None:
        if not self._reflecting and event.new is not None:
            self.state.param.update({name: event.new})

    def _choose_array(self, array: int) -> None:
        """An array was tapped."""
        self.state.deployed_array = array

    def _chosen_array(self, deployed: Deployed) -> int:
        """The array in view: what the state says, where the deployment has it."""
        last = deployed.deployment.arrays.sizes[v.ARRAY] - 1
        return min(int(self.state.deployed_array), last)

    @in_one_message
    def _update(self, *_events: Any) -> None:
        """Bring the page up to date; it rests while another page is in front."""
        if self._on_a_page and self.state.page != PAGE:
            return
        store = run_store()
        names = finished_runs(store)
        self._drop_unknown(names)
        run = self._chosen = chosen_run(self.state, names)
        self.controls.show(names, run)
        try:
            self._plan = plan_of(self.state, None if run == SMALL else store.path(run))
            self._key = key_of(self._plan)
            words = beforehand(self._plan, run)
        except AnalogModelError as error:
            self._plan, self._key = None, ""
            self.run.say(str(error), "error")
            return
        self.deployed = deployments.find(self._key)
        if self.deployed is None:
            self._show_nothing(words)
        else:
            self._show(self.deployed)

    def _drop_unknown(self, names: list[str]) -> None:
        """Leave out a run that a link names but that cannot be deployed here; say so."""
        name = str(self.state.deployed_run)
        if name in ("", SMALL, *names):
            return
        self.state.deployed_run = ""
        self.state.tell(
            f"This server has no finished training run {name[:60]!r}; it is left out.", "error"
        )

    def _hear(self, message: Any) -> None:
        """What the job says while it runs."""
        if isinstance(message, Deployed):
            deployments.keep(self._running, message)
            self._update()

    def _show_nothing(self, words: str) -> None:
        self.empty.object = words
        self.begin.visible = not self.run.busy
        self.summary.object = ""
        self.targets.disabled, self.shown.visible = True, False
        self._front(None)

    def _show(self, deployed: Deployed) -> None:
        found, array = deployed.deployment, self._chosen_array(deployed)
        aspect = self.state.deployment_aspect
        self._reflect(found.arrays.sizes[v.ARRAY], array)
        self.summary.object = summary(deployed)
        self.targets.disabled, self.shown.visible = False, True
        self._front(aspect)
        if aspect == "arrays":
            self.arrays.show(found, array)
        elif aspect == "cost":
            self.cost.show(found.cost)
            self.cost_words.object = cost_words(found)
        else:
            self.accuracy.show(found.accuracy)
            self.accuracy_words.object = accuracy_words(found)

    def _reflect(self, n_arrays: int, array: int) -> None:
        """Have the choices say what is shown, without that counting as a choice."""
        assert self.deployed is not None
        found = self.deployed.deployment
        names = found.layers[v.LAYER].values
        listed = {f"Array {k} · layer {names[layer_of(found, k)]}": k for k in range(n_arrays)}
        self._reflecting = True
        try:
            self.aspect.value = self.state.deployment_aspect
            if self.array.options != listed:
                self.array.options = listed
            self.array.value = array
        finally:
            self._reflecting = False
        self.array.visible = self.state.deployment_aspect == "arrays"

    def _front(self, aspect: str | None) -> None:
        for name, part in self.aspects.items():
            if part.visible != (name == aspect):
                part.visible = name == aspect
        self.nothing.visible = aspect is None

    def _save_targets(self) -> None:
        if self.deployed is None:
            return
        deployed = self.deployed
        self.run.say("Preparing the files…")
        make = partial(deployment_archive, deployed.deployment, what=deployed.network)
        self._archive.ask(make, at_once=False)

    def _saved(self, file: ExportFile) -> None:
        self.export.send(file)
        self.run.say(f"Saved {file.name}")

    def _refuse(self, error: BaseException) -> None:
        self.run.say(f"No files: {error}", "error")

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        for part in (self.arrays, self.cost, self.accuracy):
            part.paint(self.state.theme)
        if self.layout is not None:
            palette = theme.PALETTES[self.state.theme]
            self.layout.styles = {"position": "relative", "color": palette.text}
