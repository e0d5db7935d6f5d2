"""Noise on weights during training, the usual defence against inexact hardware.

Every step sees W + sigma max|W| N(0, 1), drawn anew, in each layer; the gradient is taken
there and moves W. Judged and kept is the network without noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from analog_model.nn.selection import CONVERTIBLE
from analog_model.nn.training.randomness import generator_of
from analog_model.nn.training.trainee import Trainee


class NoisyTrainee(Trainee):
    """A digital network, trained with relative noise `deviation` on its weights.

    The noise of a step follows from (seed, step): all processes of a run draw the same.
    """

    def __init__(
        self, network: nn.Module, *, deviation: float, seed: int, compiled: bool = False
    ) -> None:
        super().__init__(network)
        self._deviation, self._seed = deviation, seed
        self._names = [
            f"{name}.weight"
            for name, module in network.named_modules()
            if isinstance(module, CONVERTIBLE)
        ]
        self._call = torch.compile(functional_call) if compiled else functional_call

    def forward(self, images: Tensor, step: int) -> Tensor:
        """Class scores of a batch with the noise of the training step `step`."""
        generator = generator_of(self._seed, "weight noise", step)
        noisy = {}
        for name in self._names:
            weight = self.network.get_parameter(name)
            drawn = torch.randn(weight.shape, generator=generator).to(weight.device)
            noisy[name] = weight + self._deviation * weight.detach().abs().max() * drawn
        scores: Tensor = self._call(self.network, noisy, (images,))
        return scores
