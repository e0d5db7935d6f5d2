"""Unit cells: the cells of a layer's units, those of the channels that they carry.

Taking them is an operator of its own: torch.compile (2.13) may write its derivative, a sum at
places that another tensor names, with wrong places where it transposes in the same loop.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.library.custom_op("analog_model::unit_cells", mutates_args=())
def _take(cells: Tensor, channel: Tensor) -> Tensor:
    return cells.index_select(-1, channel)


@torch.library.custom_op("analog_model::unit_cells_adjoint", mutates_args=())
def _sum(of_units: Tensor, channel: Tensor, n_channels: int) -> Tensor:
    return of_units.new_zeros((*of_units.shape[:-1], n_channels)).index_add_(-1, channel, of_units)


@_take.register_fake
def _(cells: Tensor, channel: Tensor) -> Tensor:
    return cells.new_empty((*cells.shape[:-1], len(channel)))


@_sum.register_fake
def _(of_units: Tensor, channel: Tensor, n_channels: int) -> Tensor:  # noqa: ARG001
    return of_units.new_empty((*of_units.shape[:-1], n_channels))


def unit_cells(cells: Tensor, channel: Tensor) -> Tensor:
    """Cells (..., V) of units with a `channel` (V,) each, from those of the channels (..., C)."""
    found: Tensor = _UnitCells.apply(cells, channel, cells.shape[-1], "take")
    return found


class _UnitCells(torch.autograd.Function):
    """Either operator, each the other's derivative, by which torch.func transforms them."""

    @staticmethod
    def forward(values: Tensor, channel: Tensor, n_channels: int, operator: str) -> Tensor:
        if operator == "take":
            return _take(values, channel)
        return _sum(values, channel, n_channels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        _, channel, ctx.n_channels, ctx.operator = inputs
        ctx.save_for_backward(channel)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (channel,) = ctx.saved_tensors
        other = "sum" if ctx.operator == "take" else "take"
        return _UnitCells.apply(gradients[0], channel, ctx.n_channels, other), None, None, None

    @staticmethod
    def vmap(
        _info: Any, in_dims: Any, values: Tensor, channel: Tensor, n_channels: int, operator: str
    ) -> tuple[Tensor, int]:
        return _UnitCells.apply(values.movedim(in_dims[0], 0), channel, n_channels, operator), 0
