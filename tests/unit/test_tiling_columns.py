"""Column tiling: pairs and references drawn by hand, laws over random layouts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_model.errors import ConfigurationError
from analog_model.nn.tiling import (
    REFERENCE,
    LayerTiling,
    column_classes,
    period_of_word_lines,
    tile_layer,
    tile_outputs,
    tile_rows,
)

_, R = -1, REFERENCE


def test_pairs_on_equal_bit_lines_drawn_by_hand() -> None:
    tiling = tile_outputs(3, n_bit_lines=4, column_class=np.zeros(4, dtype=int))
    assert tiling.output_of_bit_line.tolist() == [[0, 0, 1, 1], [2, 2, _, _]]
    assert tiling.sign_of_bit_line.tolist() == [[1, -1, 1, -1], [1, -1, 0, 0]]
    assert tiling.output_slices == ((0, 0, 3),)
    assert tiling.column_tile_of_output.tolist() == [0, 0, 1]
    assert tiling.plus_line_of_output.tolist() == [0, 2, 0]
    assert tiling.minus_line_of_output.tolist() == [1, 3, 1]


def test_pairs_on_alternating_bit_lines_drawn_by_hand() -> None:
    """Classes 0 1 0 1 0 1 0 1: class 0 holds outputs 0 to 3 of both arrays, class 1 the rest."""
    tiling = tile_outputs(7, n_bit_lines=8, column_class=np.arange(8) % 2)
    assert tiling.output_of_bit_line.tolist() == [
        [0, 4, 0, 4, 1, 5, 1, 5],
        [2, 6, 2, 6, 3, _, 3, _],
    ]
    assert tiling.sign_of_bit_line.tolist() == [
        [1, 1, -1, -1, 1, 1, -1, -1],
        [1, 1, -1, -1, 1, 0, -1, 0],
    ]
    assert tiling.output_slices == ((0, 0, 4), (1, 4, 7))


def test_references_drawn_by_hand() -> None:
    tiling = tile_outputs(5, n_bit_lines=6, column_class=np.arange(6) % 2, signed_weights="offset")
    assert tiling.output_of_bit_line.tolist() == [
        [R, R, 0, 3, 1, 4],
        [R, _, 2, _, _, _],
    ]
    assert tiling.sign_of_bit_line.tolist() == [
        [-1, -1, 1, 1, 1, 1],
        [-1, 0, 1, 0, 0, 0],
    ]
    assert tiling.output_slices == ((0, 0, 3), (1, 3, 5))
    assert tiling.plus_line_of_output.tolist() == [2, 4, 2, 3, 5]
    assert tiling.minus_line_of_output.tolist() == [0, 0, 0, 1, 1]
    assert tiling.column_tile_of_output.tolist() == [0, 0, 1, 0, 0]


def test_a_bit_line_of_its_own_kind_stays_idle() -> None:
    """The bit line under the feeders has no partner."""
    column_class = np.array([1, 0, 0, 0, 0])
    for scheme, capacity in (("differential", 2), ("offset", 3)):
        tiling = tile_outputs(
            capacity, n_bit_lines=5, column_class=column_class, signed_weights=scheme
        )
        assert tiling.unusable_bit_lines.tolist() == [0]
        assert tiling.n_column_tiles == 1
        assert tiling.output_slices == ((0, 0, capacity),)


def test_the_odd_one_out_is_the_distant_one() -> None:
    """Class 0 on 0, 5, 6: 5 with 6, not 0 with 5; on 0, 1, 2 the last stays out."""
    tiling = tile_outputs(1, n_bit_lines=7, column_class=np.array([0, 1, 2, 3, 4, 0, 0]))
    assert tiling.output_of_bit_line.tolist() == [[_, _, _, _, _, 0, 0]]
    assert tiling.unusable_bit_lines.tolist() == [0, 1, 2, 3, 4]
    equal = tile_outputs(1, n_bit_lines=3, column_class=np.zeros(3, dtype=int))
    assert equal.unusable_bit_lines.tolist() == [2]


@pytest.mark.parametrize("scheme", ["differential", "offset"])
def test_bit_lines_that_all_differ_take_no_output(scheme: Any) -> None:
    with pytest.raises(ConfigurationError, match="two bit lines of one class"):
        tile_outputs(1, n_bit_lines=4, column_class=np.arange(4), signed_weights=scheme)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_outputs": 0}, "n_outputs"),
        ({"n_bit_lines": 0}, "n_bit_lines"),
        ({"column_class": np.zeros(3, dtype=int)}, "each of 4 bit lines"),
        ({"column_class": np.zeros(4)}, "float64"),
        ({"signed_weights": "diferential"}, "Did you mean 'differential'"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], says: str) -> None:
    options = {"n_outputs": 2, "n_bit_lines": 4, "column_class": np.zeros(4, dtype=int), **wrong}
    with pytest.raises(ConfigurationError, match=says):
        tile_outputs(**options)


def shortest_pairing(lines: list[int]) -> tuple[int, int]:
    """Most pairs, least sum of distances: by trying every matching."""
    if len(lines) < 2:
        return 0, 0
    first, *rest = lines
    options = []
    if len(lines) % 2:
        options.append(shortest_pairing(rest))
    for k, partner in enumerate(rest):
        pairs, span = shortest_pairing(rest[:k] + rest[k + 1 :])
        options.append((pairs + 1, span + partner - first))
    return min(options, key=lambda option: (-option[0], option[1]))


@settings(max_examples=100, deadline=None)
@given(
    column_class=st.lists(st.integers(0, 2), min_size=2, max_size=14),
    n_outputs=st.integers(1, 30),
    scheme=st.sampled_from(["differential", "offset"]),
)
def test_laws_of_outputs(column_class: list[int], n_outputs: int, scheme: Any) -> None:
    classes = np.array(column_class)
    members = {one: np.flatnonzero(classes == one).tolist() for one in set(column_class)}
    holds = {
        one: len(lines) // 2 if scheme == "differential" else len(lines) - 1
        for one, lines in members.items()
    }
    capacity = sum(holds.values())
    if not capacity:
        return
    tiling = tile_outputs(
        n_outputs, n_bit_lines=len(classes), column_class=classes, signed_weights=scheme
    )
    output, sign = tiling.output_of_bit_line, tiling.sign_of_bit_line
    assert tiling.n_column_tiles == -(-n_outputs // capacity)

    plus = output[sign == 1]
    assert np.array_equal(np.sort(plus), np.arange(n_outputs)), "one plus line each"
    minus = output[sign == -1]
    if scheme == "differential":
        assert np.array_equal(np.sort(minus), np.arange(n_outputs)), "one minus line each"
    else:
        assert (minus == REFERENCE).all()
    assert np.array_equal(output == -1, sign == 0)

    tile = tiling.column_tile_of_output
    lines = [(tile, tiling.plus_line_of_output), (tile, tiling.minus_line_of_output)]
    assert np.array_equal(sign[lines[0]], np.ones(n_outputs))
    assert np.array_equal(sign[lines[1]], -np.ones(n_outputs))
    assert np.array_equal(output[lines[0]], np.arange(n_outputs))
    # Matched: both lines of an output see the same layout.
    assert np.array_equal(classes[lines[0][1]], classes[lines[1][1]])
    for one, start, stop in tiling.output_slices:
        assert (classes[lines[0][1][start:stop]] == one).all()
        assert stop - start <= holds[one] * tiling.n_column_tiles
    edges = [0, *(stop for _one, _start, stop in tiling.output_slices)]
    assert [start for _one, start, _stop in tiling.output_slices] == edges[:-1]
    assert edges[-1] == n_outputs
    # Every array but the last is full.
    assert all(((sign[t] == 1).sum() == capacity) for t in range(tiling.n_column_tiles - 1))
    # As many references as column classes in use on each array.
    if scheme == "offset":
        for t in range(tiling.n_column_tiles):
            in_use = set(classes[sign[t] == 1].tolist())
            assert sorted(classes[output[t] == REFERENCE].tolist()) == sorted(in_use)


@settings(max_examples=60, deadline=None)
@given(column_class=st.lists(st.integers(0, 2), min_size=2, max_size=9))
def test_pairs_are_the_nearest(column_class: list[int]) -> None:
    classes = np.array(column_class)
    wanted = [
        shortest_pairing(np.flatnonzero(classes == one).tolist()) for one in set(column_class)
    ]
    n_pairs = sum(pairs for pairs, _span in wanted)
    if not n_pairs:
        return
    tiling = tile_outputs(n_pairs, n_bit_lines=len(classes), column_class=classes)
    assert tiling.n_column_tiles == 1
    span = tiling.minus_line_of_output - tiling.plus_line_of_output
    assert (span > 0).all()
    assert span.sum() == sum(span for _pairs, span in wanted)


def test_column_classes_follow_the_whole_column() -> None:
    layout = np.array([[3, 0, 3, 0, 3], [1, 0, 1, 0, 2]])
    assert column_classes(layout).tolist() == [0, 1, 0, 1, 2]


def test_the_period_covers_every_row() -> None:
    assert period_of_word_lines(np.zeros((4, 2), dtype=int)) == 1
    assert period_of_word_lines(np.array([[0, 0], [0, 1], [0, 0], [0, 1], [0, 0]])) == 2
    assert period_of_word_lines(np.array([[0], [0], [0], [1]])) == 4


def test_arrays_and_fill_of_a_linear_layer() -> None:
    """256 -> 128 on 128 x 128: two row tiles of 128, two column tiles of 64 pairs, all full."""
    tiling = tile_layer((128, 256), layout_class=np.indices((128, 128))[1] % 2)
    assert (tiling.rows.n_row_tiles, tiling.columns.n_column_tiles) == (2, 2)
    assert (tiling.n_arrays, tiling.array_shape, tiling.fill) == (4, (128, 128), 1.0)


def test_arrays_and_fill_of_a_depthwise_convolution() -> None:
    """64 groups of one channel, one output: nine rows, two lines of an array each."""
    layout_class = np.zeros((128, 128), dtype=int)
    tiling = tile_layer((64, 1, 3, 3), layout_class=layout_class, reach=2, n_groups=64)
    assert tiling.n_arrays == 64
    assert tiling.n_cells == 64 * 9 * 2
    assert tiling.fill == pytest.approx(9 * 2 / 128**2)


@pytest.mark.parametrize(
    ("weight_shape", "word_lines", "arrays"),
    [((16, 6, 5, 5), 128, 2), ((64, 64, 3, 3), 128, 5), ((64, 64, 3, 3), 576, 1),
     ((64, 256, 3, 3), 128, 18), ((6, 1, 5, 5), 128, 1), ((65, 64, 3, 3), 128, 10),
     ((8, 3, 7), 128, 1)],
)  # fmt: skip
def test_arrays_of_convolutions(
    weight_shape: tuple[int, ...], word_lines: int, arrays: int
) -> None:
    layout_class = np.indices((word_lines, 128))[1] % 2
    assert tile_layer(weight_shape, layout_class=layout_class, reach=2).n_arrays == arrays


def test_a_kernel_of_one_dimension_lies_along_its_width() -> None:
    tiling = tile_layer((8, 3, 7), layout_class=np.zeros((16, 16), dtype=int))
    assert tiling.rows.kernel_shape == (1, 7)


@pytest.mark.parametrize(("shape", "groups"), [((4,), 1), ((6, 2, 3), 4), ((1, 1, 1, 1, 1), 1)])
def test_shapes_that_cannot_be_cut_are_refused(shape: tuple[int, ...], groups: int) -> None:
    with pytest.raises(ConfigurationError, match="weight_shape"):
        tile_layer(shape, layout_class=np.zeros((4, 4), dtype=int), n_groups=groups)


@pytest.mark.parametrize("scheme", ["differential", "offset"])
def test_summing_the_cells_is_the_matrix_product(scheme: Any) -> None:
    """Cells filled by the tiling, arrays summed line by line: the layer's own product."""
    generator = np.random.default_rng(0)
    n_outputs, n_channels, kernel = 17, 5, (2, 3)
    weight = generator.integers(-4, 5, (n_outputs, n_channels * 6))
    width = generator.integers(0, 9, n_channels * 6)
    rows = tile_rows(n_channels, kernel, n_word_lines=12, reach=1, period=2)
    columns = tile_outputs(
        n_outputs,
        n_bit_lines=9,
        column_class=np.arange(9) % 2,
        signed_weights=scheme,
    )
    tiling = LayerTiling(rows=rows, columns=columns)
    assert tiling.n_arrays > 4
    reference = 3
    charge = np.zeros(n_outputs, dtype=int)
    for lines, (output, sign) in itertools.product(
        rows.row_of_word_line,
        list(zip(columns.output_of_bit_line, columns.sign_of_bit_line, strict=True)),
    ):
        used = lines >= 0
        collected = np.zeros(columns.n_bit_lines, dtype=int)
        for i in np.flatnonzero(sign):
            if output[i] == REFERENCE:
                current = np.full(used.sum(), reference)
            elif scheme == "offset":
                current = weight[output[i], lines[used]] + reference
            else:
                current = np.maximum(sign[i] * weight[output[i], lines[used]], 0)
            collected[i] = current @ width[lines[used]]
        for i in np.flatnonzero(sign == 1):
            same = columns.column_class == columns.column_class[i]
            partner = output == (REFERENCE if scheme == "offset" else output[i])
            (minus,) = np.flatnonzero((sign == -1) & same & partner)
            charge[output[i]] += collected[i] - collected[minus]
    assert np.array_equal(charge, weight @ width)
