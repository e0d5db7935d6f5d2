"""Places of weights: the cells of a network's arrays that hold them.

A layer's own order of cells is (2, out, row): plus before minus cell, output, place in the
output's flattened weight. On arrays it is (array, word_line, bit_line).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analog_model.errors import SimulationError
from analog_model.nn.tiling import LayerTiling


@dataclass(frozen=True, eq=False)
class CellPlaces:
    """Cell of every weight of one layer.

    `index` (2, out, row) counts the cells of the layer's arrays, word line by word line;
    outputs that share a reference line share its cells. `shape` is (array, word_line,
    bit_line), `used` of that shape tells the cells that hold anything.
    """

    index: np.ndarray
    shape: tuple[int, int, int]
    used: np.ndarray

    def on_arrays(self, values: np.ndarray) -> np.ndarray:
        """Values (..., 2, out, row) of a layer as (..., array, word_line, bit_line), else 0.

        Raises SimulationError where outputs disagree on the cells that they share.
        """
        flat = values.reshape(*values.shape[: values.ndim - 3], -1)
        cells = np.zeros((*flat.shape[:-1], int(np.prod(self.shape))), dtype=values.dtype)
        cells[..., self.index.ravel()] = flat
        if not np.array_equal(cells[..., self.index.ravel()], flat):
            raise SimulationError(
                "currents of reference lines",
                expected="equal ones for all outputs that share a line",
                got="different ones",
            )
        return cells.reshape(*flat.shape[:-1], *self.shape)

    def of_weights(self, cells: np.ndarray) -> np.ndarray:
        """Values (2, out, row) of a layer from those of its arrays' cells."""
        return np.asarray(cells.reshape(-1)[self.index])


def cell_places(tiling: LayerTiling) -> CellPlaces:
    """Places of one layer's weights; arrays are counted as `nn.layer_map` counts them."""
    rows, columns = tiling.rows, tiling.columns
    row_tile, word_line = np.nonzero(rows.used)
    order = np.argsort(rows.row_of_word_line[row_tile, word_line])
    row_tile, word_line = row_tile[order], word_line[order]
    # Axes sign, group, output of the group, row.
    group = np.arange(tiling.n_groups)[None, :, None, None]
    column_tile = columns.column_tile_of_output[None, None, :, None]
    bit_line = np.stack((columns.plus_line_of_output, columns.minus_line_of_output))
    array = (group * rows.n_row_tiles + row_tile) * columns.n_column_tiles + column_tile
    n_word_lines, n_bit_lines = tiling.array_shape
    index = (array * n_word_lines + word_line) * n_bit_lines + bit_line[:, None, :, None]
    shape = (tiling.n_arrays, n_word_lines, n_bit_lines)
    used = np.zeros(int(np.prod(shape)), dtype=bool)
    used[index.ravel()] = True
    return CellPlaces(
        index=index.reshape(2, -1, rows.n_rows), shape=shape, used=used.reshape(shape)
    )
