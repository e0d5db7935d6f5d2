"""Trainee on chips: what it learns is learnt through the model of the hardware."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from analog_model.nn.training.randomness import seed_of
from analog_model.nn.training.trainee import Trainee, forward_of


class ChipTrainee(Trainee):
    """A network on a chip, trained on one of `members` in every step.

    The members share its parameters. Which one takes a step follows from (seed, step).
    """

    def __init__(
        self,
        network: nn.Module,
        members: Sequence[nn.Module],
        *,
        seed: int,
        compiled: bool = False,
    ) -> None:
        super().__init__(network)
        self.members = nn.ModuleList(members)
        self._seed = seed
        self._forwards = [forward_of(member, compiled=compiled) for member in members]

    def forward(self, images: Tensor, step: int) -> Tensor:
        """Class scores of a batch on the chip of the training step `step`."""
        index = seed_of(self._seed, "chip of step", step) % len(self._forwards)
        return self._forwards[index](images)
