"""One comparison, carried out run by run: the job behind the retraining page.

Whatever is finished already is left as it is, so that a comparison that was stopped goes on
where it was. Curves go through the journal of each run, not through `send`.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from analog_model.nn.images.download import Progress as Tell
from analog_model.nn.training.chip_evaluation import evaluate_run
from analog_model.nn.training.chip_family import ChipFamily
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.train import resume, train
from analog_model.nn.training.trained import TrainedRun
from dashboard.jobs import Send
from dashboard.run_store import RunStore
from dashboard.training_plan import TOLERANCE, PlannedRun, TrainingPlan

_TELL_EVERY = 0.1


@dataclass(frozen=True)
class Stage:
    """What is being done with which run, how much of it is behind."""

    run: str
    text: str
    fraction: float


@dataclass(frozen=True)
class Judged:
    """A run is finished, and what it is worth on the chip is kept in the store."""

    run: str


def compare(send: Send, *, folder: Path, plan: TrainingPlan) -> None:
    """Train and judge every run of a plan; sends `Stage`, `Judged`."""
    store = RunStore(folder)
    for planned in plan.runs:
        if not _trained(send, store, plan, planned):
            return
        _judge(send, store, plan, planned)


def judge(send: Send, *, folder: Path, plan: TrainingPlan) -> None:
    """Judge what is finished of a plan on its chip; sends `Stage`, `Judged`."""
    store = RunStore(folder)
    for planned in plan.runs:
        if is_finished(store, planned.name):
            _judge(send, store, plan, planned)


def is_finished(store: RunStore, name: str) -> bool:
    """Whether a run of a plan has its record."""
    return RunDirectory(store.folder / name).record.exists()


def _judge(send: Send, store: RunStore, plan: TrainingPlan, run: PlannedRun) -> None:
    """Judge one finished run, unless that was done before."""
    name = plan.judgement(run)
    if store.judgement(name) is None:
        path = store.path(run.name)
        found = evaluate_run(
            path,
            family=ChipFamily(plan.chip, plan.effects, plan.variation, plan.seed),
            settings=TrainedRun(path).settings(
                array_shape=plan.array_shape, window=plan.window, tolerance=TOLERANCE
            ),
            download=False,
            progress=_telling(send, run.name, prefix="judging, "),
        )
        store.keep_judgement(name, found)
    _try(send, Judged(run.name))


def go_on(send: Send, *, folder: Path, name: str) -> None:
    """Go on with one run of the store, as `analog-model train --resume` does."""
    resume(RunStore(folder).path(name), download=False, progress=_telling(send, name))


def _trained(send: Send, store: RunStore, plan: TrainingPlan, planned: PlannedRun) -> bool:
    """Have a run finished; False where somebody asked to stop."""
    if is_finished(store, planned.name):
        return True
    path, tell = store.own_path(planned.name), _telling(send, planned.name)
    if RunDirectory(path).start.exists():
        return resume(path, download=False, progress=tell).record is not None
    if path.exists():
        # Killed while it was being made, before its first step.
        shutil.rmtree(path)
    result = train(
        planned.configuration,
        run_directory=path,
        start=None if planned.start is None else store.path(planned.start),
        chip=plan.chip if planned.configuration.on_chip else None,
        download=False,
        progress=tell,
    )
    return result.record is not None


def _telling(send: Send, run: str, *, prefix: str = "") -> Tell:
    """A progress function that sends some ten stages a second, however many there are."""
    last, text_before = 0.0, ""

    def tell(text: str, fraction: float) -> None:
        nonlocal last, text_before
        now = time.monotonic()
        head = text.split(",", maxsplit=1)[0]
        if head == text_before and now - last < _TELL_EVERY:
            return
        last, text_before = now, head
        _try(send, Stage(run, prefix + text, fraction))

    return tell


def _try(send: Send, message: Stage | Judged) -> None:
    """Send; when the job was told to stop nobody listens, yet it has a checkpoint to write."""
    with contextlib.suppress(OSError):
        send(message)
