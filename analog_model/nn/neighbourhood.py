"""Neighbourhood: for every word-line unit the pulse widths of its neighbours.

A copy, channel by channel and shifted from pixel to pixel, with 0 where there is no
neighbour. It is an operator of its own because a compiler that sees through it weaves the
borders' conditions into every use of every neighbour, which costs far more than the copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# A run of units as integers: neighbour number, first unit, count, first channel, dh, dw.
_FIELDS = 6


def _places(
    runs: Sequence[int], size: Sequence[int], padding: Sequence[int]
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Index into the neighbourhood (K, B, V, H', W') and the image of each run's copy."""
    places = []
    for start in range(0, len(runs), _FIELDS):
        k, unit, count, channel, *shift = runs[start : start + _FIELDS]
        there: list[Any] = [k, slice(None), slice(unit, unit + count)]
        here: list[Any] = [slice(None), slice(channel, channel + count)]
        for length, margin, step in zip(size, padding, shift, strict=True):
            # Place i of the neighbourhood holds pixel i - margin + step of the image.
            first = max(0, margin - step)
            last = min(length + 2 * margin, length + margin - step)
            there.append(slice(first, max(first, last)))
            here.append(slice(first - margin + step, max(first, last) - margin + step))
        places.append((tuple(there), tuple(here)))
    return places


@torch.library.custom_op("analog_model::neighbourhood", mutates_args=())
def neighbourhood(
    image: Tensor, runs: list[int], n_neighbours: int, n_units: int, padding: list[int]
) -> Tensor:
    """Widths (K, B, V, H + 2 ph, W + 2 pw) of an image (B, C, H, W)."""
    height, width = image.shape[2] + 2 * padding[0], image.shape[3] + 2 * padding[1]
    found = image.new_zeros(n_neighbours, image.shape[0], n_units, height, width)
    for there, here in _places(runs, image.shape[2:], padding):
        found[there] = image[here]
    return found


@torch.library.custom_op("analog_model::neighbourhood_adjoint", mutates_args=())
def neighbourhood_adjoint(
    gradient: Tensor, runs: list[int], n_channels: int, padding: list[int]
) -> Tensor:
    """Gradient (B, C, H, W) by the image for that by the neighbourhood."""
    size = (gradient.shape[3] - 2 * padding[0], gradient.shape[4] - 2 * padding[1])
    image = gradient.new_zeros(gradient.shape[1], n_channels, *size)
    for there, here in _places(runs, size, padding):
        image[here] += gradient[there]
    return image


@neighbourhood.register_fake
def _(
    image: Tensor, runs: list[int], n_neighbours: int, n_units: int, padding: list[int]
) -> Tensor:
    height, width = image.shape[2] + 2 * padding[0], image.shape[3] + 2 * padding[1]
    return image.new_empty(n_neighbours, image.shape[0], n_units, height, width)


@neighbourhood_adjoint.register_fake
def _(gradient: Tensor, runs: list[int], n_channels: int, padding: list[int]) -> Tensor:
    size = (gradient.shape[3] - 2 * padding[0], gradient.shape[4] - 2 * padding[1])
    return gradient.new_empty(gradient.shape[1], n_channels, *size)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    image, ctx.runs, _, _, ctx.padding = inputs
    ctx.n_channels = image.shape[1]


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
    image = neighbourhood_adjoint(gradient, ctx.runs, ctx.n_channels, ctx.padding)
    return image, None, None, None, None


def _keep_adjoint(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    gradient, ctx.runs, _, ctx.padding = inputs
    ctx.size = gradient.shape[0], gradient.shape[2]


def _backward_adjoint(ctx: Any, image: Tensor) -> tuple[Tensor, None, None, None]:
    return neighbourhood(image, ctx.runs, *ctx.size, ctx.padding), None, None, None


neighbourhood.register_autograd(_backward, setup_context=_keep)
neighbourhood_adjoint.register_autograd(_backward_adjoint, setup_context=_keep_adjoint)


@neighbourhood.register_vmap
def _(info: Any, in_dims: Any, image: Tensor, *options: Any) -> tuple[Tensor, int]:
    folded = image.movedim(in_dims[0], 0).flatten(0, 1)
    found = neighbourhood(folded, *options)
    return found.unflatten(1, (info.batch_size, -1)), 1


@neighbourhood_adjoint.register_vmap
def _(info: Any, in_dims: Any, gradient: Tensor, *options: Any) -> tuple[Tensor, int]:
    folded = gradient.movedim(in_dims[0], 1).flatten(1, 2)
    found = neighbourhood_adjoint(folded, *options)
    return found.unflatten(0, (info.batch_size, -1)), 0


@torch.library.custom_op("analog_model::margins", mutates_args=())
def margins(image: Tensor, sides: list[int]) -> Tensor:
    """`torch.nn.functional.pad` of the last two dimensions, negative sides cut off; some not 0."""
    return torch.nn.functional.pad(image, sides)


@margins.register_fake
def _(image: Tensor, sides: list[int]) -> Tensor:
    *front, height, width = image.shape
    return image.new_empty(*front, height + sides[2] + sides[3], width + sides[0] + sides[1])


def _keep_sides(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    _, ctx.sides = inputs


def _backward_margins(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return margins(gradient, [-side for side in ctx.sides]), None


margins.register_autograd(_backward_margins, setup_context=_keep_sides)


@margins.register_vmap
def _(info: Any, in_dims: Any, image: Tensor, sides: list[int]) -> tuple[Tensor, int]:  # noqa: ARG001
    return margins(image.movedim(in_dims[0], 0), sides), 0
