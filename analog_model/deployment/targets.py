"""Targets: what to program into every cell of the arrays, with what it stands for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.deployment.tables import ARRAYS, LAYER_OF_ARRAY, MINUS_LINE, table
from analog_model.errors import ConfigurationError
from analog_model.nn.tiling import LayerTiling

NO_LINE = -1
# Rounding of the largest weight's current.
ROUNDING = 1e-6


def target_table(
    layers: Sequence[PlacedLayer],
    chip: Chip,
    *,
    largest_current: float | None,
) -> xr.Dataset:
    """Table `arrays` of a deployment, on arrays like `chip`.

    Raises ConfigurationError for targets above `largest_current` [A].
    """
    current = []
    for placed in layers:
        full_scale = placed.layer.full_scale_current
        target = full_scale * placed.target_share
        if largest_current is not None and target.max() > largest_current * (1 + ROUNDING):
            raise ConfigurationError(
                f"layer {placed.name!r}: LayerConfiguration.full_scale_current",
                expected=f"cells of at most {largest_current:g} A, the largest of the chip",
                got=f"a target of {target.max():g} A",
                advice="Take a smaller full_scale_current, or tell deploy the largest_current "
                "that a cell can be given.",
            )
        current.append(target)
    columns: dict[str, np.ndarray] = {v.TARGET_CURRENT: np.concatenate(current)}
    parts = [_lines_of_arrays(placed.layer.tiling) for placed in layers]
    columns |= {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n_arrays = [placed.places.shape[0] for placed in layers]
    columns[LAYER_OF_ARRAY] = np.repeat(np.arange(len(layers)), n_arrays).astype(np.int32)
    columns[v.LAYOUT_CLASS] = chip.layout.layout_class.astype(np.int32)
    axes = (v.ARRAY, v.WORD_LINE, v.BIT_LINE)
    labels = zip(axes, columns[v.TARGET_CURRENT].shape, strict=True)
    coords = {dim: np.arange(size) for dim, size in labels}
    names = json.dumps(chip.layout.class_names, ensure_ascii=False)
    return table(ARRAYS, columns, coords=coords, attrs={"layout_class_names": names})


def _lines_of_arrays(tiling: LayerTiling) -> dict[str, np.ndarray]:
    """What the word lines and the bit lines of every array of a layer stand for."""
    rows, columns = tiling.rows, tiling.columns
    array = np.arange(tiling.n_arrays)
    in_group, column_tile = np.divmod(array, columns.n_column_tiles)
    group, row_tile = np.divmod(in_group, rows.n_row_tiles)
    output = columns.output_of_bit_line[column_tile]
    output = np.where(output >= 0, output + (group * columns.n_outputs)[:, None], output)
    minus = np.full(columns.output_of_bit_line.shape, NO_LINE)
    minus[columns.column_tile_of_output, columns.plus_line_of_output] = columns.minus_line_of_output
    return {
        v.GROUP: group.astype(np.int32),
        v.WEIGHT_ROW: rows.row_of_word_line[row_tile].astype(np.int32),
        v.OUTPUT: output.astype(np.int32),
        v.SIGN: columns.sign_of_bit_line[column_tile].astype(np.int32),
        MINUS_LINE: minus[column_tile].astype(np.int32),
    }


def layer_map_of(arrays: xr.Dataset, layers: xr.Dataset) -> xr.Dataset:
    """The cells in use as a layer map (see `nn.layer_map`), from two tables of a deployment."""
    row, output, sign = (arrays[name].values for name in (v.WEIGHT_ROW, v.OUTPUT, v.SIGN))
    array, word_line, bit_line = np.nonzero((row >= 0)[:, :, None] & (sign != 0)[:, None, :])
    columns = {
        v.LAYER_OF_CELL: arrays[LAYER_OF_ARRAY].values[array],
        v.ARRAY: arrays[v.ARRAY].values[array],
        v.GROUP: arrays[v.GROUP].values[array],
        v.WORD_LINE: word_line,
        v.BIT_LINE: bit_line,
        v.WEIGHT_ROW: row[array, word_line],
        v.OUTPUT: output[array, bit_line],
        v.SIGN: sign[array, bit_line],
    }
    kept = (v.N_ARRAYS, v.N_ROW_TILES, v.N_COLUMN_TILES, v.N_GROUPS, v.FILL, v.SIGNED_WEIGHTS)
    summary = layers[[*kept, v.KERNEL_HEIGHT, v.KERNEL_WIDTH]]
    sizes = {
        v.N_WORD_LINES: (v.LAYER, np.full(layers.sizes[v.LAYER], row.shape[1])),
        v.N_BIT_LINES: (v.LAYER, np.full(layers.sizes[v.LAYER], sign.shape[1])),
    }
    return summary.assign(sizes).assign({name: (v.CELL, one) for name, one in columns.items()})
