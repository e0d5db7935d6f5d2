"""Effective pulse widths of cells, as one differentiable operation.

T_t = sum_S c_tS m_S for several tables t of coefficients at once, m_S the overlaps of
`overlap`. The derivative of a shortest pulse is 1 for the pulse that is the shortest; it is
written out here, from the widths alone, because automatic differentiation would keep a mask
for every comparison. Of equal pulses the first counts, the cell's own before its neighbours'.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from analog_model.physics.overlap import NeighbourSet, overlaps


def lifted_widths(
    own: Tensor, near: Tensor, table: Tensor, sets: Sequence[NeighbourSet]
) -> tuple[Tensor, ...]:
    """T_t of every table: `own` (...), `near` (K, ...), `table` (T, S, ...) broadcast.

    `sets` as from `overlap.neighbour_sets`; the coefficients are constants.
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
            total = own
            for m, c in zip(shortest[1:], row.unbind()[1:], strict=True):
                total = total + m * c
            found.append(total)
        return tuple(found)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        own, near, table, ctx.sets = inputs
        ctx.save_for_backward(own, near, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        own, near, table = ctx.saved_tensors
        by_own = gradients[0]
        for gradient in gradients[1:]:
            by_own = by_own + gradient
        neighbour = near.unbind()
        by_near = [torch.zeros_like(own) for _ in neighbour]
        weights = [row.unbind() for row in table.unbind()]
        for s, chosen in enumerate(ctx.sets):
            if not chosen:
                continue
            here = gradients[0] * weights[0][s]
            for gradient, row in zip(gradients[1:], weights[1:], strict=True):
                here = here + gradient * row[s]
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
