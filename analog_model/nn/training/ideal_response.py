"""Ideal response of an analog layer: what the digital one with its parameters would give."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from analog_model.nn.convolution import AnalogConv1d, AnalogConv2d
from analog_model.nn.layer import AnalogLayer


def ideal_response(layer: AnalogLayer, x: Tensor) -> Tensor:
    """Outputs of the layer's weights and bias without array, encoding, readout.

    A convolution takes its inputs with the batch.
    """
    if not isinstance(layer, AnalogConv1d | AnalogConv2d):
        return functional.linear(x, layer.weight, layer.bias)
    flat = isinstance(layer, AnalogConv1d)
    geometry = layer.geometry
    y = functional.conv2d(
        layer.arranged(x),
        layer.weight.unsqueeze(-2) if flat else layer.weight,
        layer.bias,
        stride=geometry.stride,
        padding=geometry.padding,
        dilation=geometry.dilation,
        groups=geometry.groups,
    )
    return y.squeeze(-2) if flat else y
