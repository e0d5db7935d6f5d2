"""Error of each analog layer of a network, against the ideal layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor, nn

from analog_model.metrics import signal_to_error_ratio
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.linear import AnalogLinear
from analog_model.nn.ranges import evaluating
from analog_model.nn.training.ideal_response import ideal_response
from analog_model.nn.training.twin import IdealLayer, twin

LAYER = "layer"


def layer_errors(network: nn.Module, inputs: Tensor) -> xr.Dataset:
    """Signal-to-error ratio of every analog layer's outputs, without bias.

    - `own_ratio`: against its ideal response to the very inputs that it got: what it adds;
    - `cumulative_ratio`: against the layer's outputs in the ideal network: what has come
      together up to there.
    """
    found, ideal = _observed(network, inputs), _observed(twin(network, IdealLayer), inputs)
    own, cumulative = [], []
    for name, (layer, x, y) in found.items():
        response = ideal_response(layer, x)
        true, up_to_here = _without_bias(y, layer), _without_bias(ideal[name][2], layer)
        own.append(signal_to_error_ratio(_without_bias(response, layer), true))
        cumulative.append(signal_to_error_ratio(up_to_here, true))
    return xr.Dataset(
        {
            "own_ratio": (LAYER, own, {"long_name": "own signal-to-error ratio", "units": "1"}),
            "cumulative_ratio": (
                LAYER,
                cumulative,
                {"long_name": "signal-to-error ratio up to the layer", "units": "1"},
            ),
        },
        {LAYER: np.array(list(found), dtype=str)},
    )


def _observed(network: nn.Module, inputs: Tensor) -> dict[str, tuple[AnalogLayer, Tensor, Tensor]]:
    """Layer, inputs, outputs of each analog layer, by name, in the order of computation."""
    seen: dict[str, tuple[AnalogLayer, Tensor, Tensor]] = {}

    def watch(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        layer = module.analog if isinstance(module, IdealLayer) else module
        assert isinstance(layer, AnalogLayer)
        seen[layer.name] = (layer, arguments[0], output)

    # An ideal layer does not call the analog one in it, which is therefore not seen there.
    handles = [
        module.register_forward_hook(watch)
        for module in network.modules()
        if isinstance(module, IdealLayer | AnalogLayer)
    ]
    try:
        with evaluating(network):
            network(inputs.to(next(network.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _without_bias(y: Tensor, layer: AnalogLayer) -> Tensor:
    if layer.bias is None:
        return y
    trailing = 0 if isinstance(layer, AnalogLinear) else y.ndim - 2
    return y - layer.bias.detach().reshape(-1, *[1] * trailing)
