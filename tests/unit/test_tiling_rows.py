"""Row tiling: small tilings drawn by hand, published layer sizes, laws over random layers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_model.errors import ConfigurationError
from analog_model.nn.tiling import RowTiling, snake_order, tile_rows

_ = -1


def test_the_snake_turns_at_the_end_of_each_line() -> None:
    places = [(int(p) // 3, int(p) % 3) for p in snake_order((3, 3))]
    assert places == [
        (0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0), (2, 0), (2, 1), (2, 2)
    ]  # fmt: skip


def test_two_channels_of_a_small_kernel_drawn_by_hand() -> None:
    """Rows are channel * 4 + position; positions go 0, 1, 3, 2; a guard of one fits."""
    tiling = tile_rows(2, (2, 2), n_word_lines=6, reach=1)
    assert tiling.row_of_word_line.tolist() == [
        [0, 4, _, 1, 5, _],
        [3, 7, _, 2, 6, _],
    ]
    assert tiling.channel_of_word_line.tolist() == [[0, 1, _, 0, 1, _]] * 2
    assert tiling.position_of_word_line.tolist() == [[0, 0, _, 1, 1, _], [3, 3, _, 2, 2, _]]
    assert tiling.kernel_boxes == (
        (slice(0, 1), slice(0, 2)),
        (slice(1, 2), slice(0, 2)),
    )
    assert tiling.channel_ranges == (slice(0, 2), slice(0, 2))


def test_guards_that_would_cost_an_array_are_left_out() -> None:
    tiling = tile_rows(2, (2, 2), n_word_lines=8, reach=1)
    assert tiling.guard == 0
    assert tiling.row_of_word_line.tolist() == [[0, 4, 1, 5, 3, 7, 2, 6]]


def test_an_explicit_guard_is_kept_at_any_price() -> None:
    tiling = tile_rows(2, (2, 2), n_word_lines=8, guard=1)
    assert tiling.row_of_word_line.tolist() == [
        [0, 4, _, 1, 5, _, 3, 7],
        [2, 6, _, _, _, _, _, _],
    ]


def test_more_channels_than_word_lines_are_cut_into_blocks() -> None:
    """Five channels on four word lines: four of each position, then the fifths together."""
    tiling = tile_rows(5, (1, 2), n_word_lines=4, reach=2)
    assert tiling.row_of_word_line.tolist() == [
        [0, 2, 4, 6],
        [1, 3, 5, 7],
        [8, _, _, 9],
    ]
    assert tiling.channel_ranges == (slice(0, 4), slice(0, 4), slice(4, 5))


def test_channels_keep_their_parity_where_it_costs_nothing() -> None:
    """Three channels, period 2: positions four word lines apart, blocks cut at even ones."""
    tiling = tile_rows(3, (1, 2), n_word_lines=7, period=2)
    assert tiling.row_of_word_line.tolist() == [[0, 2, 4, _, 1, 3, 5]]
    tight = tile_rows(3, (1, 2), n_word_lines=6, period=2)
    assert tight.row_of_word_line.tolist() == [[0, 2, 4, 1, 3, 5]]
    cut = tile_rows(7, n_word_lines=5, period=2)
    assert cut.row_of_word_line.tolist() == [[0, 1, 2, 3, _], [4, 5, 6, _, _]]
    full = tile_rows(10, n_word_lines=5, period=2)
    assert full.row_of_word_line.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_neighbours_drawn_by_hand() -> None:
    """Two positions side by side, (0, 0) then (0, 1), without guards."""
    tiling = tile_rows(2, (1, 2), n_word_lines=5, guard=0)
    neighbours = tiling.neighbours((-1, 1, 2))
    assert neighbours.channel.tolist() == [[[_, 1, 0], [0, 0, 1], [1, 1, _], [0, _, _], [_, _, _]]]
    assert neighbours.dw.tolist() == [[[0, 0, 1], [0, 1, 1], [-1, 0, 0], [0, 0, 0], [0, 0, 0]]]
    assert not neighbours.dh.any()
    assert not neighbours.stays_in_pixel
    assert tile_rows(2, (1, 2), n_word_lines=5, reach=1).neighbours((-1, 1)).stays_in_pixel


def test_neighbours_may_come_as_a_table() -> None:
    """A chip's own table, here offset +1 for some word lines only; 5 stands for none."""
    tiling = tile_rows(2, (2, 1), n_word_lines=5, guard=0)
    table = np.array([[1, 5, 3, 5, 5]])
    neighbours = tiling.neighbours_of(table)
    assert neighbours.channel[0, :, 0].tolist() == [1, _, 1, _, _]
    below = tiling.neighbours_of(np.array([[2, 5, 5, 0, 0]]))
    assert below.channel[0, :, 0].tolist() == [0, _, _, 0, _]
    assert below.dh[0, :, 0].tolist() == [1, 0, 0, -1, 0]


@pytest.mark.parametrize(
    ("layer", "word_lines", "arrays", "guard"),
    [
        ((256, (1, 1)), 128, 2, 0),
        # 25 positions of 6 channels: 21 to an array without guards, 16 with two between.
        ((6, (5, 5)), 128, 2, 2),
        # Two positions of 64 fill 128 word lines; nine fill 576 exactly.
        ((64, (3, 3)), 128, 5, 0),
        ((64, (3, 3)), 576, 1, 0),
        # A position needs two arrays.
        ((256, (3, 3)), 128, 18, 2),
        # One channel: 25 rows, each with its guards.
        ((1, (5, 5)), 128, 1, 2),
        ((1, (5, 5)), 25, 1, 0),
        # One group of a depthwise convolution.
        ((1, (3, 3)), 128, 1, 2),
        # 192 = 128 + 64: the halves share an array by twos.
        ((192, (3, 3)), 128, 9 + 5, 0),
    ],
)
def test_layers_of_real_networks(
    layer: tuple[int, tuple[int, int]], word_lines: int, arrays: int, guard: int
) -> None:
    tiling = tile_rows(*layer, n_word_lines=word_lines, reach=2, period=2)
    assert (tiling.n_row_tiles, tiling.guard) == (arrays, guard)


def test_a_linear_layer_is_contiguous() -> None:
    tiling = tile_rows(300, n_word_lines=128, reach=2)
    rows = tiling.row_of_word_line
    assert np.array_equal(rows.ravel()[:300], np.arange(300))
    assert (rows.ravel()[300:] == -1).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_channels": 0},
        {"n_word_lines": 0},
        {"kernel_shape": (0, 1)},
        {"reach": -1},
        {"guard": -1},
        {"guard": "some"},
        {"period": 0},
    ],
)
def test_wrong_counts_are_refused(wrong: dict[str, Any]) -> None:
    options = {"n_channels": 2, "kernel_shape": (1, 2), "n_word_lines": 8, **wrong}
    with pytest.raises(ConfigurationError, match="tile_rows"):
        tile_rows(**options)


SIZES = {
    "channels": st.integers(1, 40),
    "kernel": st.tuples(st.integers(1, 4), st.integers(1, 4)),
    "word_lines": st.integers(1, 48),
    "reach": st.integers(0, 3),
    "period": st.integers(1, 4),
}


@settings(max_examples=150, deadline=None)
@given(**SIZES)
def test_every_weight_row_lies_on_one_word_line(
    channels: int, kernel: tuple[int, int], word_lines: int, reach: int, period: int
) -> None:
    tiling = tile_rows(channels, kernel, n_word_lines=word_lines, reach=reach, period=period)
    rows = tiling.row_of_word_line
    assert rows.shape[1] == word_lines
    assert np.array_equal(np.sort(rows[rows >= 0]), np.arange(channels * kernel[0] * kernel[1]))
    # Each array holds at least one row, so none is spare.
    assert (rows >= 0).any(axis=1).all()


def blocks_of(lines: list[int]) -> list[tuple[int, int, int]]:
    """Position, first and last word line of each run of one position, read off an array."""
    found: list[tuple[int, int, int]] = []
    for at, position in enumerate(lines):
        if position < 0:
            continue
        if found and found[-1][0] == position:
            assert found[-1][2] == at - 1, "a position lies in one piece"
            found[-1] = (position, found[-1][1], at)
        else:
            found.append((position, at, at))
    return found


@settings(max_examples=150, deadline=None)
@given(**SIZES, guard=st.sampled_from(["auto", 0, 1, 3]))
def test_positions_keep_their_distance_and_their_order(
    channels: int,
    kernel: tuple[int, int],
    word_lines: int,
    reach: int,
    period: int,
    guard: Any,
) -> None:
    tiling = tile_rows(
        channels, kernel, n_word_lines=word_lines, reach=reach, period=period, guard=guard
    )
    order = snake_order(kernel).tolist()
    if guard != "auto" and len(order) > 1:
        assert tiling.guard == guard
    for positions, numbers in zip(
        tiling.position_of_word_line.tolist(), tiling.channel_of_word_line, strict=True
    ):
        blocks = blocks_of(positions)
        for (one, _first, end), (other, start, _last) in itertools.pairwise(blocks):
            assert start - end - 1 >= tiling.guard
            assert order.index(other) == order.index(one) + 1
        held = {tuple(numbers[first : last + 1]) for _position, first, last in blocks}
        assert len(held) == 1, "every position of an array has the same channels"
        (channel,) = held
        assert np.array_equal(channel, np.arange(channel[0], channel[0] + len(channel)))
    if tiling.guard >= reach:
        every = [k for k in range(-reach, reach + 1) if k]
        assert not every or tiling.neighbours(every).stays_in_pixel


@settings(max_examples=150, deadline=None)
@given(**SIZES)
def test_neither_guards_nor_periods_cost_an_array(
    channels: int, kernel: tuple[int, int], word_lines: int, reach: int, period: int
) -> None:
    plain = tile_rows(channels, kernel, n_word_lines=word_lines)
    kept = tile_rows(channels, kernel, n_word_lines=word_lines, reach=reach, period=period)
    assert kept.n_row_tiles == plain.n_row_tiles
    # Whole positions, of which an array holds as many as fit, remainders of blocks likewise.
    n_positions = kernel[0] * kernel[1]
    rest = channels % word_lines
    least = n_positions * (channels // word_lines)
    least += -(-n_positions // (word_lines // rest)) if rest else 0
    assert plain.n_row_tiles == least


@settings(max_examples=60, deadline=None)
@given(**SIZES)
def test_neighbours_point_at_what_lies_there(
    channels: int, kernel: tuple[int, int], word_lines: int, reach: int, period: int
) -> None:
    """The (channel, shift) of every neighbour leads to the row of that word line."""
    tiling = tile_rows(channels, kernel, n_word_lines=word_lines, reach=reach, period=period)
    offsets = (-3, -1, 1, 2)
    found = tiling.neighbours(offsets)
    for at in np.ndindex(tiling.n_row_tiles, word_lines, len(offsets)):
        tile, line, k = at
        other = line + offsets[k]
        there = tiling.row_of_word_line[tile, other] if 0 <= other < word_lines else -1
        own = tiling.row_of_word_line[tile, line]
        if there < 0 or own < 0:
            assert (found.channel[at], found.dh[at], found.dw[at]) == (-1, 0, 0)
            continue
        height, width = divmod(int(own) % (kernel[0] * kernel[1]), kernel[1])
        position = (height + found.dh[at]) * kernel[1] + width + found.dw[at]
        assert found.channel[at] * kernel[0] * kernel[1] + position == there


def test_a_tiling_cannot_be_changed() -> None:
    tiling = tile_rows(4, n_word_lines=4)
    assert isinstance(tiling, RowTiling)
    with pytest.raises(ValueError, match="read-only"):
        tiling.row_of_word_line[0, 0] = 3
