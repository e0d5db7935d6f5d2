"""Tiling: a layer cut onto arrays.

Each array holds one row tile and one column tile of one group. A group of a convolution has
inputs, outputs of its own, and all groups are cut alike; two groups never share an array,
because cells at the crossings of one group's word lines with another's bit lines would have
to stay empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analog_model.errors import ConfigurationError
from analog_model.nn.column_tiling import REFERENCE, ColumnTiling, SignedWeights, tile_outputs
from analog_model.nn.row_tiling import UNUSED, Neighbours, RowTiling, snake_order, tile_rows

__all__ = [
    "ColumnTiling",
    "LayerTiling",
    "Neighbours",
    "REFERENCE",
    "RowTiling",
    "SignedWeights",
    "UNUSED",
    "column_classes",
    "period_of_word_lines",
    "snake_order",
    "tile_layer",
    "tile_outputs",
    "tile_rows",
]


@dataclass(frozen=True, eq=False)
class LayerTiling:
    """Rows, outputs of one group on arrays, as many times as there are groups."""

    rows: RowTiling
    columns: ColumnTiling
    n_groups: int = 1

    @property
    def n_arrays(self) -> int:
        return self.n_groups * self.rows.n_row_tiles * self.columns.n_column_tiles

    @property
    def array_shape(self) -> tuple[int, int]:
        """Word lines, bit lines of one array."""
        return self.rows.n_word_lines, self.columns.n_bit_lines

    @property
    def n_cells(self) -> int:
        """Cells that take part, those of reference lines included."""
        return self.n_groups * int(self.rows.used.sum()) * int(self.columns.used.sum())

    @property
    def fill(self) -> float:
        """Share of the arrays' cells that take part."""
        return self.n_cells / (self.n_arrays * self.rows.n_word_lines * self.columns.n_bit_lines)


def tile_layer(
    weight_shape: tuple[int, ...],
    *,
    layout_class: np.ndarray,
    reach: int = 0,
    guard: Literal["auto"] | int = "auto",
    signed_weights: SignedWeights = "differential",
    n_groups: int = 1,
) -> LayerTiling:
    """Cut a layer onto arrays of the shape of `layout_class` (word_line, bit_line).

    `weight_shape` is torch's: (out, in) of a linear layer, (out, in / groups, K) or
    (out, in / groups, KH, KW) of a convolution. `reach` is the largest distance over which
    word lines couple.
    """
    if not 2 <= len(weight_shape) <= 4 or weight_shape[0] % n_groups:
        raise ConfigurationError(
            "tile_layer.weight_shape",
            expected=f"2 to 4 dimensions, outputs in {n_groups} equal groups",
            got=repr(tuple(weight_shape)),
        )
    kernel = (1, 1, *weight_shape[2:])[-2:]
    n_word_lines, n_bit_lines = layout_class.shape
    rows = tile_rows(
        weight_shape[1],
        (kernel[0], kernel[1]),
        n_word_lines=n_word_lines,
        reach=reach,
        guard=guard,
        period=period_of_word_lines(layout_class),
    )
    columns = tile_outputs(
        weight_shape[0] // n_groups,
        n_bit_lines=n_bit_lines,
        column_class=column_classes(layout_class),
        signed_weights=signed_weights,
    )
    return LayerTiling(rows=rows, columns=columns, n_groups=n_groups)


def column_classes(layout_class: np.ndarray) -> np.ndarray:
    """Column class of each bit line: equal where the whole columns (word_line) are."""
    _, first, inverse = np.unique(layout_class, axis=1, return_index=True, return_inverse=True)
    # Numbered in the order in which they appear on the array.
    return np.argsort(np.argsort(first))[inverse.ravel()]


def period_of_word_lines(layout_class: np.ndarray) -> int:
    """Smallest period with which the layout's rows repeat; all word lines if they never do."""
    n_word_lines = len(layout_class)
    for period in range(1, n_word_lines):
        if (layout_class[period:] == layout_class[:-period]).all():
            return period
    return n_word_lines
