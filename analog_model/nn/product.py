"""Product of one layer on its arrays, chosen by a tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from analog_model.errors import ConfigurationError
from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry, IdealProduct
from analog_model.nn.layer_arrays import LayerArrays, layer_arrays
from analog_model.nn.placement import ARRAY_EFFECTS, Placement
from analog_model.nn.row_tiling import RowTiling
from analog_model.nn.slot_product import SlotProduct
from analog_model.physics.closed_form import Expansion
from analog_model.physics.tolerance import Choice, choose

# The probe: enough outputs for a stable rms, few enough for slots to take about a second.
_VECTORS, _IMAGES, _PIXELS, _OUTPUTS = 16, 4, 2, 12
# Of few word lines more vectors, as of other closed forms: rare overlaps must show.
_PULSES = 2048
# Share of the tolerance that the probe is asked for. With it the benchmark's networks, asked for
# 1e-3, erred by 3.1e-4 to 8.0e-4 in their worst layer on two other batches each.
_MARGIN = 0.8
# Inputs of a linear layer from which on bfloat16 costs less than it saves.
_WIDE = 128
# Operations that show how the courses of the arrays' currents differ.
_OPERATIONS = 512


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
    kappa_deviation: Tensor | None = None,
) -> ChosenProduct:
    """The cheapest closed form whose signed output is within `tolerance` of the slots'.

    `current` (2, out, ...) and a typical batch of `width` (B, ...), in units of full scale
    and widest pulse, make the probe. Arrays without effects give the ideal product.

    Raises ConfigurationError where no expansion meets the tolerance.
    """
    if not ARRAY_EFFECTS & set(placement.chip.effects):
        return ChosenProduct(IdealProduct(geometry), 0.0)
    arrays = layer_arrays(placement, geometry)
    probe = _Probe(arrays, current.detach(), width.detach(), kappa_deviation)
    choice = probe.choose(tolerance)
    if choice.error > tolerance:
        raise ConfigurationError(
            "LayerConfiguration.tolerance",
            expected=f"a closed form within {tolerance:g} of the slot simulation",
            got=f"{choice.error:.2g} at best, with {choice.expansion}",
            advice="Give the layer a larger tolerance or a smaller full_scale_current, or "
            "method='slots' if it may be slow.",
        )
    return ChosenProduct(probe.product(choice.expansion), choice.error)


def slot_product(placement: Placement, geometry: ConvolutionGeometry) -> SlotProduct:
    """The layer's arrays slot by slot: exact, for checks and for small layers."""
    return SlotProduct(layer_arrays(placement, geometry))


class _Probe:
    """Some widths on some outputs of a layer, with what slots make of them."""

    def __init__(
        self, arrays: LayerArrays, current: Tensor, width: Tensor, deviation: Tensor | None
    ) -> None:
        self._arrays = arrays
        self._few, outputs = arrays.with_outputs(_OUTPUTS)
        self._current = _of_outputs(current, outputs, arrays.tiling.n_groups)
        self._deviation = None
        if deviation is not None:
            self._deviation = torch.stack(
                [_of_outputs(own, outputs, arrays.tiling.n_groups) for own in deviation]
            )
        self._sample = operations(arrays.tiling.rows, arrays.geometry, width)
        self._width = _part(arrays, width)
        self._exact = self._charge(SlotProduct(self._few).to(width.dtype))

    def choose(self, tolerance: float) -> Choice:
        """The cheapest expansion within the tolerance, else the best."""
        return choose(
            lambda expansion: self._charge(self._product(expansion, self._few)),
            self._exact,
            tolerance=tolerance,
            crosstalk=len(self._arrays.aggressors) > 0,
            drop=self._arrays.segment_resistance is not None,
            interpolated=self._arrays.specific_current is not None,
            pairs=True,
            margin=_MARGIN,
        )

    def product(self, expansion: Expansion) -> ClosedFormProduct:
        """The closed form of an expansion, which corrects coarsely where that pays."""
        return self._product(expansion, self._arrays)

    def _product(self, expansion: Expansion, arrays: LayerArrays) -> ClosedFormProduct:
        wide = self._width.ndim == 4 or self._width.shape[1] >= _WIDE
        coarse = wide and _fast_bfloat16()
        return ClosedFormProduct(arrays, expansion, self._sample, coarse=coarse)

    def _charge(self, product: ClosedFormProduct | SlotProduct) -> Tensor:
        multiply = product.linear if self._width.ndim == 2 else product.convolution
        with torch.no_grad():
            return multiply(self._width, self._current, self._deviation)


def _of_outputs(current: Tensor, outputs: np.ndarray, n_groups: int) -> Tensor:
    """Currents (2, out, ...) of some outputs of every group."""
    index = torch.from_numpy(outputs)
    grouped = current.unflatten(1, (n_groups, -1)).index_select(2, index.to(current.device))
    return grouped.flatten(1, 2)


def operations(rows: RowTiling, geometry: ConvolutionGeometry, width: Tensor) -> Tensor:
    """Widths (W, N) of word lines that share an array, in some operations of a batch.

    `width` (B, in) or (B, C, H, W); 0 for a word line that carries nothing.
    """
    image = width if width.ndim == 4 else width[:, :, None, None]
    n_pixels = image.shape[2] * image.shape[3]
    grouped = image.reshape(-1, rows.n_channels, *image.shape[2:])
    patches = functional.unfold(
        grouped[: max(4 * _IMAGES, _OPERATIONS // n_pixels)],
        rows.kernel_shape,
        dilation=geometry.dilation,
        padding=geometry.padding,
        stride=geometry.stride,
    )
    vectors = patches.transpose(1, 2).flatten(0, 1)
    vectors = vectors[:: max(1, len(vectors) * rows.n_row_tiles // _OPERATIONS)]
    # An unused word line's row is -1, that of the zeros put last.
    row = torch.tensor(rows.row_of_word_line, device=vectors.device)
    return functional.pad(vectors, (0, 1))[:, row].flatten(0, 1)


def _fast_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16 itself."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _part(arrays: LayerArrays, width: Tensor) -> Tensor:
    """Some vectors, or crops from the middle of some images."""
    if width.ndim == 2:
        return width[: max(_VECTORS, _PULSES // width.shape[1])]
    kernel, geometry = arrays.tiling.rows.kernel_shape, arrays.geometry
    n_rows = arrays.tiling.rows.n_rows
    n_pixels = max(_PIXELS, math.ceil(math.sqrt(_PULSES / (_IMAGES * n_rows))))
    crop = []
    for axis in (0, 1):
        padded = width.shape[2 + axis]
        size = geometry.dilation[axis] * (kernel[axis] - 1) + 1
        size += (n_pixels - 1) * geometry.stride[axis]
        size = min(padded, max(size - geometry.padding[axis], 1))
        start = (padded - size) // 2
        crop.append(slice(start, start + size))
    return width[:_IMAGES, :, crop[0], crop[1]]
