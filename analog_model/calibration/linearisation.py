"""Linearisation of a measurement's charges around a point of the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from analog_model.calibration.observations import Observations
from analog_model.calibration.parameters import SharedParameters
from analog_model.calibration.reads import OneHotReads
from analog_model.physics.jacobian import ChargeJacobian, charge_jacobian

# Slopes of single cells [bytes] that are alive at once where only sums of them are kept.
PIECE = 16e6


@dataclass(frozen=True)
class Linearised:
    """Charge (V, M) [C] at a point with its derivative `columns` (V, M, size)."""

    charge: np.ndarray
    columns: np.ndarray
    jacobian: ChargeJacobian


def linearise(
    parameters: SharedParameters,
    vector: np.ndarray,
    reads: OneHotReads,
    observations: Observations,
    *,
    departure: np.ndarray | float = 0.0,
    deviation: np.ndarray | None = None,
) -> Linearised:
    """Charge and derivatives with cells at their reads plus `departure` (N, M) [A].

    Reads taken from single patterns owe their dead time, so they move with it.
    """
    dead = parameters.scalar(vector, "dead_time")
    width = parameters.reference.width
    base = reads.corrected(0.0 if dead is None else dead * width)
    array = parameters.array(vector, base + departure, deviation)
    jacobian = charge_jacobian(
        array, torch.tensor(observations.pulse_width), torch.tensor(observations.start)
    )
    columns = parameters.columns(vector, jacobian)
    if dead is not None and reads.read_at_width is not None:
        slope = base / (reads.read_at_width[:, None] - dead * width) * width
        place = len(parameters.kappa_names) + parameters.scalars.index("dead_time")
        columns[:, :, place] += np.einsum("vji,ji->vi", jacobian.cell_current.numpy(), slope)
    return Linearised(jacobian.charge.numpy(), columns, jacobian)


def linearise_shared(
    parameters: SharedParameters,
    vector: np.ndarray,
    reads: OneHotReads,
    observations: Observations,
    *,
    departure: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Charge (V, M) and columns (V, M, size) of `linearise`, without single cells' slopes.

    Those are by far the largest array; piece by piece they never exist all at once.
    """
    per_pattern = 8 * (len(parameters.rung.offsets) + 1) * reads.current.size
    step = max(int(PIECE / per_pattern), 1)
    pieces = [
        linearise(
            parameters,
            vector,
            reads,
            observations.chosen(slice(begin, begin + step)),
            departure=departure,
        )
        for begin in range(0, observations.n_patterns, step)
    ]
    return (
        np.concatenate([piece.charge for piece in pieces]),
        np.concatenate([piece.columns for piece in pieces]),
    )
