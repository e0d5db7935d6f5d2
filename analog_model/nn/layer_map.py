"""Layer map: which weight each cell of a converted network's arrays holds.

The cell at (`array`, `word_line`, `bit_line`) of layer l holds the part of
`weight[output].ravel()[weight_row]` that its `sign` says, with `weight` that of l in torch's
own shape. Cells of reference lines belong to several outputs; cells that hold nothing are
left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from analog_model import vocabulary as v
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.nn.tiling import REFERENCE, LayerTiling


def layer_map(network: nn.Module, *, layers: Sequence[str] | None = None) -> xr.Dataset:
    """Dataset of `vocabulary.LAYER_MAP_VARIABLES` over cells, layers.

    A layer that a network uses several times appears once, under its first name. `layers`
    selects some by name, about 40 bytes a cell; arrays keep their numbers.

    Raises ConfigurationError for an unknown layer, or a network without layers on arrays.
    """
    tilings = _tilings(network)
    chosen = list(tilings) if layers is None else list(layers)
    for name in chosen:
        if name not in tilings:
            raise ConfigurationError(
                "layer_map.layers",
                expected="layers on arrays",
                got=repr(name),
                advice=nearest_name(name, tilings),
            )
    n_arrays = [tiling.n_arrays for tiling in tilings.values()]
    first_array = dict(zip(tilings, np.cumsum([0, *n_arrays]), strict=False))
    cells = [
        _cells(tilings[name], layer=index, first_array=int(first_array[name]))
        for index, name in enumerate(chosen)
    ]
    columns: dict[str, Any] = {
        name: np.concatenate([one[name] for one in cells]) for name in cells[0]
    }
    summaries = [_summary(tilings[name]) for name in chosen]
    columns |= {name: [one[name] for one in summaries] for name in summaries[0]}
    return xr.Dataset(
        {name: _variable(name, values) for name, values in columns.items()},
        coords={v.LAYER: chosen},
    )


def _tilings(network: nn.Module) -> dict[str, LayerTiling]:
    found = {
        name: module.tiling
        for name, module in network.named_modules()
        if isinstance(getattr(module, "tiling", None), LayerTiling)
    }
    if not found:
        raise ConfigurationError(
            "layer_map.network",
            expected="a network with layers on arrays",
            got=f"{type(network).__name__} without any",
            advice="Convert it first: analog_model.nn.convert(model, chip).",
        )
    return found


def _cells(tiling: LayerTiling, *, layer: int, first_array: int) -> dict[str, np.ndarray]:
    """Columns over the cells of one layer, array by array, word line by word line."""
    rows, columns = tiling.rows, tiling.columns
    row_tile, word_line = np.nonzero(rows.used)
    column_tile, bit_line = np.nonzero(columns.used)
    output = columns.output_of_bit_line[column_tile, bit_line]
    # Axes group, line of the rows, line of the columns.
    group = np.arange(tiling.n_groups)[:, None, None]
    of_row = (slice(None), None)
    array = (group * rows.n_row_tiles + row_tile[of_row]) * columns.n_column_tiles + column_tile
    order = np.argsort(array, axis=None, kind="stable")

    def column(values: np.ndarray | int, dtype: type = np.int32) -> np.ndarray:
        return np.broadcast_to(values, array.shape).astype(dtype).ravel()[order]

    return {
        v.LAYER_OF_CELL: column(layer),
        v.ARRAY: column(first_array + array),
        v.GROUP: column(group),
        v.ROW_TILE: column(row_tile[of_row]),
        v.COLUMN_TILE: column(column_tile),
        v.WORD_LINE: column(word_line[of_row]),
        v.BIT_LINE: column(bit_line),
        v.WEIGHT_ROW: column(rows.row_of_word_line[row_tile, word_line][of_row]),
        v.OUTPUT: column(
            np.where(output == REFERENCE, REFERENCE, group * columns.n_outputs + output)
        ),
        v.SIGN: column(columns.sign_of_bit_line[column_tile, bit_line], np.int8),
    }


def _summary(tiling: LayerTiling) -> dict[str, int | float | str]:
    n_word_lines, n_bit_lines = tiling.array_shape
    height, width = tiling.rows.kernel_shape
    return {
        v.N_ARRAYS: tiling.n_arrays,
        v.N_GROUPS: tiling.n_groups,
        v.N_ROW_TILES: tiling.rows.n_row_tiles,
        v.N_COLUMN_TILES: tiling.columns.n_column_tiles,
        v.N_WORD_LINES: n_word_lines,
        v.N_BIT_LINES: n_bit_lines,
        v.KERNEL_HEIGHT: height,
        v.KERNEL_WIDTH: width,
        v.GUARD: tiling.rows.guard,
        v.FILL: tiling.fill,
        v.SIGNED_WEIGHTS: tiling.columns.signed_weights,
    }


def _variable(name: str, values: Any) -> tuple[tuple[str, ...], Any, dict[str, str]]:
    spec = v.LAYER_MAP_VARIABLES[name]
    attrs = {"long_name": spec.long_name}
    return spec.dims, values, attrs if spec.unit is None else {**attrs, "units": spec.unit}
