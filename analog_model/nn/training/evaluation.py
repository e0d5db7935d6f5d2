"""Evaluation of a network on labelled images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from analog_model.nn.images.image_set import Images
from analog_model.nn.images.inputs import network_input
from analog_model.nn.models import Network
from analog_model.nn.ranges import evaluating

BATCH = 250


def test_inputs(images: Images, network: Network) -> Tensor:
    """The test part as the network takes it."""
    return network_input(images.test_images, size=network.image_size, margin=network.margin)


def confusion_matrix(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, n_classes: int
) -> np.ndarray:
    """Number of images by their class (rows) and by the class that the network gives them."""
    device = next(network.parameters()).device
    counts = torch.zeros(n_classes * n_classes, dtype=torch.int64)
    with evaluating(network):
        for start in range(0, len(inputs), BATCH):
            part = slice(start, start + BATCH)
            predicted = network(inputs[part].to(device)).argmax(1).cpu()
            pairs = labels[part] * n_classes + predicted
            counts += torch.bincount(pairs, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).numpy()
