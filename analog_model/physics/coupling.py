"""Coupling of word lines onto neighbouring floating gates."""

from __future__ import annotations

import torch
from torch import Tensor


def lift(duty: Tensor, aggressor: Tensor, kappa: Tensor) -> Tensor:
    """Summed lift kappa [n U_T] of every cell, lift_ji = sum_k kappa_kji a_(aggressor_kj).

    `duty` (P, N) is the fraction of each slot for which each word line is high, 0 or 1
    unless slots were merged; `aggressor` (K, N) holds word lines, N for none; `kappa`
    (K, N, M). Returns (N, P, M), word line first, the order the ladder consumes.
    """
    none = torch.zeros_like(duty[:, :1])
    neighbour = torch.cat([duty, none], dim=1)[:, aggressor]
    return torch.bmm(neighbour.permute(2, 0, 1), kappa.permute(1, 0, 2))
