"""Stream of training batches, any of which can be made without those before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from analog_model.errors import ConfigurationError
from analog_model.nn.images.augmentation import augment
from analog_model.nn.images.inputs import network_input
from analog_model.nn.models import Network
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.randomness import generator_of


class Batch(NamedTuple):
    """Inputs (image, channel, row, column) with labels, of the training step `step`."""

    step: int
    images: Tensor
    labels: Tensor


class ImageStream:
    """Batches of shuffled, augmented images as one endless stream, epoch by epoch.

    The order of an epoch follows from (seed, epoch), the augmentation of a batch from (seed,
    step). Images that fill no whole batch are left out of that epoch, as are those beyond
    `epoch_batches`.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        network: Network,
        configuration: TrainingConfiguration,
    ) -> None:
        self._network, self._configuration = network, configuration
        self._images, self._labels = images, labels
        self.n_batches = _batches(len(labels), configuration)
        # Averaging over blocks of pixels once, where no augmentation comes before it.
        self._inputs: Tensor | None = None
        if not self._augmented and images.shape[-1] != network.image_size:
            self._inputs = self._scaled(images)

    @property
    def _augmented(self) -> bool:
        return self._configuration.padding > 0 or self._configuration.mirror

    def epoch(self, number: int, *, first: int = 0, rank: int = 0, world: int = 1) -> EpochBatches:
        """Batches of one epoch from the batch `first` on; of each, every world-th image."""
        return EpochBatches(self, number, first, rank, world)

    def order(self, epoch: int) -> Tensor:
        """Indices of the images in the order in which the epoch takes them."""
        generator = generator_of(self._configuration.seed, "order", epoch)
        return torch.randperm(len(self._labels), generator=generator)

    def batch(self, step: int, chosen: Tensor, *, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step from the images `chosen` for it."""
        if self._inputs is not None:
            inputs = self._inputs[chosen[rank::world]]
            return Batch(step, inputs, self._labels[chosen[rank::world]])
        images = self._images[chosen]
        if self._augmented:
            images = augment(
                images,
                padding=self._configuration.padding,
                mirror=self._configuration.mirror,
                generator=generator_of(self._configuration.seed, "augmentation", step),
            )
        return Batch(step, self._scaled(images[rank::world]), self._labels[chosen[rank::world]])

    def _scaled(self, images: Tensor) -> Tensor:
        return network_input(images, size=self._network.image_size, margin=self._network.margin)

    def batch_indices(self, epoch: int) -> Tensor:
        """Images of every batch of an epoch (batch, image)."""
        size = self._configuration.batch_size
        return self.order(epoch)[: self.n_batches * size].reshape(-1, size)


def _batches(n_images: int, configuration: TrainingConfiguration) -> int:
    """Batches of an epoch."""
    n_filled = n_images // configuration.batch_size
    if n_filled == 0:
        raise ConfigurationError(
            "TrainingConfiguration.batch_size",
            expected=f"at most the {n_images} training images",
            got=str(configuration.batch_size),
        )
    wanted = configuration.epoch_batches
    if wanted is not None and wanted > n_filled:
        raise ConfigurationError(
            "TrainingConfiguration.epoch_batches",
            expected=f"at most the {n_filled} batches that {n_images} training images fill",
            got=str(wanted),
        )
    return wanted or n_filled


class EpochBatches:
    """What is left of one epoch: an iterable with a length."""

    def __init__(self, stream: ImageStream, epoch: int, first: int, rank: int, world: int) -> None:
        self._stream, self._epoch, self._first = stream, epoch, first
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return self._stream.n_batches - self._first

    def __iter__(self) -> Iterator[Batch]:
        before = self._epoch * self._stream.n_batches
        chosen = self._stream.batch_indices(self._epoch)
        for index in range(self._first, self._stream.n_batches):
            yield self._stream.batch(
                before + index, chosen[index], rank=self._rank, world=self._world
            )
