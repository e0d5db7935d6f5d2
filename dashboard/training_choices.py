"""Choices of a retraining: what a user sets on its page, as part of the state."""

from __future__ import annotations

import param

from analog_model.nn.images.loading import IMAGE_SETS
from analog_model.nn.models import NETWORKS

DEFENCES = ("noise", "straight_through", "hardware_aware")
# Word lines and bit lines of square arrays, or those of the chip in view.
OWN_ARRAY = "chip"
ARRAY_SIDES = (OWN_ARRAY, "16", "32", "64", "128", "256")
CHOICES = (
    "network",
    "images",
    "array_side",
    "defences",
    "epochs",
    "learning_rate",
    "distillation",
    "training_seed",
    "n_chips",
    "chip_spread",
    "programming_error",
    "kappa_mismatch",
    "read_noise",
)


class TrainingChoices(param.Parameterized):
    """Which network is trained on what, how; None takes what the network's recipe says."""

    network = param.Selector(default="mlp_4x4", objects=list(NETWORKS))
    images = param.Selector(default="mnist_5k", objects=list(IMAGE_SETS))
    array_side = param.Selector(
        default=OWN_ARRAY, objects=list(ARRAY_SIDES), doc="Word and bit lines of an array."
    )
    defences = param.ListSelector(
        default=["noise", "hardware_aware"],
        objects=list(DEFENCES),
        doc="How the float network is retrained.",
    )
    epochs = param.Integer(
        default=None, bounds=(1, 1000), allow_None=True, doc="Epochs of retraining."
    )
    learning_rate = param.Number(
        default=None, bounds=(1e-6, 1.0), allow_None=True, doc="Its peak, in retraining."
    )
    distillation = param.Number(
        default=0.0,
        bounds=(0.0, 1.0),
        doc="Share of the loss that is distance to the float network's scores.",
    )
    training_seed = param.Integer(default=0, bounds=(0, 2**31 - 1))
    n_chips = param.Integer(
        default=0, bounds=(0, 32), doc="Chips of one production to train on; 0: the one in view."
    )
    chip_spread = param.Number(
        default=0.2, bounds=(0.0, 0.9), doc="Relative variation of kappa and ohms among them."
    )
    programming_error = param.Number(
        default=0.0, bounds=(0.0, 0.5), doc="Share of full scale, standard deviation."
    )
    kappa_mismatch = param.Number(
        default=0.0, bounds=(0.0, 1.0), doc="Of every coupling, relative standard deviation."
    )
    read_noise = param.Number(
        default=0.0, bounds=(0.0, 0.5), doc="Of a read, share of the largest charge."
    )
