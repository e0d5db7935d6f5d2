"""Row tiling: the weight rows of one layer on the word lines of its arrays.

A weight row is one input of the layer's weight in torch's flattened order,
channel * n_positions + position, where a position is a place in the kernel, itself flattened
as height * KW + width. A linear layer has one position; its channels are its inputs.

On an array the channels of a position lie on neighbouring word lines, so that coupling joins
channels of one pixel. Positions follow each other in snake order (boustrophedon), so that
those of one array stay close together in the kernel. More channels than word lines are cut
into blocks; each block is then placed as if it were a layer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analog_model.errors import ConfigurationError

UNUSED = -1


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What drives the neighbours of every word line: arrays (row_tile, word_line, neighbour).

    `channel` is -1 where the neighbour or the word line itself is not driven. The neighbour's
    kernel position is the word line's own plus (`dh`, `dw`) places of the kernel, which a
    dilation spreads; both are 0 within one pixel.
    """

    channel: np.ndarray
    dh: np.ndarray
    dw: np.ndarray

    @property
    def stays_in_pixel(self) -> bool:
        """No word line couples to another pixel."""
        return not (self.dh.any() or self.dw.any())


@dataclass(frozen=True, eq=False)
class RowTiling:
    """Weight row on each word line of each array that a layer's inputs need.

    `row_of_word_line` (row_tile, word_line) is -1 where a word line is never driven. `guard`
    is the smallest number of such lines between two positions on one array.
    """

    n_word_lines: int
    n_channels: int
    kernel_shape: tuple[int, int]
    guard: int
    row_of_word_line: np.ndarray

    @property
    def n_row_tiles(self) -> int:
        return int(self.row_of_word_line.shape[0])

    @property
    def n_positions(self) -> int:
        return self.kernel_shape[0] * self.kernel_shape[1]

    @property
    def n_rows(self) -> int:
        return self.n_channels * self.n_positions

    @property
    def used(self) -> np.ndarray:
        """Word lines that carry a weight row (row_tile, word_line)."""
        return self.row_of_word_line != UNUSED

    @property
    def channel_of_word_line(self) -> np.ndarray:
        """Channel (row_tile, word_line), -1 where unused."""
        return np.where(self.used, self.row_of_word_line // self.n_positions, UNUSED)

    @property
    def position_of_word_line(self) -> np.ndarray:
        """Flattened kernel position (row_tile, word_line), -1 where unused."""
        return np.where(self.used, self.row_of_word_line % self.n_positions, UNUSED)

    @property
    def kernel_boxes(self) -> tuple[tuple[slice, slice], ...]:
        """Smallest rectangle (heights, widths) around each row tile's kernel positions."""
        boxes = []
        for positions in self.position_of_word_line:
            height, width = np.divmod(positions[positions != UNUSED], self.kernel_shape[1])
            boxes.append((_range_of(height), _range_of(width)))
        return tuple(boxes)

    @property
    def channel_ranges(self) -> tuple[slice, ...]:
        """Channels that each row tile holds; all its positions hold the same."""
        return tuple(_range_of(row[row != UNUSED]) for row in self.channel_of_word_line)

    def neighbours(self, offsets: Sequence[int]) -> Neighbours:
        """Neighbours of each word line at coupling offsets; none beyond the array's edge."""
        line = np.arange(self.n_word_lines) + np.asarray(offsets, dtype=int)[:, None]
        exists = (line >= 0) & (line < self.n_word_lines)
        return self.neighbours_of(np.where(exists, line, self.n_word_lines))

    def neighbours_of(self, aggressors: np.ndarray) -> Neighbours:
        """Neighbours of each word line from a table of them.

        `aggressors` (neighbour, word_line) holds word lines, `n_word_lines` where there is
        none: what the couplings of a chip give.
        """
        channel, position = (
            np.pad(lines, ((0, 0), (0, 1)), constant_values=UNUSED)
            for lines in (self.channel_of_word_line, self.position_of_word_line)
        )
        driven = self.used[:, :, None] & (channel[:, aggressors.T] != UNUSED)
        own = np.divmod(position[:, :-1, None], self.kernel_shape[1])
        other = np.divmod(position[:, aggressors.T], self.kernel_shape[1])
        return Neighbours(
            channel=np.where(driven, channel[:, aggressors.T], UNUSED),
            dh=np.where(driven, other[0] - own[0], 0),
            dw=np.where(driven, other[1] - own[1], 0),
        )


def tile_rows(
    n_channels: int,
    kernel_shape: tuple[int, int] = (1, 1),
    *,
    n_word_lines: int,
    reach: int = 0,
    guard: Literal["auto"] | int = "auto",
    period: int = 1,
) -> RowTiling:
    """Place the weight rows of one group of a layer on as few arrays as possible.

    `kernel_shape` is (KH, KW), (1, 1) for a linear layer. `guard` word lines between two
    positions of an array are never driven; "auto" takes as many as the coupling reaches,
    `reach` word lines, unless that needs a further array, and none then. An explicit number
    is kept at any price. Where it needs no further array, blocks of channels start at
    multiples of the layout's `period` along the word lines: a channel then always meets the
    same layout classes.

    Raises ConfigurationError for a count below its least value.
    """
    height, width = kernel_shape
    counts = {"n_channels": n_channels, "n_word_lines": n_word_lines, "period": period}
    _check_counts({**counts, "kernel height": height, "kernel width": width}, least=1)
    _check_counts({"reach": reach, "guard": 0 if guard == "auto" else guard}, least=0)
    order = snake_order(kernel_shape)
    size = _Size(n_word_lines=n_word_lines, n_positions=order.size)
    blocks = _channel_blocks(n_channels, size, period)
    gap = _gap(blocks, size, reach if guard == "auto" else guard, optional=guard == "auto")
    tiles: list[np.ndarray] = []
    for first, stop in blocks:
        stride = _stride(stop - first, gap, size, period)
        per_array = size.positions_per_array(stop - first, stride)
        for start in range(0, order.size, per_array):
            lines = np.full(n_word_lines, UNUSED)
            for place, position in enumerate(order[start : start + per_array]):
                at = place * stride
                rows = np.arange(first, stop) * order.size + position
                lines[at : at + stop - first] = rows
            tiles.append(lines)
    row_of_word_line = np.stack(tiles)
    row_of_word_line.flags.writeable = False
    return RowTiling(
        n_word_lines=n_word_lines,
        n_channels=n_channels,
        kernel_shape=kernel_shape,
        guard=gap,
        row_of_word_line=row_of_word_line,
    )


def snake_order(kernel_shape: tuple[int, int]) -> np.ndarray:
    """Flattened kernel positions line by line, every other line backwards."""
    position = np.arange(kernel_shape[0] * kernel_shape[1]).reshape(kernel_shape)
    position[1::2] = position[1::2, ::-1]
    return position.ravel()


@dataclass(frozen=True)
class _Size:
    """What is to be placed on what."""

    n_word_lines: int
    n_positions: int

    def positions_per_array(self, n_channels: int, stride: int) -> int:
        # The last position of an array needs no guard behind it.
        return 1 + (self.n_word_lines - n_channels) // stride

    def n_arrays(self, n_channels: int, stride: int) -> int:
        return -(-self.n_positions // self.positions_per_array(n_channels, stride))


def _channel_blocks(n_channels: int, size: _Size, period: int) -> list[tuple[int, int]]:
    """Channels first:stop of each block that fits on one array."""
    if n_channels <= size.n_word_lines:
        return [(0, n_channels)]

    def cut(length: int) -> list[tuple[int, int]]:
        starts = range(0, n_channels, length)
        return [(first, min(first + length, n_channels)) for first in starts]

    def n_arrays(blocks: list[tuple[int, int]]) -> int:
        return sum(size.n_arrays(stop - first, stop - first) for first, stop in blocks)

    fullest = cut(size.n_word_lines)
    whole_periods = size.n_word_lines - size.n_word_lines % period
    if whole_periods:
        aligned = cut(whole_periods)
        if n_arrays(aligned) == n_arrays(fullest):
            return aligned
    return fullest


def _gap(blocks: list[tuple[int, int]], size: _Size, guard: int, *, optional: bool) -> int:
    """Undriven word lines between two positions; an optional guard may cost no array."""
    if size.n_positions == 1:
        return 0
    costs = any(
        size.n_arrays(stop - first, stop - first + guard)
        > size.n_arrays(stop - first, stop - first)
        for first, stop in blocks
    )
    return 0 if optional and costs else guard


def _stride(n_channels: int, gap: int, size: _Size, period: int) -> int:
    """Word lines from one position to the next, whole periods if that costs no array."""
    tight = n_channels + gap
    whole = -(-tight // period) * period
    return whole if size.n_arrays(n_channels, whole) == size.n_arrays(n_channels, tight) else tight


def _range_of(values: np.ndarray) -> slice:
    return slice(int(values.min()), int(values.max()) + 1)


def _check_counts(counts: Mapping[str, int | str], *, least: int) -> None:
    for name, value in counts.items():
        if isinstance(value, str) or value < least:
            raise ConfigurationError(
                f"tile_rows.{name}", expected=f"a count of at least {least}", got=repr(value)
            )
