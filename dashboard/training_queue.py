"""Queue of trainings: held by the server, so that they outlive the pages that asked for them."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from dashboard.jobs import Job, JobQueue
from dashboard.training_plan import TrainingPlan
from dashboard.training_run import Judged, Stage, compare, go_on

Standing = Literal["queued", "running", "pausing", "paused", "cancelled", "done", "failed"]
ACTIVE = frozenset({"queued", "running", "pausing"})
# How long a step with its checkpoint may take before the process is killed [s].
PAUSE_GRACE, CANCEL_GRACE = 60.0, 2.0
_REMEMBERED = 64


class Training:
    """One comparison, or one run, in the background: how it stands.

    `key` names it, `runs` are the names of its runs; `judged` those that are through.
    """

    def __init__(self, key: str, runs: tuple[str, ...], job: Job) -> None:
        self.key = key
        self.runs = runs
        self.judged: set[str] = set()
        self._job = job
        self._stage: Stage | None = None
        self._begun: tuple[str, float, float] = ("", 0.0, 0.0)
        self._paused = False
        self._lock = threading.Lock()

    @property
    def standing(self) -> Standing:
        """How it stands; a pause lasts until the checkpoint is written."""
        if self._job.is_cancelled:
            if not self._paused:
                return "cancelled"
            waits = self._job.pid is not None and not self._job.gone.is_set()
            return "pausing" if waits else "paused"
        return self._job.status

    @property
    def error(self) -> str:
        """Why it failed, in words for a user."""
        if self.standing != "failed":
            return ""
        return f"{self._job.error} What was trained until the last checkpoint is kept."

    @property
    def is_active(self) -> bool:
        """Whether it waits, runs, or writes its checkpoint."""
        return self.standing in ACTIVE

    @property
    def pid(self) -> int | None:
        """Process that it runs in."""
        return self._job.pid

    @property
    def job(self) -> Job:
        """The job that carries it out."""
        return self._job

    def stage(self) -> Stage | None:
        """What is being done now; None before the first word of it."""
        with self._lock:
            for message in self._job.messages():
                if isinstance(message, Judged):
                    self.judged.add(message.run)
                elif isinstance(message, Stage):
                    self._note(message)
            return self._stage

    def time_left(self) -> float | None:
        """Time that the run in hand will take still [s]; None while nobody can tell."""
        stage = self.stage()
        if stage is None or stage.run != self._begun[0]:
            return None
        _, since, fraction = self._begun
        done = stage.fraction - fraction
        if done < 0.02:
            return None
        return (1.0 - stage.fraction) * (time.monotonic() - since) / done

    def pause(self) -> None:
        """Stop after the step in hand, with a checkpoint; returns at once."""
        self._paused = True
        self._job.cancel(grace=PAUSE_GRACE)

    def cancel(self) -> None:
        """Stop now; what the last checkpoint has is kept."""
        self._job.cancel(grace=CANCEL_GRACE)

    def _note(self, stage: Stage) -> None:
        if stage.run != self._begun[0] and stage.text.startswith("epoch"):
            self._begun = stage.run, time.monotonic(), stage.fraction
        self._stage = stage


class TrainingQueue:
    """Trainings one after the other, however many pages ask."""

    def __init__(self) -> None:
        self._jobs = JobQueue()
        self._trainings: OrderedDict[str, Training] = OrderedDict()
        self._lock = threading.Lock()

    def compare(self, plan: TrainingPlan, folder: Path) -> Training:
        """Carry out a plan; the training that is at it already, if one is."""
        names = tuple(run.name for run in plan.runs)
        return self._submit(key_of(plan), names, compare, {"folder": folder, "plan": plan})

    def go_on(self, name: str, folder: Path) -> Training:
        """Go on with one run of the store."""
        return self._submit(name, (name,), go_on, {"folder": folder, "name": name})

    def find(self, key: str) -> Training | None:
        """The last training of that key."""
        with self._lock:
            return self._trainings.get(key)

    def active(self) -> list[Training]:
        """Trainings that wait or run, in their order."""
        with self._lock:
            return [one for one in self._trainings.values() if one.is_active]

    def ahead_of(self, training: Training) -> int:
        """How many trainings come before this one."""
        return self._jobs.ahead_of(training.job)

    def close(self) -> None:
        """End every training, as when the server stops, and wait until that is done."""
        self._jobs.close()

    def _submit(
        self,
        key: str,
        runs: tuple[str, ...],
        function: Callable[..., None],
        arguments: Mapping[str, Any],
    ) -> Training:
        with self._lock:
            known = self._trainings.get(key)
            if known is not None and known.standing in {"queued", "running"}:
                return known
            job = self._jobs.submit(function, arguments, threads=_threads())
            training = Training(key, runs, job)
            self._trainings[key] = training
            self._trainings.move_to_end(key)
            ended = [one for one in self._trainings.values() if not one.is_active]
            for one in ended[: max(0, len(self._trainings) - _REMEMBERED)]:
                del self._trainings[one.key]
            return training


def key_of(plan: TrainingPlan) -> str:
    """Key of a plan's training: chip, judging, all its runs."""
    return " ".join((plan.key, *(run.name for run in plan.runs)))


def _threads() -> int:
    """All cores but one, which the pages keep."""
    return max(1, (os.cpu_count() or 1) - 1)


@lru_cache(maxsize=1)
def training_queue() -> TrainingQueue:
    """The queue of this process, shared by all sessions."""
    queue = TrainingQueue()
    atexit.register(queue.close)
    return queue
