"""Distillation: a trained network's scores as targets of another's training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# Softened so far that classes which the teacher all but excludes still count.
SOFTENING = 4.0


class Teacher:
    """A trained network, judged as it is; it is no part of what is trained.

    Not a module, so that a task which holds it neither switches it to training nor counts its
    parameters.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(requires_grad=False)

    def scores(self, images: Tensor) -> Tensor:
        """Class scores of a batch, without autocast."""
        self._network.to(images.device)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            scores: Tensor = self._network(images)
        return scores


def teacher_loss(scores: Tensor, targets: Tensor, *, softening: float = SOFTENING) -> Tensor:
    """Divergence of softened class probabilities from the teacher's, per image.

    T^2 KL(softmax(t / T) || softmax(s / T)) for scores s, targets t [image, class], softening
    T; the factor keeps gradients of the size of cross entropy's. It is 0 where scores differ
    by a constant only. Source: Hinton et al., arXiv 1503.02531.
    """
    divergence = functional.kl_div(
        functional.log_softmax(scores / softening, 1),
        functional.log_softmax(targets / softening, 1),
        reduction="batchmean",
        log_target=True,
    )
    return softening**2 * divergence
