"""Interpolation of the lift factor in the sensitivity of the cell.

How much a cell's current answers to a lift depends on the current itself, through its
sensitivity s = (1 - e^-x) / x, x = sqrt(I / I_S). The factor F(s, kappa) is smooth in s, so

    I F(s(I), kappa) = sum_q  I L_q(s(I))  F(s_q, kappa)

with Lagrange polynomials L_q over Q nodes: what depends on the weight is separated from
what depends on the input, at the price of Q products instead of one.

The nodes are those of Gauss for currents spread evenly from 0 to the largest, each cell's
error counting as its current: the polynomial that vanishes at them has the least rms.

One node may stand at rest, s = 0, where F is 1 whatever the lift: its product is that of the
pulse widths themselves, and the others hold what lifts add to it. The error then has the
factor s, which counts as part of a current's weight.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from analog_model.physics import cell

# Inversion root of a cell that answers to no lift.
REST = math.inf


def _sensitivity(root: np.ndarray) -> np.ndarray:
    return -np.expm1(-root) / root


def nodes(
    largest_current: float, specific_current: float | None, count: int, *, rest: bool = False
) -> list[float]:
    """Inversion roots x_q of the nodes, ascending; [0.0] in weak inversion, where s is 1.

    With `rest` the first of them is `REST`, the others ascend. Currents in any one unit.
    Lanczos' recurrence turns the weighted grid of s into the Jacobi matrix, whose eigenvalues
    are the nodes (Golub, Welsch, Math. Comp. 23 (1969) 221).
    """
    if specific_current is None:
        return [0.0]
    current = (np.arange(2000) + 0.5) / 2000 * largest_current
    root = np.sqrt(current / specific_current)
    s = _sensitivity(root)
    weight = current * s if rest else current
    previous, vector, off = np.zeros_like(s), weight / np.linalg.norm(weight), 0.0
    diagonal, beside = [], []
    for _ in range(count - rest):
        image = s * vector
        diagonal.append(float(vector @ image))
        image = image - diagonal[-1] * vector - off * previous
        off = float(np.linalg.norm(image))
        previous, vector = vector, image / off
        beside.append(off)
    jacobi = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    at = np.linalg.eigvalsh(jacobi)
    # s falls with x, so np.interp wants both turned round.
    found = sorted(float(x) for x in np.interp(at, s[::-1], root[::-1]))
    return [REST, *found] if rest else found


def lift_factor(root: float, lift: Tensor) -> Tensor:
    """I'/I under the lift kappa of a cell with x = `root`; 0 stands for weak inversion."""
    if root == REST:
        return torch.ones_like(lift)
    if root == 0:
        return torch.exp(lift)
    return cell.lift_factor(lift.new_tensor(root), lift)


def lift_slope(root: float, lift: Tensor) -> Tensor:
    """Derivative of `lift_factor` by the lift."""
    return torch.exp(lift) if root == 0 else cell.lift_slope(lift.new_tensor(root), lift)


def lagrange(current: Tensor, specific_current: Tensor | None, at: list[float]) -> list[Tensor]:
    """I L_q(s(I)) of each node, shaped like `current`; their sum is `current`."""
    if specific_current is None or len(at) == 1:
        return [current]
    s = cell.sensitivity(current, specific_current)
    node = [float(_sensitivity(np.asarray(x))) for x in at]
    parts = []
    for q, own in enumerate(node):
        part = current
        for other in node[:q] + node[q + 1 :]:
            part = part * ((s - other) / (own - other))
        parts.append(part)
    return parts


def shares(at: list[float], other: list[float]) -> list[list[float]]:
    """L_q of the nodes `at`, evaluated at the sensitivities of the roots `other`."""
    if len(at) == 1:
        return [[1.0]] * len(other)
    node, place = (_sensitivity(np.asarray(x)) for x in (at, other))
    polynomials = [
        np.prod([(place - n) / (own - n) for n in np.delete(node, q)], axis=0)
        for q, own in enumerate(node)
    ]
    return np.stack(polynomials, axis=1).tolist()
