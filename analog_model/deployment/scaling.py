"""Scaling of a layer: its inputs to pulses, its charges to outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from analog_model import vocabulary as v
from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.deployment.tables import LAYER_OF_OUTPUT, LAYERS, OUTPUTS, table
from analog_model.nn.convolution import AnalogConv1d, AnalogConv2d
from analog_model.nn.currents import charge_per_weight, weight_range
from analog_model.nn.ideal_product import ConvolutionGeometry


def layer_table(layers: Sequence[PlacedLayer]) -> xr.Dataset:
    """Table `layers` of a deployment, the arrays that other schemes need left out."""
    columns = [_scales(placed) | _shape(placed) | _geometry(placed) for placed in layers]
    values: dict[str, Any] = {name: [one[name] for one in columns] for name in columns[0]}
    return table(LAYERS, values, coords={v.LAYER: [placed.name for placed in layers]})


def output_table(layers: Sequence[PlacedLayer]) -> xr.Dataset:
    """Table `outputs` of a deployment: the outputs of all layers, one after the other."""
    scales, biases, places = [], [], []
    for index, placed in enumerate(layers):
        layer = placed.layer
        n_outputs = len(layer.weight)
        settings = layer.configuration
        with torch.no_grad():
            limit = weight_range(layer.weight, settings.weight_range).double().reshape(-1)
            per_weight = charge_per_weight(
                signed_weights=settings.signed_weights, smallest_current=settings.smallest_current
            )
            unit = layer.full_scale_current * placed.window
            scale = limit * placed.input_range / (per_weight * unit)
            scales.append(scale.expand(n_outputs).cpu().numpy())
            bias = torch.zeros(n_outputs) if layer.bias is None else layer.bias
            biases.append(bias.double().cpu().numpy())
        places.append((np.full(n_outputs, index), np.arange(n_outputs)))
    layer_of, output = (np.concatenate(part) for part in zip(*places, strict=True))
    values = {
        LAYER_OF_OUTPUT: layer_of,
        v.OUTPUT: output,
        "output_per_coulomb": np.concatenate(scales),
        "bias": np.concatenate(biases),
    }
    return table(OUTPUTS, values, coords={})


def _scales(placed: PlacedLayer) -> dict[str, Any]:
    layer, settings = placed.layer, placed.layer.configuration
    bits = layer.readout.bits
    unit = layer.full_scale_current * placed.window
    rule = settings.weight_range
    beyond = 0 if isinstance(rule, str) else int((layer.weight.abs() > rule).sum())
    return {
        "window": placed.window,
        "input_range": placed.input_range,
        "seconds_per_input": placed.window / placed.input_range,
        "input_levels": 0 if layer.input_bits is None else 2**layer.input_bits,
        "n_phases": 2 if layer.signed_inputs else 1,
        "full_scale_current": layer.full_scale_current,
        "readout_bits": 0 if bits is None else bits,
        "readout_range": 0.0 if bits is None else float(layer.readout.range) * unit,
        "n_saturated_weights": beyond,
    }


def _shape(placed: PlacedLayer) -> dict[str, Any]:
    tiling = placed.layer.tiling
    return {
        v.N_ARRAYS: tiling.n_arrays,
        v.N_ROW_TILES: tiling.rows.n_row_tiles,
        v.N_COLUMN_TILES: tiling.columns.n_column_tiles,
        "n_outputs": tiling.n_groups * tiling.columns.n_outputs,
        "n_weight_rows": tiling.rows.n_rows,
        "n_bit_lines_in_use": int(tiling.columns.used.sum())
        * tiling.rows.n_row_tiles
        * tiling.n_groups,
        v.FILL: tiling.fill,
        v.SIGNED_WEIGHTS: tiling.columns.signed_weights,
        v.N_GROUPS: tiling.n_groups,
    }


def _geometry(placed: PlacedLayer) -> dict[str, Any]:
    layer = placed.layer
    walks = isinstance(layer, AnalogConv1d | AnalogConv2d)
    geometry = layer.geometry if walks else ConvolutionGeometry()
    height, width = layer.tiling.rows.kernel_shape
    found: dict[str, Any] = {
        "kind": "convolution" if walks else "linear",
        v.KERNEL_HEIGHT: height,
        v.KERNEL_WIDTH: width,
    }
    for name in ("stride", "padding", "dilation"):
        found[f"{name}_height"], found[f"{name}_width"] = getattr(geometry, name)
    return found
