"""Recipes: configurations that are known to train a network well."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from analog_model.nn.images import bundled
from analog_model.nn.models import find_network
from analog_model.nn.training.configuration import FLOAT, NOISE, TrainingConfiguration

_CONVOLUTIONS: dict[str, Any] = {"padding": 1, "learning_rate": 3e-3, "weight_decay": 1e-4}
_FROM_SCRATCH: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "mlp_4x4": {"epochs": 40, "batch_size": 64, "learning_rate": 1e-2},
        "mlp_14x14": {"epochs": 20, "batch_size": 128, **_CONVOLUTIONS},
        "lenet5": {"epochs": 12, "batch_size": 128, **_CONVOLUTIONS},
        "vgg_small": {
            "epochs": 24,
            "batch_size": 128,
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "weight_decay": 5e-4,
            "padding": 4,
            "mirror": True,
            "channels_last": True,
            "precision": "bf16-mixed",
        },
    }
)
# From trained weights, the same for every mode, so that their results may be compared.
_RETRAINING: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "mlp_4x4": {"epochs": 5, "batch_size": 128, "learning_rate": 3e-3},
        "mlp_14x14": {"epochs": 2, "batch_size": 256, "learning_rate": 1e-3},
        "lenet5": {"epochs": 1, "batch_size": 256, "learning_rate": 1e-3},
        "vgg_small": {"epochs": 2, "learning_rate": 1e-2, "precision": "32-true"},
    }
)
# Of the full sets' 60,000 images the bundled one trains on 4,000: smaller batches, more epochs.
_FEW_IMAGES: Mapping[str, int] = MappingProxyType({"batch_size": 32, "epochs": 4})
_WEIGHT_NOISE = 0.05


def recipe(
    network: str,
    *,
    mode: str = FLOAT,
    images: str | None = None,
    retrained: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> TrainingConfiguration:
    """The recipe of a network and mode, with `changes` of single values.

    `images` None takes the digits that come with the package, for networks of digits.
    `retrained`: for weights that are trained already.
    """
    found = find_network(network)
    if images is None:
        images = bundled.NAME if found.images == "mnist" else found.images
    values: dict[str, Any] = {**_FROM_SCRATCH[network]}
    if retrained:
        values |= _RETRAINING[network]
    if images == bundled.NAME:
        values["batch_size"] = _FEW_IMAGES["batch_size"]
        values["epochs"] *= 1 if network == "mlp_4x4" else _FEW_IMAGES["epochs"]
    if mode == NOISE:
        values["weight_noise"] = _WEIGHT_NOISE
    return TrainingConfiguration(
        **{"network": network, "images": images, "mode": mode, **values, **(changes or {})}
    )
