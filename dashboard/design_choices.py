"""Choices of a sweep: what a user sets on the design page, as part of the state."""

from __future__ import annotations

import param

from analog_model.sweeps.axes import AXES

SER, ACCURACY, RETRAINED = "ser", "accuracy", "retrained"
MEASURES = (SER, ACCURACY, RETRAINED)
NO_AXIS = "none"
# Networks of digits, whose points take seconds.
NETWORKS = ("mlp_4x4", "mlp_14x14")
CHOICES = (
    "sweep_x",
    "sweep_x_span",
    "sweep_y",
    "sweep_y_span",
    "sweep_measure",
    "sweep_network",
    "sweep_epochs",
)


class DesignChoices(param.Parameterized):
    """What is swept: one or two chip parameters, each with its span, and what is measured."""

    sweep_x = param.Selector(default="coupling_scale", objects=list(AXES))
    sweep_x_span = param.String(default="", doc="from:to:count in SI; empty for the usual one.")
    sweep_y = param.Selector(default="n_word_lines", objects=[NO_AXIS, *AXES])
    sweep_y_span = param.String(default="", doc="from:to:count in SI; empty for the usual one.")
    sweep_measure = param.Selector(default=SER, objects=list(MEASURES))
    sweep_network = param.Selector(default=NETWORKS[0], objects=list(NETWORKS))
    sweep_epochs = param.Integer(default=2, bounds=(1, 20), doc="Epochs of retraining.")
