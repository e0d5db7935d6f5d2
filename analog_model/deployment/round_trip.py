"""Round trip: a layer's outputs computed from a deployment's tables alone.

What a laboratory would do with the files: encode inputs, apply them to the arrays, subtract
bit lines, scale. Nothing of the network is used, so that the tables can be held to it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.deployment.result import Deployment
from analog_model.deployment.tables import LAYER_OF_ARRAY, LAYER_OF_OUTPUT, MINUS_LINE
from analog_model.errors import ConfigurationError, SimulationError, nearest_name
from analog_model.simulation import simulate


def recomputed_outputs(
    deployment: Deployment, layer: str, inputs: np.ndarray, *, method: str = "slots"
) -> np.ndarray:
    """Outputs of one layer, targets in its cells, from its inputs.

    Inputs (vector, row) give (vector, output), images (image, channel, height, width) give
    (image, output, height, width). Padding by other than zeros belongs into the inputs.
    `method` is that of `simulate`.
    """
    names = [str(name) for name in deployment.layers[v.LAYER].values]
    if layer not in names:
        raise ConfigurationError(
            "layer",
            expected="a layer of the deployment",
            got=repr(layer),
            advice=nearest_name(layer, names),
        )
    facts = deployment.layers.sel({v.LAYER: layer})
    own = deployment.arrays[LAYER_OF_ARRAY].values == names.index(layer)
    arrays = deployment.arrays.isel({v.ARRAY: own})
    of_layer = deployment.outputs[LAYER_OF_OUTPUT].values == names.index(layer)
    scale = deployment.outputs["output_per_coulomb"].values[of_layer]
    bias = deployment.outputs["bias"].values[of_layer]
    vectors, pixels = _vectors(np.asarray(inputs, dtype=float), facts)
    phases = (vectors, -vectors)[: int(facts["n_phases"])]
    sign = (1.0, -1.0)
    charge = np.zeros((len(vectors), scale.size))
    for factor, phase in zip(sign, phases, strict=False):
        width = _pulse_widths(phase, facts)
        charge += factor * _read_out(_charge(deployment, arrays, width, method), facts)
    found = charge * scale + bias
    if pixels is None:
        return found
    return np.moveaxis(found.reshape(len(inputs), *pixels, -1), -1, 1)


def _vectors(inputs: np.ndarray, facts: xr.Dataset) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Vectors (vector, group * row) that reach the arrays, with the output's pixels."""
    if facts["kind"].item() == "linear":
        return inputs, None
    height, width = (int(facts[f"padding_{side}"]) for side in ("height", "width"))
    padded = np.pad(inputs, ((0, 0), (0, 0), (height, height), (width, width)))
    kernel = [int(facts[name]) for name in (v.KERNEL_HEIGHT, v.KERNEL_WIDTH)]
    dilation = [int(facts[f"dilation_{side}"]) for side in ("height", "width")]
    stride = [int(facts[f"stride_{side}"]) for side in ("height", "width")]
    span = [step * (length - 1) + 1 for step, length in zip(dilation, kernel, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(padded, span, axis=(2, 3))
    seen = seen[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    pixels = seen.shape[2], seen.shape[3]
    vectors = np.moveaxis(seen, 1, 3).reshape(len(inputs) * pixels[0] * pixels[1], -1)
    return vectors, pixels


def _pulse_widths(vectors: np.ndarray, facts: xr.Dataset) -> np.ndarray:
    window, levels = float(facts["window"]), int(facts["input_levels"])
    width = np.clip(vectors * float(facts["seconds_per_input"]), 0.0, window)
    if not levels:
        return width
    lsb = window / (levels - 1)
    return np.round(width / lsb) * lsb


def _charge(
    deployment: Deployment, arrays: xr.Dataset, width: np.ndarray, method: str
) -> np.ndarray:
    """Charge (vector, output) of plus less minus lines, summed over arrays."""
    chip = deployment.chip
    analog = chip.with_effects(set(chip.effects) - {"input_bits"})
    n_rows = int(arrays[v.WEIGHT_ROW].max()) + 1
    n_outputs = int(arrays[v.OUTPUT].max()) + 1
    if width.shape[1] % n_rows:
        raise SimulationError(
            "inputs", expected=f"{n_rows} rows for each group", got=f"{width.shape[1]} rows"
        )
    total = np.zeros((len(width), n_outputs))
    for k in range(arrays.sizes[v.ARRAY]):
        one = arrays.isel({v.ARRAY: k})
        row = one[v.WEIGHT_ROW].values
        lines = np.where(row >= 0, row + n_rows * int(one[v.GROUP]), 0)
        pulses = np.where(row >= 0, width[:, lines], 0.0)
        charge = simulate(analog.with_weights(one[v.TARGET_CURRENT].values), pulses, method=method)
        plus = np.flatnonzero(one[v.SIGN].values > 0)
        minus = one[MINUS_LINE].values[plus]
        total[:, one[v.OUTPUT].values[plus]] += charge[:, plus] - charge[:, minus]
    return total


def _read_out(charge: np.ndarray, facts: xr.Dataset) -> np.ndarray:
    bits, largest = int(facts["readout_bits"]), float(facts["readout_range"])
    if not bits:
        return charge
    step = largest / (2 ** (bits - 1) - 1)
    return np.round(np.clip(charge, -largest, largest) / step) * step
