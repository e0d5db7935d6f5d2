"""Accuracy of a network on labelled images, from chip to chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Generator, Tensor, nn

from analog_model.deployment.tables import ACCURACY, SEED, table
from analog_model.errors import ConfigurationError
from analog_model.nn.layer import drawing_from
from analog_model.nn.ranges import evaluating


@dataclass(frozen=True, eq=False)
class LabelledInputs:
    """Inputs of a network with the class of each, judged `batch_size` at a time.

    Raises ConfigurationError unless there is one label for each of some inputs.
    """

    inputs: Tensor
    labels: Tensor
    batch_size: int

    def __post_init__(self) -> None:
        inputs, labels = self.inputs, self.labels
        if not len(inputs) or labels.shape != inputs.shape[:1] or labels.dtype != torch.int64:
            raise ConfigurationError(
                "deploy.labels",
                expected="an int64 label for each of at least one image",
                got=f"{tuple(labels.shape)} of {labels.dtype} for {len(inputs)} images",
            )
        if self.batch_size < 1:
            raise ConfigurationError(
                "deploy.batch_size", expected="at least 1", got=str(self.batch_size)
            )

    def some(self, count: int) -> Tensor:
        """About so many of the inputs, evenly spread, as a data set may be sorted by class."""
        return self.inputs[:: -(-len(self.inputs) // count)]

    def accuracy(self, network: nn.Module, *, seed: int = 0) -> float:
        """Share that `network` classifies rightly, its noise drawn from `seed`."""
        generator = Generator(self.inputs.device).manual_seed(seed)
        right = 0
        with evaluating(network), drawing_from(network, generator):
            for start in range(0, len(self.inputs), self.batch_size):
                chosen = slice(start, start + self.batch_size)
                found = network(self.inputs[chosen]).argmax(dim=1)
                right += int((found == self.labels[chosen]).sum())
        return right / len(self.inputs)


def accuracy_table(
    found: Sequence[float],
    seeds: Sequence[int],
    *,
    n_images: int,
    flawless: float,
    digital: float | None,
) -> xr.Dataset:
    """Table `accuracy` of a deployment; `digital` is left out where it is not known."""
    share = np.array(found)
    values = {
        "accuracy": share,
        "n_images": n_images,
        "mean": share.mean(),
        "standard_deviation": share.std(ddof=1) if share.size > 1 else 0.0,
        "flawless": flawless,
    }
    if digital is not None:
        values["digital"] = digital
    return table(ACCURACY, values, coords={SEED: list(seeds)})
