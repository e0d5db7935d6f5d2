"""Progress of a training: its buttons, how far it is, how it ended."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import panel as pn

from dashboard.training_queue import Training, training_queue
from dashboard.views.export import PRIMARY
from dashboard.views.html import Html

_STYLE = """
:host { font-size: 13px; color: var(--text, inherit); font-variant-numeric: tabular-nums; }
.run { min-height: 28px; align-content: center; display: grid; gap: 3px; min-width: 0; }
.run span { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.run.error span { white-space: normal; }
.muted { color: var(--muted, #5a6577); }
.error { color: var(--error, #b3261e); }
progress { width: 100%; height: 6px; accent-color: var(--accent, #0b62a8); }
"""


class TrainingProgress:
    """Train or resume, pause, cancel; a line that says how it stands."""

    def __init__(
        self,
        *,
        start: Callable[[], None],
        pause: Callable[[], None],
        cancel: Callable[[], None],
    ) -> None:
        self.start_button = pn.widgets.Button(
            label="Train", width=104, margin=0, stylesheets=[PRIMARY]
        )
        self.pause_button = pn.widgets.Button(
            label="Pause", width=80, margin=(0, 8, 0, 0), visible=False
        )
        self.cancel_button = pn.widgets.Button(label="Cancel", width=80, margin=0, visible=False)
        self.status = Html(
            "", min_height=30, sizing_mode="stretch_width", margin=(0, 12), stylesheets=[_STYLE]
        )
        self._shown = ""
        self.start_button.on_click(lambda _event: start())
        self.pause_button.on_click(lambda _event: pause())
        self.cancel_button.on_click(lambda _event: cancel())
        self.parts = (self.start_button, self.pause_button, self.cancel_button, self.status)

    def show_buttons(
        self, *, active: bool, pausing: bool, label: str, possible: bool, offered: bool = True
    ) -> None:
        """Which buttons there are; `label` names what the first would do, were it `offered`."""
        for button, visible in (
            (self.start_button, offered and not active),
            (self.pause_button, active),
            (self.cancel_button, active),
        ):
            if button.visible != visible:
                button.visible = visible
        for button, disabled in (
            (self.start_button, not possible),
            (self.pause_button, pausing),
            (self.cancel_button, pausing),
        ):
            if button.disabled != disabled:
                button.disabled = disabled
        if self.start_button.label != label:
            self.start_button.label = label

    def show_training(self, training: Training, labels: dict[str, str]) -> None:
        """How far a training is; `labels` of its runs."""
        ahead = training_queue().ahead_of(training)
        if training.standing == "queued" and ahead:
            what = "one training" if ahead == 1 else f"{ahead} trainings"
            self._bar(f"Waiting for {what} asked for before", None)
            return
        if training.standing == "pausing":
            self._bar("Pausing after this step", None)
            return
        stage = training.stage()
        if stage is None:
            self._bar("Starting", None)
            return
        number = training.runs.index(stage.run) + 1 if stage.run in training.runs else 1
        text = f"{labels.get(stage.run, stage.run)}: {stage.text}"
        if len(training.runs) > 1:
            text += f" · run {number} of {len(training.runs)}"
        left = training.time_left()
        if left is not None:
            text += f" · {duration(left)} left"
        self._bar(text, stage.fraction)

    def say(self, text: str, kind: str = "muted") -> None:
        """A line beside the buttons."""
        self._put(f'<div class="run {kind}" role="status"><span>{escape(text)}</span></div>')

    def say_stopping(self, text: str) -> None:
        """Say at once that a click was heard; the page is rearranged once this is painted."""
        self.pause_button.disabled = self.cancel_button.disabled = True
        self.say(text)

    def _bar(self, text: str, fraction: float | None) -> None:
        value = "" if fraction is None else f' max="100" value="{100 * fraction:.1f}"'
        self._put(
            f'<div class="run"><span role="status">{escape(text)}</span>'
            f'<progress{value} aria-label="Training"></progress></div>'
        )

    def _put(self, html: str) -> None:
        if html != self._shown:
            self._shown = html
            self.status.object = html


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
