"""Losses of the drop: the compiled layers' kernel against the definition in torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.drop_losses import TileModes, lost_of_pairs
from analog_model.nn.ideal_product import ConvolutionGeometry
from analog_model.nn.layer_arrays import layer_arrays
from analog_model.nn.loss_kernel import lost_by_pairs
from analog_model.nn.tile_charges import TileCharges
from analog_model.physics.closed_form import Expansion
from tests.placed_layers import PlacedLayer, chip_for

IMAGES, SIZE, GROUPS, PAIRS = 3, (4, 2), 2, 21


def tiles_of(
    n_space: int, n_time: int, *, shared: bool, dtype: torch.dtype, coarse: bool = False
) -> list[TileModes]:
    """Charges of two groups' pairs, losses of some tenths of them.

    Of three tiles the last two lie in maps of other sizes, which outputs read moved.
    """
    generator = torch.Generator().manual_seed(0)
    n_lines = n_space * ((1 if shared else PAIRS) + PAIRS)

    def drawn(*size: int) -> Tensor:
        return torch.rand(size, generator=generator, dtype=torch.float64)

    def maps(*size: int) -> list[Tensor]:
        kind = torch.bfloat16 if coarse else dtype
        drawn_maps = [0.2 * drawn(IMAGES, *size) for _ in range(n_time)]
        return [own.to(kind).requires_grad_() for own in drawn_maps]

    alone, together = maps(*SIZE, GROUPS, n_lines), maps(3, 5, GROUPS, 2 * n_lines)
    charges = [
        [TileCharges(own) for own in alone],
        [TileCharges(own, 0, (1, -1)) for own in together],
        [TileCharges(own, n_lines, (-2, 3)) for own in together],
    ]
    return [
        TileModes(
            own,
            n_space=n_space,
            n_pairs=PAIRS,
            size=SIZE,
            share=drawn(GROUPS, PAIRS).to(dtype).requires_grad_() if shared else None,
        )
        for own in charges
    ]


def parts(tiles: list[TileModes]) -> tuple[list[Tensor], list[Tensor]]:
    charges = [own.found for tile in tiles[:2] for own in tile.charges]
    return charges, [tile.share for tile in tiles if tile.share is not None]


def in_one_pass(tiles: list[TileModes], strength: float, dtype: torch.dtype) -> Tensor:
    return lost_by_pairs(
        [tile.charges for tile in tiles],
        parts(tiles)[1],
        torch.tensor([strength], dtype=dtype),
        n_pairs=PAIRS,
        n_space=tiles[0].n_space,
        size=SIZE,
    )


@pytest.mark.parametrize("strength", [0.0, 0.8], ids=["first order", "self-consistent"])
@pytest.mark.parametrize("shared", [False, True], ids=["own sums", "shares of the mean pair's"])
@pytest.mark.parametrize(("n_space", "n_time"), [(1, 1), (2, 3)])
@pytest.mark.usefixtures("compiler")
def test_one_pass_gives_what_the_steps_give(
    n_space: int, n_time: int, shared: bool, strength: float
) -> None:
    dtype = torch.float64
    tiles = tiles_of(n_space, n_time, shared=shared, dtype=dtype)
    charges, shares = parts(tiles)
    feedback = torch.full((1,) * 6, strength, dtype=dtype) if strength else None
    expected = lost_of_pairs(tiles, feedback, torch.ones((), dtype=dtype))
    found = in_one_pass(tiles, strength, dtype)
    assert float(expected.detach().abs().max()) > 0.1
    slope = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    by_steps, in_one = (
        torch.autograd.grad(one, [*charges, *shares], slope) for one in (expected, found)
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(in_one, by_steps, rtol=0, atol=1e-13)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.usefixtures("compiler")
def test_coarse_charges_get_coarse_gradients(shared: bool) -> None:
    tiles = tiles_of(1, 2, shared=shared, dtype=torch.float32, coarse=True)
    charges, shares = parts(tiles)
    expected = lost_of_pairs(tiles, torch.full((1,) * 6, 0.8), torch.ones(()))
    found = in_one_pass(tiles, 0.8, torch.float32)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(
        torch.autograd.grad(found.sum(), [*charges, *shares]),
        torch.autograd.grad(expected.sum(), [*charges, *shares]),
        strict=True,
    ):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.float(), other.float(), rtol=2**-6, atol=1e-4)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.usefixtures("compiler")
def test_any_number_of_threads_gives_the_same(shared: bool) -> None:
    before, found = torch.get_num_threads(), []
    tiles = tiles_of(2, 1, shared=shared, dtype=torch.float32)
    charges, shares = parts(tiles)
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            lost = in_one_pass(tiles, 0.8, torch.float32)
            found.append((lost, *torch.autograd.grad(lost.sum(), [*charges, *shares])))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(found[0], other, strict=True))


LAYER = PlacedLayer(
    (12, 7, 3, 3), (2, 14, 6, 5), (32, 32), ConvolutionGeometry(padding=(1, 1), groups=2)
)


@pytest.mark.usefixtures("compiler", "double_precision")
def test_a_compiled_product_is_the_product() -> None:
    """Widths, losses, their gradients by kernels or without: one product."""
    expansion = Expansion(n_space=2, whole_feedback=False, own_sums=False)
    arrays = layer_arrays(LAYER.placed(chip_for(LAYER.array)), LAYER.geometry)
    sample = torch.rand(64, LAYER.array[0], generator=torch.Generator().manual_seed(3))
    product = ClosedFormProduct(arrays, expansion, sample)
    width, current = LAYER.inputs().requires_grad_(), LAYER.currents().requires_grad_()
    outcomes = []
    for run in (
        product.convolution,
        torch.compile(product.convolution, fullgraph=True, dynamic=False),
    ):
        charge = run(width, current)
        outcomes.append((charge, *torch.autograd.grad(charge.square().sum(), (width, current))))
    for found, expected in zip(outcomes[1], outcomes[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)
    with torch.no_grad():
        alone = torch.compile(product.convolution, fullgraph=True, dynamic=False)(width, current)
    torch.testing.assert_close(alone, outcomes[0][0], rtol=1e-11, atol=1e-13)
