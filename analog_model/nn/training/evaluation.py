"""Evaluation of a network on labelled images, also on chips that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from analog_model.nn.images.image_set import Images
from analog_model.nn.images.inputs import network_input
from analog_model.nn.layer import AnalogLayer, drawing_from
from analog_model.nn.models import Network
from analog_model.nn.ranges import evaluating
from analog_model.nn.training.layer_error import layer_errors
from analog_model.nn.training.randomness import seed_of

BATCH = 250
LABEL, PREDICTED = "label", "predicted_label"
_IMAGES_FOR_LAYERS = 256


def test_inputs(images: Images, network: Network) -> Tensor:
    """The test part as the network takes it."""
    return network_input(images.test_images, size=network.image_size, margin=network.margin)


def evaluate(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    class_names: Sequence[str],
    seed: int = 0,
    layers: bool = True,
) -> xr.Dataset:
    """Accuracy of a network, overall and by class, with the confusion matrix.

    `standard_error` is that of a share of so many images; a class without images has no
    accuracy (nan). With `layers`, of a network with
    analog layers, the signal-to-error ratio of each, by the first images. Noise is drawn
    from `seed`.
    """
    confusion = confusion_matrix(network, inputs, labels, n_classes=len(class_names), seed=seed)
    count, right = confusion.sum(), np.trace(confusion)
    of_class = confusion.sum(1)
    by_class = np.full(len(of_class), np.nan)
    np.divide(np.diag(confusion), of_class, out=by_class, where=of_class > 0)
    accuracy = float(right / count)
    found = xr.Dataset(
        {
            "accuracy": ((), accuracy, {"long_name": "accuracy", "units": "1"}),
            "standard_error": (
                (),
                math.sqrt(accuracy * (1 - accuracy) / count),
                {"long_name": "standard error of the accuracy", "units": "1"},
            ),
            "class_accuracy": (
                LABEL,
                by_class,
                {"long_name": "accuracy by class", "units": "1"},
            ),
            "confusion": (
                (LABEL, PREDICTED),
                confusion,
                {"long_name": "images by their class and the given one"},
            ),
        },
        {LABEL: list(class_names), PREDICTED: list(class_names)},
    )
    if layers and any(isinstance(module, AnalogLayer) for module in network.modules()):
        found = found.merge(layer_errors(network, inputs[:_IMAGES_FOR_LAYERS]))
    return found


def confusion_matrix(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, n_classes: int, seed: int = 0
) -> np.ndarray:
    """Number of images by their class (rows) and by the class that the network gives them."""
    device = next(network.parameters()).device
    counts = torch.zeros(n_classes * n_classes, dtype=torch.int64)
    generator = torch.Generator(device).manual_seed(seed_of(seed, "evaluation"))
    with evaluating(network), drawing_from(network, generator):
        for start in range(0, len(inputs), BATCH):
            part = slice(start, start + BATCH)
            predicted = network(inputs[part].to(device)).argmax(1).cpu()
            pairs = labels[part] * n_classes + predicted
            counts += torch.bincount(pairs, minlength=n_classes * n_classes)
    return counts.reshape(n_classes, n_classes).numpy()
