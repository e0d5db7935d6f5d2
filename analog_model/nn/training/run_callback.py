"""Callback of a run: journal, checkpoints, stop on request."""

from __future__ import annotations

import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from analog_model.nn.training.checkpoint import checkpoint_of, save_arrays, save_checkpoint
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.image_stream import Batch
from analog_model.nn.training.journal import EPOCH, STEP, Event, Journal, Listener
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.stop_request import StopRequest
from analog_model.nn.training.task import Task


class Stopped(Exception):  # noqa: N818 (no error: somebody asked for it)
    """The run was asked to stop, and left a checkpoint."""


class RunCallback(Callback):
    """What happens beside the training itself; files are written by the first process.

    `stop` is looked at after every step. `listener` hears each event after the journal has it.
    """

    def __init__(
        self,
        *,
        directory: RunDirectory,
        configuration: TrainingConfiguration,
        n_batches: int,
        evaluated_on: str,
        best: tuple[float, int] | None,
        journal: Journal | None,
        listener: Listener,
        stop: StopRequest,
    ) -> None:
        self._directory, self._configuration = directory, configuration
        self._n_batches, self._evaluated_on = n_batches, evaluated_on
        self.best = best
        self._journal, self._listener, self._stop = journal, listener, stop
        self.step = 0
        self._is_asked = False
        self._epoch_steps: list[Event] = []
        self._clock = self._cpu_clock = self._saved = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the clocks; take up what the journal has of the unfinished epoch."""
        self._stop.install()
        self._lap()
        self._saved = time.monotonic()
        if self._journal is not None:
            for event in self._journal.events:
                if event["event"] == STEP:
                    self._epoch_steps.append(event)
                elif event["event"] == EPOCH:
                    self._epoch_steps.clear()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Tell of the step; save or stop, unless the epoch ends here and does so itself."""
        self.step = int(batch.step) + 1
        wall_time, cpu_time = self._lap()
        loss, accuracy, asked = self._agreed(trainer, outputs, len(batch.labels))
        event = {
            "event": STEP,
            "step": self.step,
            "epoch": int(batch.step) // self._n_batches,
            "loss": loss,
            "accuracy": accuracy,
            "learning_rate": outputs["learning_rate"],
            "wall_time": wall_time,
            "cpu_time": cpu_time,
        }
        self._epoch_steps.append(event)
        self._tell(event)
        self._is_asked = asked
        if self.step % self._n_batches == 0:
            return
        if asked:
            self._save(trainer, pl_module)
            raise Stopped
        if time.monotonic() - self._saved > self._configuration.checkpoint_interval:
            self._save(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of the epoch, save; stop if asked, or if there was no progress for long."""
        assert isinstance(pl_module, Task)
        epoch = self.step // self._n_batches - 1
        loss, accuracy = pl_module.evaluated()
        steps = self._epoch_steps
        wall_time, cpu_time = self._lap()
        event = {
            "event": EPOCH,
            "step": self.step,
            "epoch": epoch,
            "train_loss": sum(one["loss"] for one in steps) / len(steps),
            "train_accuracy": sum(one["accuracy"] for one in steps) / len(steps),
            "evaluated_on": self._evaluated_on,
            "loss": loss,
            "accuracy": accuracy,
            "wall_time": wall_time + sum(one["wall_time"] for one in steps),
            "cpu_time": cpu_time + sum(one["cpu_time"] for one in steps),
        }
        self._epoch_steps = []
        if self._configuration.patience and (self.best is None or accuracy > self.best[0]):
            self.best = (accuracy, epoch)
            if trainer.is_global_zero:
                save_arrays(pl_module.trainee.network.state_dict(), self._directory.best)
        self._tell(event)
        self._save(trainer, pl_module)
        if self._without_progress(epoch):
            trainer.should_stop = True
        elif self._is_asked and epoch + 1 < self._configuration.epochs:
            raise Stopped

    def _lap(self) -> tuple[float, float]:
        """Time [s] since it was last asked for, and processor time."""
        before = self._clock, self._cpu_clock
        self._clock, self._cpu_clock = time.monotonic(), time.process_time()
        return self._clock - before[0], self._cpu_clock - before[1]

    def _without_progress(self, epoch: int) -> bool:
        patience = self._configuration.patience
        return patience is not None and self.best is not None and epoch - self.best[1] >= patience

    def _tell(self, event: Event) -> None:
        if self._journal is not None:
            self._journal.add(event)
            self._listener(event)

    def _agreed(self, trainer: Trainer, outputs: Any, n_images: int) -> tuple[float, float, bool]:
        """Loss, accuracy over the whole batch; whether any process was asked to stop."""
        asked = float(self._stop.asked)
        own = [outputs["loss"].item(), outputs["correct"].item() / n_images, asked]
        if trainer.world_size > 1:
            mine = torch.tensor(own, device=trainer.strategy.root_device)
            own = torch.as_tensor(trainer.strategy.reduce(mine, reduce_op="mean")).tolist()
        return own[0], own[1], own[2] > 0

    def _save(self, trainer: Trainer, task: LightningModule) -> None:
        assert isinstance(task, Task)
        self._saved = time.monotonic()
        if not trainer.is_global_zero:
            return
        schedule = task.lr_schedulers()
        assert isinstance(schedule, torch.optim.lr_scheduler.LRScheduler)
        optimizer = trainer.optimizers[0]
        state = task.trainee.network.state_dict()
        saved = checkpoint_of(self.step, state, optimizer, schedule, self.best)
        save_checkpoint(saved, self._directory.checkpoint)
