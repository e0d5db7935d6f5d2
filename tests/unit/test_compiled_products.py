"""Compiled products against the same products step by step, in single precision."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import ConvolutionGeometry
from analog_model.nn.layer_arrays import layer_arrays
from analog_model.physics.closed_form import Expansion
from tests.placed_layers import PlacedLayer, chip_for

# Rows of the kernel on arrays of their own, neighbours in other pixels: more units than channels.
LAYER = PlacedLayer(
    (8, 20, 3, 3), (2, 20, 5, 4), (64, 32), ConvolutionGeometry(padding=(1, 1)), guard=0
)


# Channels that fill the word lines of an array.
FULL = PlacedLayer((16, 64, 3, 3), (2, 64, 5, 4), (128, 64), ConvolutionGeometry(padding=(1, 1)))


def product_of(layer: PlacedLayer, expansion: Expansion, *, coarse: bool) -> ClosedFormProduct:
    arrays = layer_arrays(layer.placed(chip_for(layer.array)), layer.geometry)
    sample = torch.rand(64, layer.array[0], generator=torch.Generator().manual_seed(3))
    product = ClosedFormProduct(arrays, expansion, sample, coarse=coarse)
    assert product._units.n_units > layer.weight[1]
    return product


@pytest.mark.usefixtures("compiler")
def test_gradients_where_units_are_more_than_channels() -> None:
    """Those of a channel's units add up; the VGG's were wrong, see `unit_cells`."""
    product = product_of(FULL, Expansion(whole_feedback=False), coarse=True)
    width = FULL.inputs().float().requires_grad_()
    # As a layer brings them, channels last in memory.
    kept = FULL.currents().float().flatten(3).movedim(2, -1).contiguous().requires_grad_()

    def charge(product: Any, width: Tensor, kept: Tensor) -> Tensor:
        found: Tensor = product(width, kept.movedim(-1, 2).unflatten(-1, (3, 3)))
        return found

    run = partial(charge, product.convolution)
    slope = torch.randn(2, 16, 5, 4, generator=torch.Generator().manual_seed(4))
    found, expected = (
        torch.autograd.grad(one(width, kept), [width, kept], slope)
        for one in (torch.compile(run, fullgraph=True, dynamic=False), run)
    )
    for one, other in zip(found, expected, strict=True):
        # As far as corrections in bfloat16 differ.
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3 * float(other.abs().max()))


@pytest.mark.usefixtures("compiler")
def test_charges_where_classes_have_widths_of_their_own() -> None:
    """torch.compile 2.13 gave convolutions a stride of 0, see `tiled_kernel`."""
    expansion = Expansion(n_nodes=1, lifted_modes=True, whole_feedback=False)
    product = product_of(LAYER, expansion, coarse=False)
    width, current = LAYER.inputs().float(), LAYER.currents().float()
    found = torch.compile(product.convolution, fullgraph=True, dynamic=False)(width, current)
    torch.testing.assert_close(found, product.convolution(width, current), rtol=1e-4, atol=1e-5)
