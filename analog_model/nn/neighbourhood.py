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
    runs: Sequence[int], size: Sequence[int]
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Index into the neighbourhood (K, B, V, H', W') and the image of each run's copy."""
    places = []
    for start in range(0, len(runs), _FIELDS):
        k, unit, count, channel, *shift = runs[start : start + _FIELDS]
        there: list[Any] = [k, slice(None), slice(unit, unit + count)]
        here: list[Any] = [slice(None), slice(channel, channel + count)]
        for length, step in zip(size, shift, strict=True):
            # Place i of the neighbourhood holds pixel i + step of the image.
            first = max(0, -step)
            last = max(first, min(length, length - step))
            there.append(slice(first, last))
            here.append(slice(first + step, last + step))
        places.append((tuple(there), tuple(here)))
    return places


def _gaps(runs: Sequence[int], n_neighbours: int, n_units: int) -> list[tuple[int, int, int]]:
    """Units first:stop without a neighbour, for each neighbour number."""
    ends = dict.fromkeys(range(n_neighbours), 0)
    gaps = []
    for start in range(0, len(runs), _FIELDS):
        k, unit, count = runs[start : start + 3]
        if unit > ends[k]:
            gaps.append((k, ends[k], unit))
        ends[k] = unit + count
    return gaps + [(k, end, n_units) for k, end in ends.items() if end < n_units]


@torch.library.custom_op("analog_model::neighbourhood", mutates_args=())
def _gather(image: Tensor, runs: list[int], n_neighbours: int, n_units: int) -> Tensor:
    found = _empty_neighbourhood(image, n_neighbours, n_units)
    image = image.contiguous(memory_format=torch.channels_last)
    for there, here in _places(runs, image.shape[2:]):
        found[there] = image[here]
        k, batch, units, high, wide = there
        for border in (
            (k, batch, units, slice(0, high.start)),
            (k, batch, units, slice(high.stop, None)),
            (k, batch, units, high, slice(0, wide.start)),
            (k, batch, units, high, slice(wide.stop, None)),
        ):
            found[border] = 0
    for k, first, stop in _gaps(runs, n_neighbours, n_units):
        found[k, :, first:stop] = 0
    return found


@torch.library.custom_op("analog_model::neighbourhood_adjoint", mutates_args=())
def _scatter(gradient: Tensor, runs: list[int], n_channels: int) -> Tensor:
    image = _empty_image(gradient, n_channels).zero_()
    for there, here in _places(runs, image.shape[2:]):
        image[here] += gradient[there]
    return image


@_gather.register_fake
def _(
    image: Tensor,
    runs: list[int],  # noqa: ARG001
    n_neighbours: int,
    n_units: int,
) -> Tensor:
    return _empty_neighbourhood(image, n_neighbours, n_units)


@_scatter.register_fake
def _(
    gradient: Tensor,
    runs: list[int],  # noqa: ARG001
    n_channels: int,
) -> Tensor:
    return _empty_image(gradient, n_channels)


def _empty_neighbourhood(image: Tensor, n_neighbours: int, n_units: int) -> Tensor:
    # Channels last, as convolutions like it best: neighbours then lie side by side.
    shape = (n_neighbours, image.shape[0], *image.shape[2:], n_units)
    return image.new_empty(shape).permute(0, 1, 4, 2, 3)


def _empty_image(gradient: Tensor, n_channels: int) -> Tensor:
    shape = (gradient.shape[1], *gradient.shape[3:], n_channels)
    return gradient.new_empty(shape).permute(0, 3, 1, 2)


@torch.library.custom_op("analog_model::margins", mutates_args=())
def _pad(image: Tensor, sides: list[int]) -> Tensor:
    return torch.nn.functional.pad(image, sides)


@_pad.register_fake
def _(image: Tensor, sides: list[int]) -> Tensor:
    return torch.nn.functional.pad(image, sides)


def neighbourhood(image: Tensor, runs: list[int], n_neighbours: int, n_units: int) -> Tensor:
    """Widths (K, B, V, H, W) of an image (B, C, H, W).

    `runs` as `WordLineUnits.flat_runs` gives them.
    """
    found: Tensor = _Neighbourhood.apply(image, runs, n_neighbours, n_units)
    return found


def margins(image: Tensor, sides: list[int]) -> Tensor:
    """`torch.nn.functional.pad` of the last two dimensions, negative sides cut off; some not 0."""
    found: Tensor = _Margins.apply(image, sides)
    return found


# Derivatives by Functions, not by the operators' own registration: torch.func transforms those.


class _Neighbourhood(torch.autograd.Function):
    @staticmethod
    def forward(image: Tensor, runs: list[int], n_neighbours: int, n_units: int) -> Tensor:
        return _gather(image, runs, n_neighbours, n_units)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        image, ctx.runs, _, _ = inputs
        ctx.n_channels = image.shape[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        image = _Adjoint.apply(gradients[0], ctx.runs, ctx.n_channels)
        return image, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, image: Tensor, *options: Any) -> tuple[Tensor, int]:
        folded = image.movedim(in_dims[0], 0).flatten(0, 1)
        return _Neighbourhood.apply(folded, *options).unflatten(1, (info.batch_size, -1)), 1


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(gradient: Tensor, runs: list[int], n_channels: int) -> Tensor:
        return _scatter(gradient, runs, n_channels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        gradient, ctx.runs, _ = inputs
        ctx.size = gradient.shape[0], gradient.shape[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        image = _Neighbourhood.apply(gradients[0], ctx.runs, *ctx.size)
        return image, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, gradient: Tensor, *options: Any) -> tuple[Tensor, int]:
        folded = gradient.movedim(in_dims[0], 1).flatten(1, 2)
        return _Adjoint.apply(folded, *options).unflatten(0, (info.batch_size, -1)), 0


class _Margins(torch.autograd.Function):
    @staticmethod
    def forward(image: Tensor, sides: list[int]) -> Tensor:
        return _pad(image, sides)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.sides = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Margins.apply(gradients[0], [-side for side in ctx.sides]), None

    @staticmethod
    def vmap(_info: Any, in_dims: Any, image: Tensor, sides: list[int]) -> tuple[Tensor, int]:
        return _Margins.apply(image.movedim(in_dims[0], 0), sides), 0
