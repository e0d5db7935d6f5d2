"""Training of a network, from images to record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray as xr
from filelock import FileLock, Timeout
from torch import Tensor, nn

from analog_model.chip import Chip
from analog_model.dataset.io import PathLike
from analog_model.errors import ConfigurationError
from analog_model.nn.images.download import Progress
from analog_model.nn.images.loading import load_images
from analog_model.nn.training.checkpoint import load_checkpoint, load_weights
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.fit import fit
from analog_model.nn.training.journal import START, Event, Journal, Listener
from analog_model.nn.training.outcome import finish
from analog_model.nn.training.process_rank import is_first_process
from analog_model.nn.training.record import STEP_DIM, open_record
from analog_model.nn.training.run import Run, create_run, open_run
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.run_facts import checked_facts, run_facts
from analog_model.nn.training.thread_count import thread_count


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run: its network after `step` steps, its record once it is finished."""

    directory: Path
    network: nn.Module
    step: int
    record: xr.Dataset | None = None


def train(
    configuration: TrainingConfiguration,
    *,
    run_directory: PathLike,
    start: PathLike | Mapping[str, Tensor] | None = None,
    chip: Chip | None = None,
    data_dir: PathLike | None = None,
    download: bool = True,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train a network in a new directory, which then holds all that the run is.

    `start`: the digital network's weights, or the directory of a run of mode "float" or
    "noise". A mode on a chip needs both `start` and `chip`. `listener` is told every event
    that `metrics.jsonl` gets, `progress` the stage with the fraction done.

    Ctrl-C or SIGTERM stops the run after a step, with a checkpoint from which `resume` goes
    on to the very weights that it would have had. With several processes, torch's
    distributed launcher runs the calling script in each.

    Raises ConfigurationError, DataError for what cannot be done as asked.
    """
    directory = RunDirectory(run_directory)
    if is_first_process():
        create_run(directory, configuration, start, chip)
    return resume(
        run_directory, data_dir=data_dir, download=download, listener=listener, progress=progress
    )


def resume(
    run_directory: PathLike,
    *,
    data_dir: PathLike | None = None,
    download: bool = True,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Go on with a run from its last checkpoint, as if it had never stopped.

    Of a finished run nothing is left to do. Raises ConfigurationError if another process is
    at work on it, DataError if directory or images are not those of the run.
    """
    directory = RunDirectory(run_directory)
    configuration = directory.read_configuration()
    tell = progress or _silent
    tell("loading images", 0.0)
    images = load_images(
        configuration.images, data_dir=data_dir, download=download, progress=progress
    )
    with _held(directory), thread_count(configuration.threads), torch.random.fork_rng(devices=[]):
        tell("preparing", 0.0)
        run = open_run(directory, configuration, images)
        if not directory.record.exists():
            return _run(run, listener=listener or _deaf, tell=tell)
        network, record = run.trainee.network, open_record(directory.record)
        network.load_state_dict(load_weights(directory.weights))
        return TrainingResult(directory.path, network, int(record[STEP_DIM][-1]), record)


def _run(run: Run, *, listener: Listener, tell: Progress) -> TrainingResult:
    directory, network = run.directory, run.trainee.network
    facts = run_facts(directory, run.configuration, run.images)
    checkpoint = load_checkpoint(directory.checkpoint) if directory.checkpoint.exists() else None
    journal = None
    if is_first_process():
        journal = Journal(directory.journal, step=0 if checkpoint is None else checkpoint.step)
        if not checked_facts(journal.events, facts):
            journal.add({"event": START, "step": 0, **facts})
    try:
        done = fit(run, checkpoint, journal=journal, listener=_told(listener, tell, run))
    finally:
        if journal is not None:
            journal.close()
    if not done.finished or journal is None:
        return TrainingResult(directory.path, network, done.step)
    tell("evaluating", 1.0)
    record = finish(run, journal.events, facts)
    return TrainingResult(directory.path, network, done.step, record)


def _told(listener: Listener, tell: Progress, run: Run) -> Listener:
    """A listener that tells the progress too."""
    configuration, images = run.configuration, run.images
    per_class = configuration.validation_per_class * len(images.class_names)
    n_filled = (len(images.train_labels) - per_class) // configuration.batch_size
    n_batches = configuration.epoch_batches or n_filled
    n_steps = configuration.epochs * n_batches
    judged = ""

    def hear(event: Event) -> None:
        nonlocal judged
        listener(event)
        if event["event"] == "epoch":
            judged = f", {event['evaluated_on']} accuracy {event['accuracy']:.2%}"
        stage = f"epoch {event['epoch'] + 1} of {configuration.epochs}"
        tell(f"{stage}, loss {event['loss']:.3f}{judged}", event["step"] / n_steps)

    return hear


@contextmanager
def _held(directory: RunDirectory) -> Iterator[None]:
    """Keep other processes from this run, those that share its work aside."""
    if not is_first_process():
        yield
        return
    lock = FileLock(directory.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigurationError(
            f"run directory {directory.path}",
            expected="a run that nobody is at work on",
            got="one that another process holds",
            advice="Wait until it is finished, or stop it.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _deaf(_event: Event) -> None:
    pass


def _silent(_stage: str, _fraction: float) -> None:
    pass
