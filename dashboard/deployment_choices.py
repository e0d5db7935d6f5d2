"""Choices of a deployment: what a user sets on its page, as part of the state."""

from __future__ import annotations

import param

# Of the run, of the chip it is put on; or square ones with so many lines.
OWN = "own"
IN_VIEW = "view"
DEPLOYED_SIDES = (OWN, "16", "32", "64", "128", "256")
READINGS = ("single", "in_context", "patterns_only", "regression", "leave_one_out")
MOST_CHIPS = 16
CHOICES = ("deployed_run", "deployed_on", "deployed_side", "reading", "n_programmed")


class DeploymentChoices(param.Parameterized):
    """Which network is put on which arrays, how they are programmed, what is looked at."""

    deployed_run = param.String(
        default="", doc="Name of a finished training run; empty: the newest there is."
    )
    deployed_on = param.Selector(
        default=OWN, objects=[OWN, IN_VIEW], doc="The chip of the run, or the one in view."
    )
    deployed_side = param.Selector(
        default=OWN, objects=list(DEPLOYED_SIDES), doc="Word and bit lines of an array."
    )
    reading = param.Selector(
        default="single", objects=list(READINGS), doc="How a cell is read while it is programmed."
    )
    n_programmed = param.Integer(
        default=3, bounds=(1, MOST_CHIPS), doc="Chips that are programmed, one seed each."
    )
    deployment_aspect = param.Selector(default="arrays", objects=["arrays", "cost", "accuracy"])
    deployed_array = param.Integer(default=0, bounds=(0, None), doc="Array that is looked at.")
