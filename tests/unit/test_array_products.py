"""Products of a layer on its arrays: one array by hand, the operators, equal pulses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn import neighbourhood as operators
from analog_model.nn.ideal_product import ConvolutionGeometry, IdealProduct
from analog_model.nn.layer_arrays import layer_arrays
from analog_model.nn.neighbourhood import margins, neighbourhood
from analog_model.nn.product import closed_form_product, slot_product
from analog_model.physics import overlap
from analog_model.physics.lifted_widths import lifted_widths
from tests.placed_layers import FULL_SCALE, WINDOW, PlacedLayer, chip_for, error, multiplied


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


# Slots by hand ----------------------------------------------------------------------------

PARTS: dict[str, Any] = {
    "bit_line": am.BitLine(
        wire_resistance=400.0, lumped_resistance=2e3, drain_sensitivity=0.5, capacitance=1e-11
    ),
    "pulse": am.Pulse(dead_time=0.03 * WINDOW),
}


def charge_of_arrays(lines: np.ndarray, width: np.ndarray, classes: list[int]) -> np.ndarray:
    """Charge (B, out) by the reference simulation of one array, plus less minus line.

    `lines` (2, out, word line) and `width` (B, word line) in units of full scale; the plus
    line of output o of class c is bit line 4 o + c of the alternating layout, its minus line
    stands two to the right, so that both have the class of the output.
    """
    n_outputs, n_word_lines = lines.shape[1:]
    current = np.zeros((n_word_lines, 4 * n_outputs))
    for output, own in enumerate(classes):
        current[:, 4 * output + own] = lines[0, output]
        current[:, 4 * output + own + 2] = lines[1, output]
    chip = chip_for(current.shape, **PARTS).with_weights(current * FULL_SCALE)
    charge = am.simulate(chip, width * WINDOW, method="reference") / (FULL_SCALE * WINDOW)
    plus = [4 * output + own for output, own in enumerate(classes)]
    return charge[:, plus] - charge[:, [bit_line + 2 for bit_line in plus]]


def classes_of(layer: PlacedLayer, chip: am.Chip) -> list[int]:
    slices = layer.placed(chip).tiling.columns.output_slices
    return [int(own) for own, start, stop in slices for _ in range(start, stop)]


@pytest.mark.parametrize("signed_weights", ["differential", "offset"])
def test_a_slot_product_is_the_simulation_of_its_array(signed_weights: str) -> None:
    layer = PlacedLayer((4, 9), (5, 9), (12, 16))
    chip = chip_for(layer.array, **PARTS)
    width, current = layer.inputs(), layer.currents(signed_weights)
    found = slot_product(layer.placed(chip, signed_weights), layer.geometry).linear(width, current)
    # Nine rows on twelve word lines: the last three are never driven and hold no current.
    lines = np.pad(current.numpy(), ((0, 0), (0, 0), (0, 3)))
    classes = classes_of(layer, chip)
    assert set(classes) == {0, 1}
    expected = charge_of_arrays(lines, np.pad(width.numpy(), ((0, 0), (0, 3))), classes)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_slot_product_adds_its_row_tiles() -> None:
    layer = PlacedLayer((4, 20), (5, 20), (12, 16))
    chip = chip_for(layer.array, **PARTS)
    width, current = layer.inputs(), layer.currents()
    found = slot_product(layer.placed(chip), layer.geometry).linear(width, current)
    classes = classes_of(layer, chip)
    expected = sum(
        charge_of_arrays(
            np.pad(current.numpy()[:, :, rows], ((0, 0), (0, 0), (0, spare))),
            np.pad(width.numpy()[:, rows], ((0, 0), (0, spare))),
            classes,
        )
        for rows, spare in ((slice(0, 12), 0), (slice(12, 20), 4))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_slot_product_walks_over_the_image() -> None:
    """Two channels, kernel 2x2: its places in snake order, channels side by side."""
    geometry = ConvolutionGeometry(stride=(2, 1), padding=(1, 0))
    layer = PlacedLayer((4, 2, 2, 2), (2, 2, 3, 4), (8, 16), geometry, guard=0)
    chip = chip_for(layer.array, **PARTS)
    width, current = layer.inputs(), layer.currents()
    found = slot_product(layer.placed(chip), geometry).convolution(width, current)
    snake = [(0, 0), (0, 1), (1, 1), (1, 0)]
    lines = np.stack([current.numpy()[:, :, c, h, w] for h, w in snake for c in (0, 1)], axis=2)
    padded = np.pad(width.numpy(), ((0, 0), (0, 0), (1, 1), (0, 0)))
    classes = classes_of(layer, chip)
    expected = np.zeros((2, 4, 2, 3))
    for row in range(2):
        for column in range(3):
            patch = np.stack(
                [padded[:, c, 2 * row + h, column + w] for h, w in snake for c in (0, 1)], axis=1
            )
            expected[:, :, row, column] = charge_of_arrays(lines, patch, classes)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_tolerance_out_of_reach_is_refused() -> None:
    layer = PlacedLayer((4, 9), (5, 9), (12, 16))
    with pytest.raises(ConfigurationError, match=r"at best.*method='slots'"):
        closed_form_product(
            layer.placed(chip_for(layer.array, bit_line=am.BitLine())),
            layer.geometry,
            current=layer.currents(),
            width=layer.inputs(),
            tolerance=1e-13,
        )


def test_the_error_of_a_product_is_that_of_its_probe() -> None:
    layer = PlacedLayer((4, 9), (5, 9), (12, 16))
    placement, current = layer.placed(chip_for(layer.array)), layer.currents()
    width = layer.inputs()
    chosen = closed_form_product(
        placement, layer.geometry, current=current, width=width, tolerance=1e-3
    )
    exact = slot_product(placement, layer.geometry).linear(width, current)
    found = error(chosen.product.linear(width, current), exact)
    assert chosen.error == pytest.approx(found, rel=1e-9)


# Operators --------------------------------------------------------------------------------

# Neighbour number, first unit, count, first channel, dh, dw.
RUNS = [*(0, 1, 2, 0, 0, 0), *(1, 0, 2, 1, 0, 1), *(1, 2, 1, 0, -1, -2)]


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_neighbourhood_is_what_stands_beside() -> None:
    own = image(2, 3, 4, 5)
    found = neighbourhood(own, RUNS, 2, 3)
    expected = np.zeros((2, 2, 3, 4, 5))
    places = [(0, 1, 0, 0, 0), (0, 2, 1, 0, 0), (1, 0, 1, 0, 1), (1, 1, 2, 0, 1), (1, 2, 0, -1, -2)]
    for k, unit, channel, dh, dw in places:
        for h in range(4):
            for w in range(5):
                if 0 <= h + dh < 4 and 0 <= w + dw < 5:
                    expected[k, :, unit, h, w] = own[:, channel, h + dh, w + dw]
    np.testing.assert_array_equal(found, expected)


def test_the_operators_keep_torchs_rules() -> None:
    """Schema, fake tensors, static and dynamic shapes."""
    own = image(2, 3, 4, 5)
    torch.library.opcheck(operators._gather, (own, RUNS, 2, 3))
    torch.library.opcheck(operators._scatter, (image(2, 2, 3, 4, 5), RUNS, 3))
    torch.library.opcheck(operators._pad, (own, [1, -1, 2, 0]))


def test_the_operators_have_exact_derivatives_of_both_orders() -> None:
    own = image(2, 3, 3, 4).requires_grad_()
    for operator in (
        lambda x: neighbourhood(x, RUNS, 2, 3),
        lambda x: margins(x, [1, -1, 2, 0]),
    ):
        assert torch.autograd.gradcheck(operator, own)
        assert torch.autograd.gradgradcheck(operator, own)


@pytest.mark.parametrize("dim", [0, 2])
def test_the_operators_map_over_a_batch(dim: int) -> None:
    many = image(3, 3, 3, 3, 3)
    for operator in (
        lambda x: neighbourhood(x, RUNS, 2, 3),
        lambda x: margins(x, [1, -1, 2, 0]),
    ):
        expected = torch.stack([operator(one) for one in many.unbind(dim)])
        assert torch.equal(torch.func.vmap(operator, in_dims=dim)(many), expected)

        def loss(x: Tensor, operator: Any = operator) -> Tensor:
            return operator(x).square().sum()

        slopes = torch.stack([torch.func.grad(loss)(one) for one in many.unbind(dim)])
        mapped = torch.func.vmap(torch.func.grad(loss), in_dims=dim)(many)
        torch.testing.assert_close(mapped, slopes)


def test_the_adjoint_maps_over_a_batch() -> None:
    many = image(4, 2, 2, 3, 5, 4)

    def operator(x: Tensor) -> Tensor:
        return operators._Adjoint.apply(x, RUNS, 3)

    expected = torch.stack([operator(one) for one in many])
    torch.testing.assert_close(torch.func.vmap(operator)(many), expected)


# Equal pulses -----------------------------------------------------------------------------


def lifted(widths: Tensor) -> Tensor:
    """Sum of one table's lifts of a cell, `widths` = own and two neighbours."""
    sets = overlap.neighbour_sets(2, 2)
    table = torch.tensor([[0.0, 0.3, -0.2, 0.15][: len(sets)]])
    found = lifted_widths(widths[:1], widths[1:, None], table[..., None, None], sets)
    return torch.cat(found).sum()


@pytest.mark.parametrize("widths", [[0.4, 0.4, 0.9], [0.6, 0.2, 0.2], [0.5, 0.1, 0.5]])
def test_equal_pulses_share_the_derivative_by_halves(widths: list[float]) -> None:
    """The slope lies midway between its values on both sides: a central difference."""
    at, step = torch.tensor(widths), 1e-6
    found = torch.func.grad(lifted)(at)
    for place in range(3):
        nudge = torch.zeros(3)
        nudge[place] = step
        midway = (lifted(at + nudge) - lifted(at - nudge)) / (2 * step)
        assert float(found[place]) == pytest.approx(float(midway), abs=1e-9)


def test_a_table_of_which_no_set_counts_adds_nothing() -> None:
    sets = overlap.neighbour_sets(2, 2)
    table = torch.zeros(2, len(sets), 1, 1).double()
    table[0] = 0.5
    own = torch.tensor([0.4, 0.9]).double().requires_grad_()
    near = torch.tensor([[0.5, 0.2], [0.3, 1.0]]).double()
    some = lifted_widths(own, near, table, sets, present=[range(len(sets)), []])
    every = lifted_widths(own, near, table, sets)
    for one, other in zip(some, every, strict=True):
        assert torch.equal(one, other)
        slopes = [torch.autograd.grad(x.sum(), own, retain_graph=True)[0] for x in (one, other)]
        assert torch.equal(*slopes)


def test_equal_pulses_lose_no_derivative() -> None:
    """All pulses longer together: by homogeneity the lifts grow as they are, ties or not."""
    for widths in ([0.5, 0.5, 0.5], [0.4, 0.4, 0.9]):
        at = torch.tensor(widths)
        found = torch.func.grad(lifted)(at)
        assert float(found @ at) == pytest.approx(float(lifted(at)), rel=1e-12)


def test_ideal_products_are_torchs_own() -> None:
    layer = PlacedLayer((4, 2, 2, 2), (2, 2, 3, 4), (8, 16), ConvolutionGeometry(stride=(2, 1)))
    width, current = layer.inputs(), layer.currents()
    expected = torch.nn.functional.conv2d(width, current[0] - current[1], stride=(2, 1))
    assert torch.equal(multiplied(IdealProduct(layer.geometry), width, current), expected)


def test_layer_arrays_are_in_units_of_full_scale() -> None:
    """By hand: I_S = full scale; g I r per pitch, the lumped resistance in the first; C."""
    layer = PlacedLayer((4, 9), (5, 9), (12, 16))
    arrays = layer_arrays(layer.placed(chip_for(layer.array, **PARTS)), layer.geometry)
    assert arrays.specific_current == pytest.approx(1.0)
    unit = 0.5 * FULL_SCALE
    expected = unit * 400.0 * np.ones(12)
    expected[0] += unit * 2e3
    np.testing.assert_allclose(arrays.segment_resistance, expected)
    assert arrays.capacitance == pytest.approx(1e-11 / (unit * WINDOW))
    assert arrays.dead_time == pytest.approx(0.03)
