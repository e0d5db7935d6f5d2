"""Fit: the part of a run that Lightning does."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy

from analog_model.nn.models import find_network
from analog_model.nn.training.checkpoint import Checkpoint
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.data_module import ImageData
from analog_model.nn.training.journal import Journal, Listener
from analog_model.nn.training.run import Run
from analog_model.nn.training.run_callback import RunCallback, Stopped
from analog_model.nn.training.stop_request import StopRequest
from analog_model.nn.training.task import Task


@dataclass(frozen=True)
class Fitted:
    """How far it came."""

    step: int
    finished: bool


def fit(
    run: Run, checkpoint: Checkpoint | None, *, journal: Journal | None, listener: Listener
) -> Fitted:
    """Train until all epochs are done, or somebody asks to stop."""
    configuration = run.configuration
    step = 0 if checkpoint is None else checkpoint.step
    data = ImageData(
        run.images,
        network=find_network(configuration.network),
        configuration=configuration,
        first_step=step,
    )
    n_batches = data.stream.n_batches
    n_left = configuration.epochs - step // n_batches
    if checkpoint is not None:
        run.trainee.network.load_state_dict(checkpoint.network)
    if n_left == 0:
        return Fitted(step, finished=True)
    with StopRequest() as stop, _quiet():
        callback = RunCallback(
            directory=run.directory,
            configuration=configuration,
            n_batches=n_batches,
            evaluated_on=data.evaluated_on,
            best=None if checkpoint is None else checkpoint.best,
            journal=journal,
            listener=listener,
            stop=stop,
        )
        task = Task(
            run.trainee,
            configuration=configuration,
            n_steps=configuration.epochs * n_batches,
            checkpoint=checkpoint,
            teacher=run.teacher,
        )
        try:
            _trainer(configuration, callback, n_epochs=n_left).fit(task, data)
        except Stopped:
            return Fitted(callback.step, finished=False)
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
    return Fitted(callback.step, finished=True)


def _trainer(
    configuration: TrainingConfiguration, callback: RunCallback, *, n_epochs: int
) -> Trainer:
    """Lightning's loop alone: files, progress, evaluation are the callback's and the task's."""
    strategy: str | DDPStrategy = "auto"
    if configuration.processes > 1:
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        strategy = DDPStrategy(process_group_backend=backend, broadcast_buffers=False)
    return Trainer(
        accelerator="auto",
        devices=configuration.processes,
        strategy=strategy,
        precision=configuration.precision,
        max_epochs=n_epochs,
        callbacks=[callback],
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's remarks on hardware, workers, hyperparameters."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Of gradients whose memory another process lays out otherwise; it costs a copy.
            warnings.filterwarnings("ignore", message="Grad strides do not match")
            warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
