"""Drop losses: what the drop along the bit lines costs a layer, from the charges of its modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analog_model.nn.loss_kernel import lost_by_pairs
from analog_model.nn.processor_kernel import suits_kernels
from analog_model.nn.recomputation import recomputed
from analog_model.nn.tile_charges import TileCharges
from analog_model.physics.closed_form import lost_charge, lost_difference

# Charges [space mode][time mode] of the lines of a tile, half sums and half differences.
Halves = tuple[list[list[Tensor]], list[list[Tensor]]]


@dataclass(frozen=True)
class TileModes:
    """Charges of one row tile's modes; P space modes, H' x W' pixels of outputs.

    `charges` [time mode]: the half sums of every space mode, then the half differences, each of
    every pair of lines. Of `share` (G, out) a half sum is the mean pair's, and the pairs have
    their shares of it. What rounding a half suffers, both lines share.
    """

    charges: list[TileCharges]
    n_space: int
    n_pairs: int
    size: tuple[int, int]
    share: Tensor | None

    def halves(self, dtype: torch.dtype) -> Halves:
        """Half sums, half differences of every pair, (B, H', W', G, out) each."""
        size = (1 if self.share is not None else self.n_pairs, self.n_pairs)
        sizes = [half for half in size for _ in range(self.n_space)]
        by_time = [
            [own.to(dtype) for own in one.of_outputs(self.size, sum(sizes)).split(sizes, -1)]
            for one in self.charges
        ]
        by_line = [list(row) for row in zip(*by_time, strict=True)]
        sums, differences = by_line[: self.n_space], by_line[self.n_space :]
        if self.share is not None:
            sums = [[mode * self.share for mode in row] for row in sums]
        return sums, differences


def lost_of_pairs(tiles: Sequence[TileModes], feedback: Tensor | None, like: Tensor) -> Tensor:
    """Charge (B, H', W', G, out) that the drop costs plus lines beyond minus lines, of all tiles.

    `feedback` as in `DropModes`, None to first order; in the precision of `like`.
    """
    first = tiles[0]
    alone = feedback is None or feedback.numel() == 1
    numbers = [like, *([] if first.share is None else [first.share])]
    # Coarse charges are those of single precision.
    kinds = (torch.float32, torch.bfloat16) if like.dtype == torch.float32 else (like.dtype,)
    if alone and suits_kernels(*numbers) and first.charges[0].found.dtype in kinds:
        return lost_by_pairs(
            [tile.charges for tile in tiles],
            [tile.share for tile in tiles if tile.share is not None],
            like.new_zeros(1) if feedback is None else feedback.reshape(1),
            n_pairs=first.n_pairs,
            n_space=first.n_space,
            size=first.size,
        )
    lost = like.new_zeros(())
    for tile in tiles:
        lost = lost + recomputed(lost_difference, *tile.halves(like.dtype), feedback)
    return lost


def lost_of_lines(
    tile: TileModes, feedback: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Charge that the drop costs plus, minus lines of one tile, (B, H', W', G, out) each."""
    halves = zip(*tile.halves(dtype), strict=True)
    rows = [list(zip(*row, strict=True)) for row in halves]
    plus = lost_charge([[s + d for s, d in row] for row in rows], feedback)
    minus = lost_charge([[s - d for s, d in row] for row in rows], feedback)
    return plus, minus
