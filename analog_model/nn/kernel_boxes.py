"""Kernel boxes: the cells of each row tile, cut out of a layer's kernel.

A tile holds a span of units at a rectangle of the kernel's places. Cutting is an operator of
its own because the derivative of many slices is, to a compiler, a sum over all of them at
every cell; here each piece's gradient is added where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

# A box as integers: first height, one past the last, the same of widths, of units.
_FIELDS = 6


def _places(boxes: Sequence[int]) -> list[tuple[Any, ...]]:
    """Index of every box into a kernel (..., KH, KW, V)."""
    return [
        (..., *(slice(*boxes[k : k + 2]) for k in range(start, start + _FIELDS, 2)))
        for start in range(0, len(boxes), _FIELDS)
    ]


def _shapes(boxes: Sequence[int]) -> list[tuple[int, int, int]]:
    ends = [boxes[start : start + _FIELDS] for start in range(0, len(boxes), _FIELDS)]
    return [(h[1] - h[0], h[3] - h[2], h[5] - h[4]) for h in ends]


def _empty_row(kernel: Tensor, boxes: Sequence[int]) -> Tensor:
    return kernel.new_empty((*kernel.shape[:-3], sum(map(prod, _shapes(boxes)))))


@torch.library.custom_op("analog_model::kernel_boxes", mutates_args=())
def _cut(kernel: Tensor, boxes: list[int]) -> Tensor:
    row = _empty_row(kernel, boxes)
    for piece, place in zip(_pieces(row, boxes), _places(boxes), strict=True):
        piece.copy_(kernel[place])
    return row


@torch.library.custom_op("analog_model::kernel_boxes_adjoint", mutates_args=())
def _join(row: Tensor, boxes: list[int], size: list[int]) -> Tensor:
    kernel = row.new_zeros((*row.shape[:-1], *size))
    for piece, place in zip(_pieces(row, boxes), _places(boxes), strict=True):
        kernel[place] += piece
    return kernel


@_cut.register_fake
def _(kernel: Tensor, boxes: list[int]) -> Tensor:
    return _empty_row(kernel, boxes)


@_join.register_fake
def _(row: Tensor, boxes: list[int], size: list[int]) -> Tensor:  # noqa: ARG001
    return row.new_empty((*row.shape[:-1], *size))


def _pieces(row: Tensor, boxes: Sequence[int]) -> list[Tensor]:
    shapes = _shapes(boxes)
    parts = row.split([prod(shape) for shape in shapes], dim=-1)
    return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]


def kernel_boxes(kernel: Tensor, boxes: Sequence[int]) -> list[Tensor]:
    """Pieces (..., height_t, width_t, V_t) of a kernel (..., KH, KW, V), one for each box.

    `boxes`: six integers each, first:stop of heights, of widths, of units.
    """
    row: Tensor = _Cut.apply(kernel, list(boxes))
    return _pieces(row, boxes)


# Derivatives by Functions, not by the operators' own registration: torch.func transforms those.


class _Cut(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Tensor, boxes: list[int]) -> Tensor:
        return _cut(kernel, boxes)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        kernel, ctx.boxes = inputs
        ctx.size = kernel.shape[-3:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Join.apply(gradients[0], ctx.boxes, list(ctx.size)), None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, kernel: Tensor, boxes: list[int]) -> tuple[Tensor, int]:
        return _Cut.apply(kernel.movedim(in_dims[0], 0), boxes), 0


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(row: Tensor, boxes: list[int], size: list[int]) -> Tensor:
        return _join(row, boxes, size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.boxes = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Cut.apply(gradients[0], ctx.boxes), None, None

    @staticmethod
    def vmap(
        _info: Any, in_dims: Any, row: Tensor, boxes: list[int], size: list[int]
    ) -> tuple[Tensor, int]:
        return _Join.apply(row.movedim(in_dims[0], 0), boxes, size), 0
