"""Products of whole layers: the closed form is the slots', value and gradient.

The slot product is held to the simulation of single arrays in `unit/test_array_products.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import analog_model as am
from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import IdealProduct
from analog_model.nn.layer_arrays import layer_arrays
from analog_model.nn.product import closed_form_product, slot_product
from analog_model.physics.closed_form import Expansion
from tests.placed_layers import (
    FULL_SCALE,
    KAPPA,
    PLACED,
    WINDOW,
    PlacedLayer,
    chip_for,
    error,
    multiplied,
)

RICH = Expansion(5, 4, 4, 12, 4, lifted_modes=True, own_apart=False)
LAYOUTS = ("mirrored_columns", "mirrored_row_pairs", "mirrored_columns_and_row_pairs", "uniform")
LINE = {"wire_resistance": 400.0, "lumped_resistance": 2000.0, "drain_sensitivity": 0.5}
DROOP = am.BitLine(**LINE, capacitance=1e-11)
CHIPS: dict[str, dict[str, Any]] = {
    **{rule: {"rule": rule} for rule in LAYOUTS},
    "weak inversion": {"cell_law": am.WeakInversion()},
    "no coupling": {"coupling": None},
    "no drop": {"bit_line": am.BitLine()},
    "first order": {"bit_line": am.BitLine(**LINE, solution="first_order")},
    "droop": {"bit_line": DROOP},
    "droop alone": {
        "bit_line": am.BitLine(capacitance=1e-11, drain_sensitivity=0.5),
        "coupling": None,
    },
    "dead time": {"pulse": am.Pulse(dead_time=0.03 * WINDOW)},
    "centred": {"pulse": am.Pulse(alignment="centred", dead_time=0.03 * WINDOW)},
    "everything": {
        "rule": "mirrored_columns_and_row_pairs",
        "bit_line": DROOP,
        "pulse": am.Pulse(dead_time=0.03 * WINDOW),
    },
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def errors(
    layer: PlacedLayer, chip: am.Chip, signed_weights: str = "differential"
) -> tuple[float, float, float]:
    """Of the chosen closed form on inputs it has not seen, as it says itself; of no physics."""
    placement = layer.placed(chip, signed_weights)
    current, width = layer.currents(signed_weights), layer.inputs(seed=2)
    chosen = closed_form_product(
        placement, layer.geometry, current=current, width=layer.inputs(), tolerance=1e-3
    )
    assert isinstance(chosen.product, ClosedFormProduct)
    exact = multiplied(slot_product(placement, layer.geometry), width, current)
    found = multiplied(chosen.product, width, current)
    ideal = multiplied(IdealProduct(layer.geometry), width, current)
    assert found.shape == ideal.shape
    return error(found, exact), chosen.error, error(ideal, exact)


@pytest.mark.parametrize("signed_weights", ["differential", "offset"])
@pytest.mark.parametrize("case", PLACED)
def test_every_layer_is_within_its_tolerance(case: str, signed_weights: str) -> None:
    layer = PLACED[case]
    found, estimated, ideal = errors(layer, chip_for(layer.array), signed_weights)
    # The slots' charges of a batch that the choice has not seen.
    assert found < 1.5e-3
    assert estimated <= 1e-3
    assert ideal > 5 * found


@pytest.mark.parametrize("case", ["linear, row tiles", "no guards", "dilation"])
@pytest.mark.parametrize("kind", CHIPS)
def test_every_chip_is_within_its_tolerance(kind: str, case: str) -> None:
    layer = PLACED[case]
    found, estimated, ideal = errors(layer, chip_for(layer.array, **CHIPS[kind]))
    assert found < 1.5e-3
    assert estimated <= 1e-3
    assert ideal > 5 * found


@pytest.mark.parametrize("signed_weights", ["differential", "offset"])
@pytest.mark.parametrize("case", PLACED)
@pytest.mark.parametrize(
    ("law", "within"),
    [(am.WeakInversion(), 1e-12), (am.EKV(specific_current=FULL_SCALE), 3e-6)],
    ids=["weak inversion", "EKV"],
)
def test_without_drop_nothing_is_left_out(
    law: Any, within: float, case: str, signed_weights: str
) -> None:
    """All sets of four neighbours; in weak inversion cells do not differ in sensitivity."""
    layer = PLACED[case]
    chip = chip_for(layer.array, rule=LAYOUTS[2], cell_law=law).replace(
        bit_line=am.BitLine(capacitance=1e-11, drain_sensitivity=0.5),
        pulse=am.Pulse(dead_time=0.03 * WINDOW),
    )
    placement = layer.placed(chip, signed_weights)
    width, current = layer.inputs(), layer.currents(signed_weights)
    product = ClosedFormProduct(layer_arrays(placement, layer.geometry), RICH, width.flatten())
    exact = multiplied(slot_product(placement, layer.geometry), width, current)
    assert error(multiplied(product, width, current), exact) < within


@pytest.mark.parametrize("case", PLACED)
def test_without_effects_the_product_is_the_ideal_one(case: str) -> None:
    layer = PLACED[case]
    placement = layer.placed(chip_for(layer.array).with_effects([]))
    width, current = layer.inputs(), layer.currents()
    chosen = closed_form_product(
        placement, layer.geometry, current=current, width=width, tolerance=1e-3
    )
    assert chosen.error == 0
    ideal = multiplied(IdealProduct(layer.geometry), width, current)
    assert torch.equal(multiplied(chosen.product, width, current), ideal)
    exact = multiplied(slot_product(placement, layer.geometry), width, current)
    torch.testing.assert_close(exact, ideal, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", PLACED)
def test_an_array_without_effects_is_ideal_in_the_closed_form_itself(case: str) -> None:
    """Not the shortcut: kappa of 0 and no drop through every step of the closed form."""
    layer = PLACED[case]
    chip = chip_for(layer.array, bit_line=am.BitLine()).replace(
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[0.0, 0.0], [0.0, 0.0]])
    )
    width, current = layer.inputs(), layer.currents()
    arrays = layer_arrays(layer.placed(chip), layer.geometry)
    product = ClosedFormProduct(arrays, Expansion(3, 2), width.flatten())
    ideal = multiplied(IdealProduct(layer.geometry), width, current)
    torch.testing.assert_close(multiplied(product, width, current), ideal, rtol=1e-12, atol=1e-13)


# Gradients --------------------------------------------------------------------------------

GRADIENTS = {
    "linear": PlacedLayer((5, 11), (3, 11), (8, 8)),
    "convolution": PlacedLayer(
        (4, 3, 2, 2), (2, 3, 4, 3), (8, 8), PLACED["guards"].geometry, guard=0
    ),
}


# The derivative of what few modes give, two or more of each, is as exact.
SHORT = Expansion(3, 4, 2, 3, 2, lifted_modes=True, own_apart=False)
N_DIRECTIONS = 6


def slopes_along(
    losses: Callable[[Tensor], Tensor], at: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    """Slopes by the gradient, by central differences of fourth order; up or down everywhere.

    `losses` gives one number for each of a stack of points.
    """
    generator, step = torch.Generator().manual_seed(2), 2.0**-12
    along = torch.randint(0, 2, (N_DIRECTIONS, *at.shape), generator=generator) * 2.0 - 1
    points = torch.cat([at + offset * step * along for offset in (-2, -1, 1, 2)])
    below, low, high, above = losses(points).view(4, N_DIRECTIONS)
    found = (gradient * along).flatten(1).sum(1)
    return found, (8 * (high - low) - (above - below)) / (12 * step)


@pytest.mark.parametrize("expansion", [Expansion(), SHORT], ids=["cheap", "rich"])
@pytest.mark.parametrize("line", ["clamped", "droop"])
@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_are_those_of_finite_differences(
    case: str, line: str, expansion: Expansion
) -> None:
    """Everything on; the widths are apart by more than the differences reach, and not 0."""
    layer = GRADIENTS[case]
    parts = dict(CHIPS["everything"]) if line == "droop" else {"pulse": am.Pulse(dead_time=3e-8)}
    arrays = layer_arrays(layer.placed(chip_for(layer.array, **parts)), layer.geometry)
    drawn = torch.randperm(layer.inputs().numel(), generator=torch.Generator().manual_seed(0))
    width = (0.1 + 0.8 * drawn / drawn.numel()).reshape(layer.width)
    current = 0.1 + 0.8 * layer.currents()
    product = ClosedFormProduct(arrays, expansion, width.flatten())

    def losses(widths: Tensor, current: Tensor) -> Tensor:
        """Of a stack of widths at once, as the vectors of a batch do not meet."""
        charge = multiplied(product, widths.flatten(0, 1), current).reshape(len(widths), -1)
        return charge @ torch.linspace(0.7, 1.9, charge.shape[1])

    leaves = width.clone().requires_grad_(), current.clone().requires_grad_()
    by_width, by_current = torch.autograd.grad(losses(leaves[0][None], leaves[1]).sum(), leaves)
    with torch.no_grad():
        for found, expected in (
            slopes_along(lambda points: losses(points, current), width, by_width),
            slopes_along(
                lambda points: torch.cat([losses(width[None], one) for one in points]),
                current,
                by_current,
            ),
        ):
            assert float((found - expected).abs().max() / expected.abs().max()) < 1e-7


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradients_are_near_those_of_the_slots(case: str) -> None:
    layer = GRADIENTS[case]
    placement = layer.placed(chip_for(layer.array, wire=100.0))
    width, current = layer.inputs(), layer.currents()
    arrays = layer_arrays(placement, layer.geometry)
    found = []
    for product in (
        ClosedFormProduct(arrays, RICH, width.flatten()),
        slot_product(placement, layer.geometry),
        IdealProduct(layer.geometry),
    ):
        leaves = width.clone().requires_grad_(), current.clone().requires_grad_()
        charge = multiplied(product, *leaves)
        weight = torch.linspace(0.7, 1.9, charge.numel()).view_as(charge)
        found.append(torch.autograd.grad((charge * weight).sum(), leaves))
    # Where pulses are equal, 0 above all, the slots' sorting takes another subgradient.
    distinct = width > 0
    closed, exact, ideal = ([one[0][distinct], one[1]] for one in found)
    for ours, slots, plain in zip(closed, exact, ideal, strict=True):
        assert error(ours, slots) < 5e-3
        assert error(plain, slots) > 5 * error(ours, slots)


@pytest.mark.parametrize("case", ["linear, row tiles", "no guards", "dilation", "groups"])
def test_single_precision_agrees_with_double(case: str) -> None:
    layer = PLACED[case]
    arrays = layer_arrays(
        layer.placed(chip_for(layer.array, **CHIPS["everything"])), layer.geometry
    )
    width, current = layer.inputs(), layer.currents()
    product = ClosedFormProduct(arrays, Expansion(3, 2, 2, 2, 2, True), width.flatten())
    exact = multiplied(product, width, current)
    found = multiplied(product.float(), width.float(), current.float())
    assert found.dtype == torch.float32
    assert error(found.double(), exact) < 1e-5


@pytest.mark.parametrize("case", ["linear, row tiles", "no guards"])
def test_vectors_of_a_batch_do_not_meet(case: str) -> None:
    layer = PLACED[case]
    arrays = layer_arrays(layer.placed(chip_for(layer.array)), layer.geometry)
    width, current = layer.inputs(), layer.currents()
    product = ClosedFormProduct(arrays, RICH, width.flatten())
    whole = multiplied(product, width, current)
    alone = torch.cat([multiplied(product, one[None], current) for one in width])
    torch.testing.assert_close(alone, whole, rtol=1e-12, atol=1e-13)


def test_the_sign_of_every_kappa_matters() -> None:
    """A layer's classes and offsets are not mixed up: each kappa moved shows in the charge."""
    layer = PLACED["no guards"]
    width, current = layer.inputs(), layer.currents()
    own = chip_for(layer.array, rule=LAYOUTS[2], bit_line=am.BitLine())
    product = ClosedFormProduct(
        layer_arrays(layer.placed(own), layer.geometry), RICH, width.flatten()
    )
    found = multiplied(product, width, current)
    for row in range(4):
        for offset in range(4):
            kappa = [list(line) for line in KAPPA]
            kappa[row][offset] *= -1
            flipped = own.replace(coupling=am.CouplingByClass(offsets=(-2, -1, 1, 2), kappa=kappa))
            other = multiplied(slot_product(layer.placed(flipped), layer.geometry), width, current)
            assert error(found, other) > 1e-4, (row, offset)
