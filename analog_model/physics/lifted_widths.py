"""Effective pulse widths of cells, as one differentiable operation.

T_t = sum_S c_tS m_S for several tables t of coefficients at once, m_S the overlaps of
`overlap`. The derivative of a shortest pulse is 1 for the pulse that is the shortest; it is
written out here, from the widths alone, because automatic differentiation would keep a mask
for every comparison. Equal pulses share it by halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from analog_model.physics.overlap import NeighbourSet


def lifted_widths(
    own: Tensor,
    near: Tensor,
    tables: Sequence[Tensor],
    sets: Sequence[NeighbourSet],
    *,
    present: Sequence[Sequence[int]] | None = None,
) -> tuple[Tensor, ...]:
    """T_t (..., C_t, V) of every table (S, C_t, V), for `own` (..., V), `near` (K, ..., V).

    C_t layout classes, which see the same pulses and differ in their coefficients alone.
    `sets` as from `overlap.neighbour_sets`; the coefficients are constants, that of the
    empty set not always 1. `present` lists for each table the sets that count, all by default;
    of none, T_t is 0.
    """
    every = (range(len(sets)),) * len(tables)
    rows = tuple(
        (table.shape[1], tuple(row)) for table, row in zip(tables, present or every, strict=True)
    )
    found: tuple[Tensor, ...] = _LiftedWidths.apply(
        own, near, torch.cat(list(tables), 1), tuple(sets), rows
    )
    return found


class _LiftedWidths(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        own: Tensor,
        near: Tensor,
        table: Tensor,
        sets: tuple[NeighbourSet, ...],
        rows: tuple[tuple[int, tuple[int, ...]], ...],
    ) -> tuple[Tensor, ...]:
        neighbour = near.unbind()
        shortest = {
            s: reduce(torch.minimum, [neighbour[k] for k in sets[s]], own).unsqueeze(-2)
            for s in sorted({s for _, counted in rows for s in counted})
        }
        return tuple(
            reduce(torch.add, [shortest[s] * part[s] for s in counted])
            if counted
            else torch.zeros_like(own.unsqueeze(-2) * part[0])
            for part, (_, counted) in zip(_parted(table, rows), rows, strict=True)
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        own, near, table, ctx.sets, ctx.rows = inputs
        ctx.save_for_backward(own, near, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        own, near, table = ctx.saved_tensors
        neighbour, tables = near.unbind(), _parted(table, ctx.rows)
        by_own: list[Tensor] = []
        by_near: list[list[Tensor]] = [[] for _ in neighbour]
        # Class by class: a reduction over so few is a loop that compilers do not vectorise.
        by_class = [gradient.unbind(-2) for gradient in gradients]
        for s, chosen in enumerate(ctx.sets):
            among = [t for t, (_, counted) in enumerate(ctx.rows) if s in counted]
            if not among:
                continue
            terms = [
                gradient * coefficient
                for t in among
                for gradient, coefficient in zip(by_class[t], tables[t][s].unbind(), strict=True)
            ]
            here = reduce(torch.add, terms)
            if not chosen:
                by_own.append(here)
                continue
            others = list(accumulate([neighbour[k] for k in reversed(chosen)], torch.minimum))
            share = _share(own, others.pop())
            by_own.append(here * share)
            here = here * (1 - share)
            for k in chosen[:-1]:
                share = _share(neighbour[k], others.pop())
                by_near[k].append(here * share)
                here = here * (1 - share)
            by_near[chosen[-1]].append(here)
        none = torch.zeros_like(own)
        of_near = torch.stack([reduce(torch.add, parts, none) for parts in by_near])
        return reduce(torch.add, by_own, none), of_near, None, None, None


def _parted(table: Tensor, rows: tuple[tuple[int, tuple[int, ...]], ...]) -> tuple[Tensor, ...]:
    """The tables that stand side by side in one, along their classes."""
    return table.split([size for size, _ in rows], 1)


def _share(first: Tensor, second: Tensor) -> Tensor:
    """1 where `first` is the smaller, 1/2 where both are equal, 0 elsewhere.

    By way of one byte a number: that is what a compiler keeps for the backward pass.
    """
    return 0.5 + 0.5 * torch.sign(second - first).to(torch.int8)
