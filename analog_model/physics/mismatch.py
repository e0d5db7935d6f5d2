"""Mismatch of the coupling between nominally equal cells."""

from __future__ import annotations

from torch import Tensor


def mismatched_kappa(kappa: Tensor, deviation: Tensor | None) -> Tensor:
    """kappa (1 + deviation), the relative `deviation` of each neighbour of each cell.

    Coupling is a ratio of capacitances, whose mismatch is relative to their value; it
    neither makes a coupling where there is none nor, while small, turns one round.
    Broadcasts; exactly `kappa` with None.
    """
    return kappa if deviation is None else kappa * (1 + deviation)
