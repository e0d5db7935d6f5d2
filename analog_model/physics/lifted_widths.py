"""Effective pulse widths of cells, as one differentiable operation.

T_t = sum_S c_tS m_S for several tables t of coefficients at once, m_S the overlaps of
`overlap`. The derivative of a shortest pulse is 1 for the pulse that is the shortest; it is
written out here, from the widths alone, because automatic differentiation would keep a mask
for every comparison. Of equal pulses the first counts, the cell's own before its neighbours'.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from analog_model.physics.overlap import NeighbourSet, overlaps


def lifted_widths(
    own: Tensor, near: Tensor, table: Tensor, sets: Sequence[NeighbourSet]
) -> tuple[Tensor, ...]:
    """T_t of every table: `own` (...), `near` (K, ...), `table` (T, S, ...) broadcast.

    `sets` as from `overlap.neighbour_sets`; the coefficients are constants, that of the
    empty set not always 1.
    """
    found: tuple[Tensor, ...] = _LiftedWidths.apply(own, near, table, tuple(sets))
    return found


class _LiftedWidths(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        own: Tensor, near: Tensor, table: Tensor, sets: tuple[NeighbourSet, ...]
    ) -> tuple[Tensor, ...]:
        shortest = overlaps(own, near.unbind(), sets)
        found = []
        for row in table.unbind():
            terms = [m * c for m, c in zip(shortest, row.unbind(), strict=True)]
            found.append(reduce(torch.add, terms))
        return tuple(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        own, near, table, ctx.sets = inputs
        ctx.save_for_backward(own, near, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        own, near, table = ctx.saved_tensors
        neighbour = near.unbind()
        by_own, by_near = torch.zeros_like(own), [torch.zeros_like(own) for _ in neighbour]
        weights = zip(*(row.unbind() for row in table.unbind()), strict=True)
        for chosen, column in zip(ctx.sets, weights, strict=True):
            terms = [g * c for g, c in zip(gradients, column, strict=True)]
            here = reduce(torch.add, terms)
            if not chosen:
                by_own = by_own + here
                continue
            others = list(accumulate([neighbour[k] for k in reversed(chosen)], torch.minimum))
            share = _share(own, others.pop())
            by_own = by_own + here * share
            here = here * (1 - share)
            for k in chosen[:-1]:
                share = _share(neighbour[k], others.pop())
                by_near[k] = by_near[k] + here * share
                here = here * (1 - share)
            by_near[chosen[-1]] = by_near[chosen[-1]] + here
        return by_own, torch.stack(by_near), None, None


def _share(first: Tensor, second: Tensor) -> Tensor:
    """1 where `first` is the smaller, 1/2 where both are equal, 0 elsewhere.

    As a number: a compiler would store a comparison's mask for the backward pass, at far
    more cost than comparing again.
    """
    return 0.5 + 0.5 * torch.sign(second - first)
