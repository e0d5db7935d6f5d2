"""Product of one layer on its arrays, chosen by a tolerance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from analog_model.errors import ConfigurationError
from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry, IdealProduct
from analog_model.nn.layer_arrays import LayerArrays, layer_arrays
from analog_model.nn.placement import ARRAY_EFFECTS, Placement
from analog_model.nn.slot_product import SlotProduct
from analog_model.physics.tolerance import Choice, choose

# The probe: enough outputs for a stable rms, few enough for slots to take about a second.
_VECTORS, _IMAGES, _PIXELS = 16, 4, 3


@dataclass(frozen=True)
class ChosenProduct:
    """A product with the relative rms error of its output on a probe."""

    product: ArrayProduct
    error: float


def closed_form_product(
    placement: Placement,
    geometry: ConvolutionGeometry,
    *,
    current: Tensor,
    width: Tensor,
    tolerance: float,
) -> ChosenProduct:
    """The cheapest closed form whose signed output is within `tolerance` of the slots'.

    `current` (2, out, ...) and a typical batch of `width` (B, ...), in units of full scale
    and widest pulse, make the probe. Arrays without effects give the ideal product.

    Raises ConfigurationError where no expansion meets the tolerance.
    """
    if not ARRAY_EFFECTS & set(placement.chip.effects):
        return ChosenProduct(IdealProduct(geometry), 0.0)
    arrays = layer_arrays(placement, geometry)
    sample = width.detach().flatten()
    choice = _chosen(arrays, current.detach(), width.detach(), tolerance)
    if choice.error > tolerance:
        raise ConfigurationError(
            "LayerConfiguration.tolerance",
            expected=f"a closed form within {tolerance:g} of the slot simulation",
            got=f"{choice.error:.2g} at best, with {choice.expansion}",
            advice="Give the layer a larger tolerance or a smaller full_scale_current, or "
            "method='slots' if it may be slow.",
        )
    return ChosenProduct(ClosedFormProduct(arrays, choice.expansion, sample), choice.error)


def slot_product(placement: Placement, geometry: ConvolutionGeometry) -> SlotProduct:
    """The layer's arrays slot by slot: exact, for checks and for small layers."""
    return SlotProduct(layer_arrays(placement, geometry))


def product_error(product: ClosedFormProduct, *, current: Tensor, width: Tensor) -> float:
    """Relative rms error of a product's output on a probe of these currents and widths."""
    exact = SlotProduct(product.arrays)
    probe, cells = _probe(product.arrays, current.detach(), width.detach())
    with torch.no_grad():
        true = _multiply(exact, probe, cells)
        return float((_multiply(product, probe, cells) - true).norm() / true.norm())


def _chosen(arrays: LayerArrays, current: Tensor, width: Tensor, tolerance: float) -> Choice:
    probe, cells = _probe(arrays, current, width)
    with torch.no_grad():
        exact = _multiply(SlotProduct(arrays), probe, cells)
    sample = width.flatten()
    return choose(
        lambda expansion: _multiply(ClosedFormProduct(arrays, expansion, sample), probe, cells),
        exact,
        tolerance=tolerance,
        crosstalk=len(arrays.aggressors) > 0,
        drop=arrays.segment_resistance is not None,
        interpolated=arrays.specific_current is not None,
    )


def _multiply(product: ArrayProduct, width: Tensor, current: Tensor) -> Tensor:
    if width.ndim == 2:
        return product.linear(width, current)
    return product.convolution(width, current)


def _probe(arrays: LayerArrays, current: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Some vectors, or crops from the middle of some images, on all outputs."""
    if width.ndim == 2:
        return width[:_VECTORS], current
    kernel, geometry = arrays.tiling.rows.kernel_shape, arrays.geometry
    crop = []
    for axis in (0, 1):
        padded = width.shape[2 + axis]
        size = geometry.dilation[axis] * (kernel[axis] - 1) + 1
        size += (_PIXELS - 1) * geometry.stride[axis]
        size = min(padded, max(size - geometry.padding[axis], 1))
        start = (padded - size) // 2
        crop.append(slice(start, start + size))
    return width[:_IMAGES, :, crop[0], crop[1]], current
