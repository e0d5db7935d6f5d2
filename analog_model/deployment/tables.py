"""Tables of a deployment: name, dimensions, unit of every number in them.

Arrays are counted over the whole network, layers in the network's order. What a layer or an
array lacks is told by a code that its text names, never by a missing value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import DataError

SCHEMA = "analog-model/deployment/1"

ARRAYS, LAYERS, OUTPUTS = "arrays", "layers", "outputs"
PROGRAMMING, UNREACHED, ACCURACY, COST = "programming", "unreached", "accuracy", "cost"

CHIP, LAYER_OUTPUT, UNREACHED_CELL = "chip", "layer_output", "unreached_cell"
SEED, CHIP_OF_CELL = "seed", "chip_of_cell"
LAYER_OF_ARRAY, LAYER_OF_OUTPUT = "layer_of_array", "layer_of_output"
MINUS_LINE, PROGRAMMED_CURRENT = "minus_line", "programmed_current"

_OF_CELL = (v.ARRAY, v.WORD_LINE, v.BIT_LINE)
_OF_ARRAY_ON_CHIP = (CHIP, v.ARRAY)

# Group of the file -> variable -> dimensions, unit (None for a label, a code), what it is.
SPECS: dict[str, dict[str, tuple[tuple[str, ...], str | None, str]]] = {
    ARRAYS: {
        v.TARGET_CURRENT: (_OF_CELL, "A", "current to program; 0 on idle lines"),
        LAYER_OF_ARRAY: ((v.ARRAY,), None, "index of the array's layer"),
        v.GROUP: ((v.ARRAY,), None, "group of the convolution"),
        v.WEIGHT_ROW: (
            (v.ARRAY, v.WORD_LINE),
            None,
            "index into the output's flattened weight; -1 on a word line never driven",
        ),
        v.OUTPUT: (
            (v.ARRAY, v.BIT_LINE),
            None,
            "output of the layer; -2 on a reference line, -1 on an idle one",
        ),
        v.SIGN: (
            (v.ARRAY, v.BIT_LINE),
            None,
            "1 on a plus line, -1 on a minus or reference line, 0 on an idle one",
        ),
        MINUS_LINE: (
            (v.ARRAY, v.BIT_LINE),
            None,
            "bit line whose charge is taken off this plus line's; -1 on every other line",
        ),
        v.LAYOUT_CLASS: (
            (v.WORD_LINE, v.BIT_LINE),
            None,
            "cells with the same physical neighbourhood",
        ),
    },
    LAYERS: {
        "kind": ((v.LAYER,), None, "linear or convolution"),
        "window": ((v.LAYER,), "s", "widest pulse"),
        "input_range": ((v.LAYER,), "1", "input that the widest pulse stands for"),
        "seconds_per_input": ((v.LAYER,), "s", "pulse width of an input of 1"),
        "input_levels": ((v.LAYER,), None, "codes of the pulse width; 0 where continuous"),
        "n_phases": ((v.LAYER,), None, "phases of an operation, 2 for signed inputs"),
        "full_scale_current": ((v.LAYER,), "A", "current of the largest weight"),
        "readout_bits": ((v.LAYER,), None, "codes of the charge; 0 where read as it is"),
        "readout_range": ((v.LAYER,), "C", "charge at which the readout saturates; 0 without one"),
        "n_saturated_weights": ((v.LAYER,), None, "weights beyond the layer's range"),
        v.N_ARRAYS: ((v.LAYER,), None, "arrays of the layer"),
        "n_arrays_differential": ((v.LAYER,), None, "arrays if each weight had a pair of lines"),
        "n_arrays_offset": ((v.LAYER,), None, "arrays if weights shared reference lines"),
        "n_places_differential": (
            (v.LAYER,),
            None,
            "outputs that an array takes in pairs of lines",
        ),
        "n_places_offset": ((v.LAYER,), None, "outputs that an array takes beside references"),
        "n_outputs": ((v.LAYER,), None, "outputs of the layer"),
        v.N_ROW_TILES: ((v.LAYER,), None, "arrays along the inputs of a group"),
        v.N_COLUMN_TILES: ((v.LAYER,), None, "arrays along the outputs of a group"),
        "n_weight_rows": ((v.LAYER,), None, "inputs of one output"),
        "n_bit_lines_in_use": ((v.LAYER,), None, "bit lines read out, over all its arrays"),
        v.FILL: ((v.LAYER,), "1", "share of the arrays' cells that take part"),
        v.SIGNED_WEIGHTS: ((v.LAYER,), None, "how a signed weight lies on bit lines"),
        v.N_GROUPS: ((v.LAYER,), None, "groups of the convolution"),
        v.KERNEL_HEIGHT: ((v.LAYER,), None, "height of the kernel"),
        v.KERNEL_WIDTH: ((v.LAYER,), None, "width of the kernel"),
        **{
            f"{name}_{side}": ((v.LAYER,), None, f"{name} of the kernel along the {side}")
            for name in ("stride", "padding", "dilation")
            for side in ("height", "width")
        },
    },
    OUTPUTS: {
        LAYER_OF_OUTPUT: ((LAYER_OUTPUT,), None, "index of the output's layer"),
        v.OUTPUT: ((LAYER_OUTPUT,), None, "output of the layer"),
        "output_per_coulomb": ((LAYER_OUTPUT,), "1/C", "what a charge of 1 C adds to the output"),
        "bias": ((LAYER_OUTPUT,), "1", "added digitally"),
    },
    PROGRAMMING: {
        "n_iterations": (_OF_ARRAY_ON_CHIP, None, "rounds of writing with reading"),
        "n_writes": (_OF_ARRAY_ON_CHIP, None, "writes, over all cells"),
        "n_reads": (_OF_ARRAY_ON_CHIP, None, "reads of all the array's bit lines at once"),
        "n_unreached": (_OF_ARRAY_ON_CHIP, None, "cells that verification left outside tolerance"),
        "n_outside": (_OF_ARRAY_ON_CHIP, None, "cells that truly are outside tolerance"),
        "residual": (_OF_ARRAY_ON_CHIP, "A", "rms error of the current of cells in use"),
        "largest_residual": (_OF_ARRAY_ON_CHIP, "A", "largest error of the current"),
        "first_residual": (_OF_ARRAY_ON_CHIP, "A", "rms error after the first write"),
    },
    UNREACHED: {
        **{
            name: ((UNREACHED_CELL,), None, text)
            for name, text in (
                (CHIP_OF_CELL, "index of the chip"),
                (v.ARRAY, "array, counted over the whole network"),
                (v.WORD_LINE, "word line of the array"),
                (v.BIT_LINE, "bit line of the array"),
            )
        },
        v.TARGET_CURRENT: ((UNREACHED_CELL,), "A", "current to program"),
        PROGRAMMED_CURRENT: ((UNREACHED_CELL,), "A", "current that the cell was left with"),
    },
    ACCURACY: {
        "accuracy": ((CHIP,), "1", "share of the images classified rightly"),
        "n_images": ((), None, "images judged by"),
        "mean": ((), "1", "mean accuracy of the chips"),
        "standard_deviation": ((), "1", "of the accuracy over chips; 0 for a single one"),
        "flawless": ((), "1", "accuracy on a chip whose cells hold their targets"),
        "digital": ((), "1", "accuracy of the network before conversion"),
    },
    COST: {
        "energy_bit_line": ((v.LAYER,), "J", "charge drawn through bit lines, times V_BL"),
        "energy_word_line": ((v.LAYER,), "J", "C V^2 of every word-line pulse"),
        "energy": ((v.LAYER,), "J", "energy of one inference"),
        "charge": ((v.LAYER,), "C", "bit-line charge of one inference"),
        "n_pulses": ((v.LAYER,), "1", "word-line pulses of one inference, over all arrays"),
        "n_operations": ((v.LAYER,), None, "array operations one after the other"),
        "latency": ((v.LAYER,), "s", "time of one inference"),
        "n_products": ((v.LAYER,), None, "multiplications with accumulation of one inference"),
    },
}
COORDINATES: dict[str, tuple[str, str]] = {
    v.ARRAY: (v.ARRAY, "array, counted over the whole network"),
    v.WORD_LINE: (v.WORD_LINE, "word line of the array"),
    v.BIT_LINE: (v.BIT_LINE, "bit line of the array"),
    v.LAYER: (v.LAYER, "name in the network"),
    SEED: (CHIP, "seed of the chip's defects"),
}


# Left out where they are not known.
OPTIONAL = {"digital"}


def check_table(group: str, dataset: xr.Dataset, source: str) -> None:
    """Raise DataError unless a dataset has the variables of one group, as `SPECS` says them."""
    for name, (dims, unit, _) in SPECS[group].items():
        if name not in dataset:
            if name in OPTIONAL:
                continue
            raise DataError(
                f"group {group} in {source}",
                expected=f"the variable {name} ({', '.join(dims)})",
                got=f"{', '.join(map(str, dataset.variables)) or 'none'}",
            )
        one = dataset[name]
        if one.dims != dims or one.attrs.get("units") != unit:
            raise DataError(
                f"{name} of group {group} in {source}",
                expected=f"dimensions {dims}, units {unit}",
                got=f"{tuple(map(str, one.dims))}, {one.attrs.get('units')}",
            )
        if one.dtype.kind == "f" and not np.isfinite(one.values).all():
            raise DataError(
                f"{name} of group {group} in {source}", expected="finite values", got="others"
            )


def table(
    group: str,
    values: dict[str, Any],
    *,
    coords: dict[str, Any],
    attrs: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Dataset of one group from its values, each labelled as `SPECS` says."""
    variables = {}
    for name, value in values.items():
        dims, unit, text = SPECS[group][name]
        attributes = {"long_name": text} | ({} if unit is None else {"units": unit})
        variables[name] = (dims, value, attributes)
    labels = {
        name: (COORDINATES[name][0], value, {"long_name": COORDINATES[name][1]})
        for name, value in coords.items()
    }
    return xr.Dataset(variables, coords=labels, attrs=attrs or {})
