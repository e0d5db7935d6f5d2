"""Overlap of a cell's pulse with those of its neighbours.

While a set of neighbours is high, a cell's current is F times its own, F a function of the
summed lift. With nested pulses (a common leading edge, trailing edge or centre) the time
for which all of a set S is high together with the cell is the shortest of their pulses,

    m_S = min(t_j, t_k for k in S),

so the time integral of the cell's current needs no time slots: writing F as a sum over
the sets of active neighbours by Moebius inversion,

    int F dt = sum_S c_S m_S,   c_S = sum over U in S of (-1)^(|S|-|U|) F(sum of kappa_k, k in U),

exact for every F. For F = e^kappa the coefficient of a set is the product of its
(e^kappa_k - 1): sets of r neighbours matter as kappa^r, so a sum cut off at few neighbours
is an approximation of known order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

NeighbourSet = tuple[int, ...]


def neighbour_sets(n_neighbours: int, order: int) -> list[NeighbourSet]:
    """Every set of up to `order` of the neighbours, smaller sets first, the empty one leading."""
    top = min(order, n_neighbours)
    return [chosen for size in range(top + 1) for chosen in combinations(range(n_neighbours), size)]


def overlaps(
    width: Tensor, neighbour: Sequence[Tensor], sets: Sequence[NeighbourSet]
) -> list[Tensor]:
    """m_S of every set; `width` and each of `neighbour` share one shape.

    `sets` as from `neighbour_sets`: each one's leading part comes before it.
    """
    found: dict[NeighbourSet, Tensor] = {(): width}
    for chosen in sets:
        if chosen:
            found[chosen] = torch.minimum(found[chosen[:-1]], neighbour[chosen[-1]])
    return [found[chosen] for chosen in sets]


def coefficients(
    factor: Callable[[Tensor], Tensor], kappa: Tensor, sets: Sequence[NeighbourSet]
) -> Tensor:
    """c_S (S, ...) for kappa (K, ...); `factor` gives I'/I for a summed lift, 1 at none."""
    return _inverted({chosen: factor(_summed(kappa, chosen)) for chosen in sets}, sets)


def coefficient_slopes(
    slope: Callable[[Tensor], Tensor], kappa: Tensor, sets: Sequence[NeighbourSet]
) -> Tensor:
    """kappa_k dc_S/dkappa_k (K, S, ...); `slope` gives the derivative of `factor`."""
    lifted = {chosen: slope(_summed(kappa, chosen)) for chosen in sets}
    none = torch.zeros_like(kappa[0])
    rows = [
        _inverted({s: own * value if k in s else none for s, value in lifted.items()}, sets)
        for k, own in enumerate(kappa.unbind())
    ]
    return torch.stack(rows)


def _summed(kappa: Tensor, chosen: NeighbourSet) -> Tensor:
    return torch.stack([kappa[k] for k in chosen]).sum(0) if chosen else torch.zeros_like(kappa[0])


def _inverted(value: Mapping[NeighbourSet, Tensor], sets: Sequence[NeighbourSet]) -> Tensor:
    """Moebius inversion: (S, ...), of each set the signed sum of `value` over its subsets."""
    rows = []
    for chosen in sets:
        inner = [part for size in range(len(chosen) + 1) for part in combinations(chosen, size)]
        signed = [value[part] * (-1) ** (len(chosen) - len(part)) for part in inner]
        rows.append(torch.stack(signed).sum(0))
    return torch.stack(rows)
