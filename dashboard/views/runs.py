"""Page Runs: every training run of the server's folder, several of them compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import xarray as xr

from analog_model.errors import AnalogModelError
from analog_model.nn.training.run_summary import FINISHED, INTERRUPTED, RunSummary
from dashboard import theme
from dashboard.run_store import run_store
from dashboard.state import State
from dashboard.training_curves import JournalTail
from dashboard.training_queue import Training, training_queue
from dashboard.views.batch import in_one_message
from dashboard.views.export import Export
from dashboard.views.html import WITHIN, Html
from dashboard.views.retraining_comparison import CANCELLED
from dashboard.views.retraining_progress import TrainingProgress
from dashboard.views.runs_curves import RunCurves
from dashboard.views.runs_numbers import Group, dataset_of, groups_of
from dashboard.views.runs_words import (
    difference_table,
    heading,
    line_of,
    nothing_there,
    standing_of,
    table,
)
from dashboard.views.unseen_label import UNSEEN_LABEL
from dashboard.views.waiting import Latest

PAGE = "runs"
LOOK_MS = 500
_MOST_LISTED, _MOST_COMPARED = 200, 24
_MONO = "font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_LIST = f"""
:host {{ width: max-content; min-width: 100%; }}
label {{ display: flex; align-items: center; padding: 3px 8px; }}
label span {{ {_MONO}; white-space: pre; color: var(--text, inherit); }}
label:hover {{ background: var(--accent-soft, #e8f1fa); }}
"""

# Long lines scroll in their box; the page keeps its width.
_NARROWABLE = {"contain": "inline-size"}
# Headings scroll sideways with the lines they head, and stay above them.
_LISTING = {
    **_NARROWABLE,
    "overflow": "auto",
    "border": "1px solid var(--line, #d9dde3)",
    "border-radius": "6px",
}
_HEADING = {
    "position": "sticky",
    "top": "0",
    "z-index": "1",
    "width": "max-content",
    "min-width": "100%",
    "background": "var(--bg, #ffffff)",
}


class RunsView(pn.viewable.Viewer):
    """Lists runs, lays the chosen ones over each other, goes on with interrupted ones.

    `RunsView(state)` follows the state's `compared_runs`; `RunsView(State())` works in a
    notebook cell.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.layout: pn.Column | None = None
        self.runs: dict[str, RunSummary] | None = None
        self.groups: list[Group] = []
        self._tails: dict[str, JournalTail] = {}
        self._reflecting = self._asked = False
        self._looks: Any = None
        self._on_a_page = state.page == PAGE
        self._latest: Latest[Any] = Latest(done=self._take, failed=self._fail)
        self.progress = TrainingProgress(start=self.resume, pause=self.pause, cancel=self.cancel)
        self.export = Export(self, what="runs")
        self.filter = pn.widgets.TextInput(
            label="Filter",
            placeholder="Filter: network, way, chip, name",
            sizing_mode="stretch_width",
            margin=(0, 12, 0, 0),
            # As a style: the sum of all `width` would be the least width of the page.
            styles={"flex": "0 0 240px"},
            stylesheets=[UNSEEN_LABEL],
        )
        self.list = pn.widgets.CheckBoxGroup(label="Runs", margin=0, stylesheets=[_LIST])
        style = f"{_MONO}; white-space: pre; padding: 4px 8px 3px 26px"
        self.heading = Html(
            f'<div style="{style}; color: var(--muted, #5a6577)">{heading()}</div>',
            margin=0,
            styles=_HEADING,
        )
        self.listing = pn.Column(
            self.heading,
            self.list,
            height=214,
            sizing_mode="stretch_width",
            margin=(8, 0, 0, 0),
            styles=_LISTING,
        )
        self.curves = RunCurves()
        self.tables = Html("", sizing_mode="stretch_width", margin=0)
        self.empty = Html(
            "",
            sizing_mode="stretch_both",
            margin=0,
            visible=False,
            styles=_NARROWABLE,
            stylesheets=[WITHIN],
        )
        self.layout = self._layout()
        self._watch()
        self._paint()
        self._follow_page()
        self.look()

    def __panel__(self) -> pn.viewable.Viewable:
        """The layout, for Panel to display."""
        return self.layout

    def chip_name(self) -> str:
        """What the files are named by."""
        return "training"

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        names = [
            name
            for group in self.groups
            for name, run in zip(group.names, group.runs, strict=True)
            if run.status == FINISHED
        ]
        records = [record for name in names if (record := run_store().record(name)) is not None]
        if not records:
            return {}
        found = {"Final accuracy": lambda: _figures().final_accuracy(records)}
        if len({record.attrs["network"] for record in records}) == 1:
            found["Accuracy over epochs"] = lambda: _figures().accuracy_curves(records)
        return found

    def data(self) -> xr.Dataset | None:
        """Final figures of the runs compared; None while none is chosen."""
        return dataset_of(self.groups) if self.groups else None

    def table(self) -> xr.Dataset | None:
        """The same as one table."""
        return self.data()

    @property
    def chosen(self) -> list[str]:
        """Names in the state, whether there are such runs or not."""
        return [name for name in self.state.compared_runs.split(",") if name]

    @property
    def training(self) -> Training | None:
        """The training of one of the chosen runs, or the last one that this server had of it."""
        for one in training_queue().active():
            if set(one.runs) & set(self.chosen):
                return one
        return training_queue().find(self.chosen[0]) if len(self.chosen) == 1 else None

    def resume(self) -> None:
        """Go on with the chosen runs that were interrupted, one after the other."""
        for name in self._resumable():
            try:
                training_queue().go_on(name, run_store().folder)
            except AnalogModelError as error:
                self.progress.say(str(error), "error")
                return
        self.look()

    def pause(self) -> None:
        """Stop after the step in hand, with a checkpoint."""
        if self.training is not None:
            self.training.pause()
            self.progress.say_stopping("Pausing after this step")

    def cancel(self) -> None:
        """Stop at once; the last checkpoint stays."""
        if self.training is not None:
            self.training.cancel()
            self.progress.say_stopping(CANCELLED)

    def look(self) -> None:
        """List the runs anew, away from the session's loop."""
        if not self._asked:
            self._asked = True
            self._latest.ask(run_store().summaries, at_once=False)
        self._show_progress()

    def _fail(self, error: BaseException) -> None:
        self._asked = False
        self.progress.say(str(error), "error")

    @in_one_message
    def _take(self, found: tuple[dict[str, RunSummary], dict[str, str]]) -> None:
        """Show a listing that came."""
        self._asked = False
        self.runs, broken = found
        for name, reason in broken.items():
            if name in self.chosen:
                self.state.tell(reason, "error")
        self._drop_unknown()
        self._show_list()
        self._compare()
        self._show_progress()

    def _drop_unknown(self) -> None:
        """Leave out what a link names but the server has not; say so."""
        assert self.runs is not None
        unknown = [name for name in self.chosen if name not in self.runs]
        if unknown:
            self.state.tell(
                f"This server has no training run {unknown[0][:60]!r}; it is left out.", "error"
            )
        known = [name for name in self.chosen if name in self.runs][:_MOST_COMPARED]
        if known != self.chosen:
            self.state.compared_runs = ",".join(known)

    def _show_list(self) -> None:
        assert self.runs is not None
        words = self.filter.value_input.lower().split()
        waiting = {
            name
            for one in training_queue().active()
            if one.standing == "queued"
            for name in one.runs
        }
        lines = {
            line_of(name, run, standing_of(run, waiting=name in waiting)): name
            for name, run in list(self.runs.items())[:_MOST_LISTED]
        }
        listed = {
            line: name
            for line, name in lines.items()
            if name in self.chosen or all(word in line.lower() for word in words)
        }
        self._reflecting = True
        try:
            if self.list.options != listed:
                self.list.param.update(options=listed, value=self._ticked(listed))
            elif self.list.value != self._ticked(listed):
                self.list.value = self._ticked(listed)
        finally:
            self._reflecting = False
        there = bool(self.runs)
        self.empty.object = "" if there else nothing_there(run_store().folder.name)
        self.empty.visible = not there
        for part in (self.listing, self.filter, self.body):
            part.visible = there

    def _ticked(self, listed: dict[str, str]) -> list[str]:
        return [name for name in listed.values() if name in self.chosen]

    def _compare(self) -> None:
        """Overlay and tables of the chosen runs."""
        assert self.runs is not None
        chosen = {name: self.runs[name] for name in self.chosen if name in self.runs}
        groups = groups_of(chosen)
        self._tails = {
            name: self._tails.get(name)
            or JournalTail(run.directory / "metrics.jsonl", run.configuration)
            for name, run in chosen.items()
        }
        try:
            grown = [tail.look() for tail in self._tails.values()]
        except AnalogModelError as error:
            self.state.tell(str(error), "error")
            return
        if groups != self.groups or any(grown) or not self.tables.object:
            self.groups = groups
            curves = {name: tail.curves for name, tail in self._tails.items()}
            self.curves.show(groups, curves)
            hint = "Tick runs to lay them over each other; those that differ in their seed alone "
            hint += "share a colour and a row."
            self.tables.object = (
                table(groups) + difference_table(groups)
                if groups
                else f'<p style="color: var(--muted, #5a6577)">{hint}</p>'
            )

    def _resumable(self) -> list[str]:
        runs = self.runs or {}
        return [n for n in self.chosen if n in runs and runs[n].status == INTERRUPTED]

    def _show_progress(self) -> None:
        training, resumable = self.training, self._resumable()
        active = training is not None and training.is_active
        self.progress.show_buttons(
            active=active,
            pausing=training is not None and training.standing == "pausing",
            label="Resume",
            possible=bool(resumable),
            offered=bool(self.runs),
        )
        if training is not None and active:
            self.progress.show_training(training, {name: name for name in training.runs})
        elif training is not None and training.standing == "failed":
            self.progress.say(training.error, "error")
        elif resumable:
            self.progress.say(f"{resumable[0]} was interrupted; Resume goes on where it was.")
        elif any(run.status == INTERRUPTED for run in (self.runs or {}).values()):
            self.progress.say("Tick an interrupted run to resume it.")
        else:
            self.progress.say("")

    def _layout(self) -> pn.Column:
        top = pn.Row(
            self.filter,
            *self.progress.parts,
            self.export.button,
            sizing_mode="stretch_width",
            margin=0,
            styles={**_NARROWABLE, "flex-wrap": "wrap"},
        )
        self.tables.styles = {"flex": "2 1 330px", "min-width": "0"}
        self.curves.layout.styles = {
            **self.curves.layout.styles,
            "flex": "3 1 480px",
            "min-width": "0",
        }
        self.body = pn.Row(
            self.curves.layout,
            self.tables,
            sizing_mode="stretch_both",
            margin=(12, 0, 0, 0),
            styles={"flex-wrap": "wrap", "gap": "16px"},
        )
        return pn.Column(
            top,
            self.export.panel,
            self.listing,
            self.body,
            self.empty,
            sizing_mode="stretch_both",
            min_height=560,
            styles={"position": "relative"},
            margin=0,
        )

    def _watch(self) -> None:
        self.list.param.watch(self._choose, "value")
        self.filter.param.watch(self._redraw, "value_input")
        self.state.param.watch(self._redraw, "compared_runs")
        self.state.param.watch(self._follow_page, "page")
        self.state.param.watch(self._paint, "theme")

    def _choose(self, event: Any) -> None:
        if self._reflecting:
            return
        hidden = [name for name in self.chosen if name not in self.list.options.values()]
        self.state.compared_runs = ",".join([*hidden, *event.new][:_MOST_COMPARED])

    @in_one_message
    def _redraw(self, *_events: Any) -> None:
        if self.runs is not None:
            self._drop_unknown()
            self._show_list()
            self._compare()
            self._show_progress()

    def _follow_page(self, *_events: Any) -> None:
        """Read along while the page is in front only."""
        in_front = not self._on_a_page or self.state.page == PAGE
        if in_front and self._looks is None:
            self._looks = pn.state.add_periodic_callback(self.look, period=LOOK_MS)
        elif not in_front and self._looks is not None:
            self._looks.stop()
            self._looks = None

    @in_one_message
    def _paint(self, *_events: Any) -> None:
        self.curves.paint(self.state.theme)
        assert self.layout is not None
        text = theme.PALETTES[self.state.theme].text
        self.layout.styles = {"position": "relative", "color": text}


def _figures() -> Any:
    # HoloViews costs a second to import; only an export needs it.
    from analog_model.figures import training

    return training
