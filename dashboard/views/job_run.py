"""Run of a job from a page: its button, its progress, its end.

The session looks at its job some twelve times a second while there is one, and drops it
when the page is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import panel as pn

from analog_model.errors import AnalogModelError
from dashboard.jobs import Job, job_queue
from dashboard.stage import Stage
from dashboard.views.export import PRIMARY
from dashboard.views.html import Html

LOOK_MS = 80
_PAINT_MS = 150
_STYLE = """
:host { font-size: 13px; color: var(--text, inherit); font-variant-numeric: tabular-nums; }
.run { min-height: 28px; align-content: center; display: grid; gap: 3px; min-width: 0; }
.run span { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.run.error span { white-space: normal; }
.muted { color: var(--muted, #5a6577); }
.error { color: var(--error, #b3261e); }
progress { width: 100%; height: 6px; accent-color: var(--accent, #0b62a8); }
"""


class JobRun:
    """Controls of one job at a time; `label` is what its button says.

    `heard` is told whatever the job sends but stages; `ended` is called at its end, for a
    cancelled one without waiting for its process.
    """

    def __init__(
        self, label: str, *, heard: Callable[[Any], None], ended: Callable[[], None]
    ) -> None:
        self._label = label
        self._heard = heard
        self._ended = ended
        self._job: Job | None = None
        self._looks: Any = None
        self._watched: set[int] = set()
        self._stage = Stage("starting", 0.0)
        self._begun = 0.0
        self._shown = ""
        self.start_button = pn.widgets.Button(
            label=label, width=104, margin=0, stylesheets=[PRIMARY]
        )
        self.cancel_button = pn.widgets.Button(label="Cancel", width=104, margin=0, visible=False)
        self.status = Html(
            "", min_height=30, sizing_mode="stretch_width", margin=(0, 12), stylesheets=[_STYLE]
        )
        self.cancel_button.on_click(lambda _event: self.cancel())

    @property
    def busy(self) -> bool:
        """Whether a job waits or runs."""
        return self._job is not None

    def start(self, function: Callable[..., None], arguments: Mapping[str, Any]) -> bool:
        """Ask for `function(send, **arguments)`; False where the server takes no more."""
        if self._job is not None:
            return False
        try:
            self._job = job_queue().submit(function, arguments)
        except AnalogModelError as error:
            self.say(str(error), "error")
            return False
        self._stage, self._begun = Stage("starting", 0.0), time.monotonic()
        self._let_go_with_session()
        self.start_button.visible, self.cancel_button.visible = False, True
        self.cancel_button.disabled = False
        self._looks = pn.state.add_periodic_callback(self.look, period=LOOK_MS)
        self.look()
        return True

    def cancel(self) -> None:
        """End the job, if there is one; its process goes in the background."""
        if self._job is not None:
            self._job.cancel()
            self.cancel_button.disabled = True
            self.say("Cancelled.")
            # The page is rearranged only once this is painted.
            self._looks.period = _PAINT_MS

    def look(self) -> None:
        """Take what the job has sent since the last look."""
        job = self._job
        if job is None:
            return
        # Read before the messages: what the job sent last must not be missed.
        over = job.ended.is_set() or job.is_cancelled
        for message in job.messages():
            if isinstance(message, Stage):
                self._stage = message
            elif not job.is_cancelled:
                self._heard(message)
        if over:
            self._end(job)
        else:
            self._show_progress(job)

    def say(self, text: str, kind: str = "muted") -> None:
        """A line beside the button."""
        self._put(f'<div class="run {kind}" role="status"><span>{escape(text)}</span></div>')

    def _end(self, job: Job) -> None:
        self._job = None
        if self._looks is not None:
            self._looks.stop()
            self._looks = None
        self.start_button.visible, self.cancel_button.visible = True, False
        seconds = time.monotonic() - self._begun
        if job.is_cancelled:
            self.say("Cancelled.")
        elif job.status == "done":
            self.say(f"Done in {seconds:.0f} s.")
        else:
            self.say(job.error, "error")
        self._ended()

    def _show_progress(self, job: Job) -> None:
        seconds = int(time.monotonic() - self._begun)
        if job.status == "queued" and (ahead := job_queue().ahead_of(job)):
            others = "one run" if ahead == 1 else f"{ahead} runs"
            text, bar = f"Waiting for {others} of other pages", "<progress></progress>"
        else:
            percent = int(100 * self._stage.fraction)
            text = self._stage.text[:1].upper() + self._stage.text[1:]
            label = escape(self._label)
            bar = f'<progress max="100" value="{percent}" aria-label="{label}"></progress>'
            text = f"{text} · {percent} %"
        self._put(
            f'<div class="run"><span role="status">{escape(text)}'
            f'<span class="muted"> · {seconds} s</span></span>{bar}</div>'
        )

    def _put(self, html: str) -> None:
        if html != self._shown:
            self._shown = html
            self.status.object = html

    def _let_go_with_session(self) -> None:
        document = pn.state.curdoc
        if document is None or document.session_context is None or id(document) in self._watched:
            return
        self._watched.add(id(document))
        document.on_session_destroyed(self._left)

    def _left(self, _context: Any) -> None:
        """The page was closed: nobody is there to see the result."""
        if self._job is not None:
            self._job.cancel()
