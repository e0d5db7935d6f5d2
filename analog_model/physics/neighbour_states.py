"""Neighbour states: which of a cell's neighbours are high.

A cell's current depends on its own K neighbours and nothing else, each high or low. So
however many slots a batch of vectors has, a cell takes one of 2^K currents in each: a table
of 2^K N M entries holds every exponential there is to compute. Bit k of a state is
neighbour k.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analog_model.physics import cell


@dataclass(frozen=True)
class StateTable:
    """Currents (S, N, M) [A] of every cell in every state, S = 2^K, with their derivatives.

    `high` (S, K) 0 or 1 says what the states are; `by_current` (S, N, M) by the cell's own
    current, `by_lift` by the summed lift, `by_specific_current` by I_S (zero in weak
    inversion).
    """

    high: Tensor
    current: Tensor
    by_current: Tensor
    by_lift: Tensor
    by_specific_current: Tensor

    @property
    def n_states(self) -> int:
        return int(self.high.shape[0])


def tabulate(cell_current: Tensor, kappa: Tensor, specific_current: Tensor | None) -> StateTable:
    """Table of cells with currents (N, M) [A] and `kappa` (K, N, M)."""
    n_neighbours = kappa.shape[0]
    state = torch.arange(2**n_neighbours)
    high = (state[:, None] >> torch.arange(n_neighbours)) & 1
    high = high.to(cell_current.dtype)
    with torch.enable_grad():
        # A copy per state, so that one backward pass leaves each its own derivative.
        lift = torch.tensordot(high, kappa, dims=1).detach().requires_grad_()
        own = cell_current.detach().expand(lift.shape).clone().requires_grad_()
        leaves = [own, lift]
        if specific_current is None:
            current = cell.raised_current(own, lift, None)
        else:
            leaves.append(specific_current.detach().expand(lift.shape).clone().requires_grad_())
            current = cell.raised_current(own, lift, leaves[2])
        slopes = torch.autograd.grad(current.sum(), leaves)
    by_specific = slopes[2] if specific_current is not None else torch.zeros_like(lift)
    return StateTable(high, current.detach(), slopes[0], slopes[1], by_specific)


def states(high: Tensor, aggressor: Tensor) -> Tensor:
    """State (P, N) of every word line's cells in slots with word lines `high` (P, N), 0 or 1.

    `aggressor` (K, N) holds word lines, N for a neighbour that does not exist.
    """
    none = torch.zeros_like(high[:, :1])
    extended = torch.cat([high, none], dim=1).to(torch.long)
    state = torch.zeros(high.shape, dtype=torch.long)
    for k, neighbour in enumerate(aggressor):
        state += extended[:, neighbour] << k
    return state


def dwell_time(
    duration: Tensor, vector: Tensor, high: Tensor, state: Tensor, shape: tuple[int, int]
) -> Tensor:
    """Time [s] that each word line is high in each state, (V, N, S).

    `duration` (P,) [s], or its rate by something; `vector` (P,) of the slots; `high`,
    `state` (P, N); `shape` is V, S.
    """
    n_vectors, n_states = shape
    n_word_lines = high.shape[1]
    place = (vector[:, None] * n_word_lines + torch.arange(n_word_lines)) * n_states + state
    time = duration.new_zeros(n_vectors * n_word_lines * n_states)
    time.index_add_(0, place.reshape(-1), (duration[:, None] * high).reshape(-1))
    return time.reshape(n_vectors, n_word_lines, n_states)
