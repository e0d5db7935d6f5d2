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
from analog_model.nn.tile_charges import TileCharges

_SOURCES = ("loss_kernel.cpp",)
# Integers of a tile among the counts: its first map, its first line there, the shift.
_PLACE = 4


def lost_by_pairs(
    tiles: Sequence[Sequence[TileCharges]],
    shares: Sequence[Tensor],
    strength: Tensor,
    *,
    n_pairs: int,
    n_space: int,
    size: tuple[int, int],
) -> Tensor:
    """Charge (B, H', W', G, out) that the drop costs plus lines beyond minus lines, of all tiles.

    `tiles` [tile][time mode]: half sums of every space mode, then half differences, each of every
    pair, or a half sum of the mean pair alone where `shares` (G, out) of the tiles say what the
    pairs have of it. `strength` (1,) of the feedback of the first mode, 0 without; the result has
    its precision. `size` (H', W') of the outputs.
    """
    maps: list[Tensor] = []
    places: list[int] = []
    for tile in tiles:
        # Tiles that share their maps do so in every time mode.
        first = next((k for k, own in enumerate(maps) if own is tile[0].found), len(maps))
        if first == len(maps):
            maps += [own.found for own in tile]
        places += [first, tile[0].first_line, *tile[0].shift]
    counts = [n_pairs, n_space, len(tiles[0]), *size, *places]
    found: Tensor
    if torch.is_grad_enabled() and any(own.requires_grad for own in (*maps, *shares)):
        found = _Lost.apply(strength, counts, len(maps), *maps, *shares)
    else:
        # Else torch.compile takes the first of any number of arguments for a context.
        found = _forward(maps, list(shares), strength, counts)
    return found


def _empty(maps: Sequence[Tensor], strength: Tensor, counts: Sequence[int]) -> Tensor:
    n_pairs, _, _, height, width = counts[:5]
    return strength.new_empty((maps[0].shape[0], height, width, maps[0].shape[3], n_pairs))


def _empty_slopes(
    maps: Sequence[Tensor], shares: Sequence[Tensor], strength: Tensor
) -> list[Tensor]:
    by_map = [torch.empty_like(own, memory_format=torch.contiguous_format) for own in maps]
    size = (len(maps[0]), len(shares), *shares[0].shape) if shares else (0,)
    return [*by_map, strength.new_zeros(size)]


def _call(
    kind: str,
    maps: Sequence[Tensor],
    shares: Sequence[Tensor],
    strength: Tensor,
    counts: Sequence[int],
    *others: Tensor | Sequence[Tensor],
) -> None:
    """Call a kernel; `Sizes` and `Tile` of loss_kernel.cpp are the two lists of integers."""
    n_pairs, n_space, n_time, *size = counts[:5]
    table: list[int] = []
    for start in range(5, len(counts), _PLACE):
        place = counts[start : start + _PLACE]
        _, height, width, _, lines = maps[place[0]].shape
        table += [*place, height, width, lines]
    n_tiles = (len(counts) - 5) // _PLACE
    sizes = [len(maps[0]), *size, maps[0].shape[3], n_pairs, n_tiles, n_space, n_time]
    sizes += [bool(shares), maps[0].dtype != strength.dtype, torch.get_num_threads()]
    kernel = (_SOURCES, kind, strength.dtype)
    call(*kernel, sizes, table, strength, list(maps), list(shares), *others)


@torch.library.custom_op("analog_model::lost_by_pairs", mutates_args=(), device_types="cpu")
def _forward(
    maps: list[Tensor], shares: list[Tensor], strength: Tensor, counts: list[int]
) -> Tensor:
    lost = _empty(maps, strength, counts)
    _call("lost", _contiguous(maps), _contiguous(shares), strength, counts, lost)
    return lost


@torch.library.custom_op("analog_model::lost_by_pairs_adjoint", mutates_args=(), device_types="cpu")
def _backward(
    gradient: Tensor,
    maps: list[Tensor],
    shares: list[Tensor],
    strength: Tensor,
    counts: list[int],
) -> list[Tensor]:
    maps, shares, whole = _contiguous(maps), _contiguous(shares), gradient.contiguous()
    slopes = _empty_slopes(maps, shares, strength)
    _call("adjoint", maps, shares, strength, counts, whole, slopes[:-1], slopes[-1])
    return slopes


def _contiguous(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [own.contiguous() for own in tensors]


@_forward.register_fake
def _(
    maps: list[Tensor],
    shares: list[Tensor],  # noqa: ARG001
    strength: Tensor,
    counts: list[int],
) -> Tensor:
    return _empty(maps, strength, counts)


@_backward.register_fake
def _(
    gradient: Tensor,  # noqa: ARG001
    maps: list[Tensor],
    shares: list[Tensor],
    strength: Tensor,
    counts: list[int],  # noqa: ARG001
) -> list[Tensor]:
    return _empty_slopes(maps, shares, strength)


class _Lost(torch.autograd.Function):
    @staticmethod
    def forward(strength: Tensor, counts: list[int], n_maps: int, *every: Tensor) -> Tensor:
        return _forward(list(every[:n_maps]), list(every[n_maps:]), strength, counts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        strength, ctx.counts, ctx.n_maps, *every = inputs
        ctx.save_for_backward(strength, *every)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        strength, *every = ctx.saved_tensors
        maps, shares = every[: ctx.n_maps], every[ctx.n_maps :]
        *slopes, by_share = _backward(gradients[0], maps, shares, strength, ctx.counts)
        shared = by_share.sum(0).unbind() if shares else ()
        return None, None, None, *slopes, *shared
