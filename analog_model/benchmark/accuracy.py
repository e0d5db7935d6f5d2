"""Accuracy of a network's closed forms, on the inputs that its layers get."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import ArrayProduct, IdealProduct
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.slot_product import SlotProduct
from analog_model.physics.tolerance import relative_error

# Slots take about a second for so much; many pixels of one image are much alike.
_VECTORS, _IMAGES, _PIXELS = 8, 4, 1


@dataclass(frozen=True)
class Accuracy:
    """Relative rms figures of signed charges: of the layer where each is largest.

    `error` of the closed form against slots; `crosstalk`, `drop`: change by that effect
    alone against the ideal product, NaN where not asked for.
    """

    error: float
    crosstalk: float
    drop: float


def accuracy(network: nn.Module, x: Tensor, *, effects: bool) -> Accuracy:
    """Figures of all analog layers while `network` computes a batch `x`.

    `effects`: of crosstalk and drop too, which takes three times as long.
    """
    layers = [module for module in network.modules() if isinstance(module, AnalogLayer)]
    seen: dict[AnalogLayer, Tensor] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, AnalogLayer)
        seen[module] = inputs[0]

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    with torch.no_grad():
        try:
            network(x)
        finally:
            for hook in hooks:
                hook.remove()
        found = [_of_layer(layer, seen[layer], effects=effects) for layer in layers]
    return Accuracy(*(max(figures) for figures in zip(*found, strict=True)))


def _of_layer(layer: AnalogLayer, x: Tensor, *, effects: bool) -> tuple[float, float, float]:
    product = layer.product
    assert isinstance(product, ClosedFormProduct)
    arrays = product.arrays
    width, current = _sample(layer.pulse_widths(x), layer), layer.cell_currents()
    exact = _charge(SlotProduct(arrays), width, current)
    error = relative_error(_charge(product, width, current), exact)
    if not effects:
        return error, math.nan, math.nan
    ideal = _charge(IdealProduct(arrays.geometry), width, current)
    undropped = replace(arrays, segment_resistance=None)
    return (
        error,
        _change(undropped, ideal, width, current),
        _change(_uncoupled(arrays), ideal, width, current),
    )


def _change(arrays: LayerArrays, ideal: Tensor, width: Tensor, current: Tensor) -> float:
    return relative_error(_charge(SlotProduct(arrays), width, current), ideal)


def _uncoupled(arrays: LayerArrays) -> LayerArrays:
    n_word_lines, n_classes = arrays.kappa.shape[1:]
    return replace(
        arrays,
        aggressors=np.zeros((0, n_word_lines), dtype=int),
        kappa=np.zeros((0, n_word_lines, n_classes)),
    )


def _charge(product: ArrayProduct, width: Tensor, current: Tensor) -> Tensor:
    if width.ndim == 2:
        return product.linear(width, current)
    return product.convolution(width, current)


def _sample(width: Tensor, layer: AnalogLayer) -> Tensor:
    """Some vectors, or some images cut to a few pixels of output away from the border."""
    if width.ndim == 2:
        return width[:_VECTORS]
    sizes = [
        min(kernel + _PIXELS - 1, size)
        for kernel, size in zip(layer.weight.shape[2:], width.shape[2:], strict=True)
    ]
    high, wide = ((size - own) // 2 for own, size in zip(sizes, width.shape[2:], strict=True))
    return width[:_IMAGES, :, high : high + sizes[0], wide : wide + sizes[1]]
