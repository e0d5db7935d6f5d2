"""Trainee: a network in the form in which a mode trains it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor], Tensor]


class Trainee(nn.Module):
    """The network itself, trained as it is.

    `network` is what is judged, kept, deployed. Modes derive from this class: theirs compute
    otherwise in training, on the same parameters.
    """

    def __init__(self, network: nn.Module, *, compiled: bool = False) -> None:
        super().__init__()
        self.network = network
        self._forward = forward_of(network, compiled=compiled)

    def forward(self, images: Tensor, step: int) -> Tensor:  # noqa: ARG002, one signature for all
        """Class scores of a batch in the training step `step`."""
        return self._forward(images)


def forward_of(module: nn.Module, *, compiled: bool) -> Forward:
    """The module's call, compiled for fixed shapes if asked."""
    if not compiled:
        return module
    return cast(Forward, torch.compile(module, fullgraph=True, dynamic=False))
