"""Curves of a run, read along its journal while it is being written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analog_model.errors import DataError
from analog_model.nn.models import N_CLASSES
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.journal import EPOCH, STEP

# Images of the training part, as the sets are published.
TRAIN_IMAGES = {"mnist_5k": 4000, "mnist": 60_000, "cifar10": 50_000}
# Points of a loss curve: batches are averaged over blocks so that there are about as many:
# enough to see the curve of a run of seconds grow 20 times in each.
_POINTS_PER_RUN = 1000
# Read at most so much in one look, so that a long journal does not hold up the page [bytes].
_CHUNK = 1 << 21


@dataclass
class Curves:
    """Points by axis: loss of blocks of batches, accuracy of epochs.

    `position` is in epochs; `evaluated_on` says which images judge.
    """

    loss_position: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    epoch: list[int] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    evaluated_on: str = "test"


class JournalTail:
    """Reader of one journal that goes on where it was.

    A run that is resumed writes its journal anew up to its checkpoint: then all is read again.
    """

    def __init__(self, path: Path, configuration: TrainingConfiguration) -> None:
        self.path = path
        self._n_batches = n_batches(configuration)
        # Batches in a block.
        self._size = max(1, configuration.epochs * self._n_batches // _POINTS_PER_RUN)
        self._forget()

    def _forget(self) -> None:
        self.curves = Curves()
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._block: list[float] = []

    def look(self) -> bool:
        """Read what came; True if a curve has changed."""
        try:
            facts = self.path.stat()
        except FileNotFoundError:
            had = self._identity is not None
            self._forget()
            return had
        identity = (facts.st_dev, facts.st_ino)
        again = identity != self._identity or facts.st_size < self._offset
        if again:
            self._forget()
            self._identity = identity
        if facts.st_size == self._offset:
            return again
        with self.path.open("rb") as file:
            file.seek(self._offset)
            content = file.read(_CHUNK)
        # A line without its end is still being written.
        whole = content.rfind(b"\n") + 1
        self._offset += whole
        for line in content[:whole].splitlines():
            self._take(line)
        return True

    def _take(self, line: bytes) -> None:
        try:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == STEP:
                self._step(int(event["step"]), float(event["loss"]))
            elif event["event"] == EPOCH:
                self._end_of_epoch(event)
        except (ValueError, LookupError, TypeError) as error:
            raise DataError(
                f"journal {self.path.name} of {self.path.parent.name}",
                expected="events of a training run",
                got=f"{line[:60]!r} ({type(error).__name__})",
            ) from None

    def _step(self, step: int, loss: float) -> None:
        self._block.append(loss)
        if step % self._size == 0:
            middle = step - 0.5 * (len(self._block) - 1)
            self.curves.loss_position.append(middle / self._n_batches)
            self.curves.loss.append(sum(self._block) / len(self._block))
            self._block = []

    def _end_of_epoch(self, event: dict[str, Any]) -> None:
        curves = self.curves
        curves.epoch.append(int(event["epoch"]) + 1)
        curves.accuracy.append(float(event["accuracy"]))
        curves.train_accuracy.append(float(event["train_accuracy"]))
        curves.evaluated_on = str(event["evaluated_on"])


def n_batches(configuration: TrainingConfiguration) -> int:
    """Batches of an epoch."""
    if configuration.epoch_batches is not None:
        return configuration.epoch_batches
    held_out = configuration.validation_per_class * N_CLASSES
    return (TRAIN_IMAGES[configuration.images] - held_out) // configuration.batch_size
