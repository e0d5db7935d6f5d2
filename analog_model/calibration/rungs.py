"""Rungs: the models a calibration climbs through, from the ideal product upwards.

Each adds one effect to the one before, so that what an effect explains can be read off as
the step in held-out error.
"""

from __future__ import annotations

from typing import Literal

from analog_model.chip.base import Frozen


class Rung(Frozen):
    """One model of the ladder.

    `offsets` of the neighbours whose coupling is fitted, shared by all cells ("one") or by
    the cells of a layout class ("class"); `ekv` fits the specific current, otherwise the
    cells are in weak inversion; `dead_time`, `losses` (wire, lumped, droop) fitted; `free`
    says which deviations of single cells are fitted on top.
    """

    name: str
    explains: str
    offsets: tuple[int, ...] = ()
    sharing: Literal["one", "class"] = "class"
    ekv: bool = False
    dead_time: bool = False
    losses: tuple[Literal["wire", "lumped", "droop"], ...] = ()
    free: tuple[Literal["weights", "kappa"], ...] = ()


NEAR, FAR = (-1, 1), (-2, -1, 1, 2)
LOSSES: tuple[Literal["wire", "lumped", "droop"], ...] = ("wire", "lumped", "droop")

IDEAL = Rung(name="ideal", explains="ideal product with the one-hot reads")
IDEAL_REFIT = Rung(
    name="ideal_refit", explains="ideal product, weights refitted", free=("weights",)
)
CROSSTALK_ONE = Rung(
    name="crosstalk_one", explains="one coupling for all cells", offsets=NEAR, sharing="one"
)
CROSSTALK = Rung(name="crosstalk", explains="coupling by layout class and side", offsets=NEAR)
CROSSTALK_FAR = Rung(name="crosstalk_far", explains="next-nearest neighbours", offsets=FAR)
CROSSTALK_EKV = Rung(
    name="crosstalk_ekv", explains="strong cells feel less (EKV)", offsets=FAR, ekv=True
)
DEAD_TIME = Rung(name="dead_time", explains="pulse edges", offsets=FAR, ekv=True, dead_time=True)
DROP = Rung(
    name="drop",
    explains="bit-line voltage drop",
    offsets=FAR,
    ekv=True,
    dead_time=True,
    losses=LOSSES,
)

LADDER = (CROSSTALK_ONE, CROSSTALK, CROSSTALK_FAR, CROSSTALK_EKV, DEAD_TIME, DROP)
