"""Comparison in view: one plan, with how far the server is with it."""

from __future__ import annotations

from typing import Any

from analog_model.nn.training.configuration import FLOAT
from dashboard.jobs import Job, job_queue
from dashboard.run_store import RunStore
from dashboard.training_curves import Curves, JournalTail
from dashboard.training_plan import TrainingPlan
from dashboard.training_queue import Training, key_of, training_queue
from dashboard.training_run import is_finished, judge
from dashboard.views.retraining_numbers import (
    TREATMENT_LABELS,
    Treatment,
    treatments_of,
    unjudged,
)

CANCELLED = "Cancelled; what the last checkpoint has is kept."
_ENDS = {
    "done": "Done.",
    "paused": "Paused; Resume goes on from the checkpoint.",
    "cancelled": CANCELLED,
}


class Comparison:
    """Reads along what training and judging of a plan write; asks for both.

    Everything it knows comes from the store and the server's queue, so that a page opened
    later knows as much.
    """

    def __init__(self, plan: TrainingPlan, store: RunStore) -> None:
        self.plan = plan
        self.store = store
        self.treatments: dict[str, Treatment] = {}
        self.finished: tuple[bool, ...] = (False,) * len(plan.runs)
        self._tails = {
            run.mode: JournalTail(store.folder / run.name / "metrics.jsonl", run.configuration)
            for run in plan.runs
        }
        self._judging: Job | None = None
        self._known: tuple[Any, ...] | None = None

    @property
    def training(self) -> Training | None:
        """The last training of the plan that this server had."""
        return training_queue().find(key_of(self.plan))

    @property
    def is_active(self) -> bool:
        """Whether it is trained or judged now, or about to be."""
        training, judging = self.training, self._judging
        return (training is not None and training.is_active) or (
            judging is not None and not judging.ended.is_set()
        )

    @property
    def is_begun(self) -> bool:
        """Whether any of its runs is there."""
        return any((self.store.folder / run.name).is_dir() for run in self.plan.runs)

    @property
    def is_interrupted(self) -> bool:
        """Whether one of its runs stopped on the way, or it did itself between two of them."""
        standings = zip(self.plan.runs, self.finished, strict=True)
        if any((self.store.folder / run.name).is_dir() and not done for run, done in standings):
            return True
        training = self.training
        stopped = training is not None and training.standing in {"paused", "cancelled"}
        return stopped and self.is_begun

    @property
    def labels(self) -> dict[str, str]:
        """Runs as the page names them."""
        return {
            run.name: "Float network" if run.mode == FLOAT else TREATMENT_LABELS[run.mode]
            for run in self.plan.runs
        }

    @property
    def curves(self) -> dict[str, Curves]:
        """Curves so far, by mode."""
        return {mode: tail.curves for mode, tail in self._tails.items()}

    @property
    def epochs(self) -> dict[str, int]:
        """Epochs of every run when it is done, by mode."""
        return {run.mode: run.configuration.epochs for run in self.plan.runs}

    def start(self) -> None:
        """Have it trained. Raises SimulationError where the server takes no more."""
        self.stop_judging()
        training_queue().compare(self.plan, self.store.folder)

    def look(self) -> tuple[bool, bool]:
        """Read along; whether results have changed, whether curves have."""
        training, judging = self.training, self._judging
        # Read before its messages: what it sent last must not be missed.
        standing = None if training is None else training.standing
        over = judging is not None and judging.ended.is_set()
        if training is not None:
            training.stage()
        self.finished = tuple(is_finished(self.store, run.name) for run in self.plan.runs)
        n_judged = 0 if training is None else len(training.judged)
        known = (id(training), standing, n_judged, over, self.finished)
        changed = known != self._known
        if changed:
            self._known = known
            self.treatments = treatments_of(self.plan, self.store, known=self.treatments)
            self._judge_what_is_not()
        # Every journal is read in every look.
        grown = [tail.look() for tail in self._tails.values()]
        return changed, any(grown)

    def _judge_what_is_not(self) -> None:
        """Have networks put on the chip that were trained before this chip was in view."""
        if self._judging is not None or self.is_active or not unjudged(self.plan, self.store):
            return
        arguments = {"folder": self.store.folder, "plan": self.plan}
        self._judging = job_queue().submit(judge, arguments)

    def stop_judging(self) -> None:
        """End the judging, if there is any: nobody looks at this plan any more."""
        if self._judging is not None:
            self._judging.cancel()
            self._judging = None

    def at_rest(self) -> tuple[str, str]:
        """What to say while it is not trained, with the kind of message that is."""
        judging, training = self._judging, self.training
        n_left = self.finished.count(False)
        text, kind = "", "muted"
        if judging is not None and not judging.ended.is_set():
            text = "Putting the networks on this chip…"
        elif judging is not None and judging.status == "failed":
            text, kind = judging.error, "error"
        elif training is not None and training.standing == "failed":
            text, kind = training.error, "error"
        elif training is not None:
            text = _ENDS.get(training.standing, "")
        elif others := training_queue().active():
            text = f"This server is training {others[0].runs[-1]} now; yours would follow."
        elif self.is_begun and n_left:
            text = f"{n_left} of {len(self.finished)} runs to do."
        return text, kind
