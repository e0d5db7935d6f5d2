"""Loss kernel: what the drop costs the pairs of lines of a layer, for compiled layers.

What `physics.closed_form.lost_difference` gives for every row tile, on processors, in C++: a
compiler given that goes through the charges tile by tile, and once more for each derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from analog_model.nn.processor_kernel import call

_SOURCES = ("loss_kernel.cpp",)


def lost_by_pairs(
    charges: Sequence[Tensor],
    shares: Sequence[Tensor],
    strength: Tensor,
    *,
    n_tiles: int,
    n_space: int,
) -> Tensor:
    """Charge (B, H, W, G, out) that the drop costs plus lines beyond minus lines, of all tiles.

    `charges` (B, H, W, G, lines) of each tile's time modes: half sums of every space mode, then
    half differences, each of every pair, or a half sum of the mean pair alone where `shares`
    (G, out) of the tiles say what the pairs have of it. `strength` (1,) of the feedback of the
    first mode, 0 without; the result has its precision.
    """
    counts = [n_tiles, n_space]
    found: Tensor
    if torch.is_grad_enabled() and any(own.requires_grad for own in (*charges, *shares)):
        found = _Lost.apply(strength, counts, len(charges), *charges, *shares)
    else:
        # Else torch.compile takes the first of any number of arguments for a context.
        found = _forward(list(charges), list(shares), strength, counts)
    return found


def _sizes(
    charges: Sequence[Tensor], shares: Sequence[Tensor], strength: Tensor, counts: Sequence[int]
) -> list[int]:
    images, height, width, groups, _ = charges[0].shape
    n_tiles, n_space = counts
    numbers = [images, height * width, groups, _n_pairs(charges, shares, n_space), *counts]
    coarse = charges[0].dtype != strength.dtype
    return [*numbers, len(charges) // n_tiles, bool(shares), coarse, torch.get_num_threads()]


def _n_pairs(charges: Sequence[Tensor], shares: Sequence[Tensor], n_space: int) -> int:
    lines = charges[0].shape[-1] // n_space
    return lines - 1 if shares else lines // 2


def _empty(
    charges: Sequence[Tensor], shares: Sequence[Tensor], strength: Tensor, counts: Sequence[int]
) -> Tensor:
    size = (*charges[0].shape[:-1], _n_pairs(charges, shares, counts[1]))
    return strength.new_empty(size)


def _empty_slopes(
    charges: Sequence[Tensor], shares: Sequence[Tensor], strength: Tensor
) -> list[Tensor]:
    by_charge = [torch.empty_like(own, memory_format=torch.contiguous_format) for own in charges]
    size = (len(charges[0]), len(shares), *shares[0].shape) if shares else (0,)
    return [*by_charge, strength.new_zeros(size)]


@torch.library.custom_op("analog_model::lost_by_pairs", mutates_args=(), device_types="cpu")
def _forward(
    charges: list[Tensor], shares: list[Tensor], strength: Tensor, counts: list[int]
) -> Tensor:
    charges, shares = _contiguous(charges), _contiguous(shares)
    lost = _empty(charges, shares, strength, counts)
    sizes = _sizes(charges, shares, strength, counts)
    call(_SOURCES, "lost", strength.dtype, sizes, strength, charges, shares, lost)
    return lost


@torch.library.custom_op("analog_model::lost_by_pairs_adjoint", mutates_args=(), device_types="cpu")
def _backward(
    gradient: Tensor,
    charges: list[Tensor],
    shares: list[Tensor],
    strength: Tensor,
    counts: list[int],
) -> list[Tensor]:
    charges, shares = _contiguous(charges), _contiguous(shares)
    slopes = _empty_slopes(charges, shares, strength)
    sizes, whole = _sizes(charges, shares, strength, counts), gradient.contiguous()
    kernel = (_SOURCES, "adjoint", strength.dtype)
    call(*kernel, sizes, strength, charges, shares, whole, slopes[:-1], slopes[-1])
    return slopes


def _contiguous(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [own.contiguous() for own in tensors]


@_forward.register_fake
def _(charges: list[Tensor], shares: list[Tensor], strength: Tensor, counts: list[int]) -> Tensor:
    return _empty(charges, shares, strength, counts)


@_backward.register_fake
def _(
    gradient: Tensor,  # noqa: ARG001
    charges: list[Tensor],
    shares: list[Tensor],
    strength: Tensor,
    counts: list[int],  # noqa: ARG001
) -> list[Tensor]:
    return _empty_slopes(charges, shares, strength)


class _Lost(torch.autograd.Function):
    @staticmethod
    def forward(strength: Tensor, counts: list[int], n_charges: int, *every: Tensor) -> Tensor:
        charges, shares = list(every[:n_charges]), list(every[n_charges:])
        return _forward(charges, shares, strength, counts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        strength, ctx.counts, ctx.n_charges, *every = inputs
        ctx.save_for_backward(strength, *every)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        strength, *every = ctx.saved_tensors
        charges, shares = every[: ctx.n_charges], every[ctx.n_charges :]
        *slopes, by_share = _backward(gradients[0], charges, shares, strength, ctx.counts)
        shared = by_share.sum(0).unbind() if shares else ()
        return None, None, None, *slopes, *shared
