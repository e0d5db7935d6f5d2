"""Gradients of the closed form are those of its values, and near those of the slots.

Under a fixed sample of widths, since that sets the modes, which count as constants.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import analog_model as am
from analog_model.physics import closed_form
from analog_model.physics.closed_form import Expansion
from analog_model.tensors import array_tensors, chip_parameters
from tests.properties.test_gradients import (
    CASES,
    WIDTHS,
    finite_difference,
    full_chip,
    gradients,
)

EXPANSION = Expansion(
    n_nodes=5, overlap_order=4, n_space=4, n_time=12, n_modal_nodes=4, lifted_modes=True
)
# The derivative of what few modes give, two or more of each, is as exact. Of the nodes there are
# enough that their shift with the largest current makes no difference.
SHORT = replace(EXPANSION, n_space=2, n_time=3)
DIFFERENTIABLE = ("cell_current", "kappa", "dead_time", "capacitance", "pulse_width")
NESTED_CASES = [case for case in CASES if case[0] != "staggered"]


def loss_of(
    chip: am.Chip, width: Tensor, parameters: dict[str, Tensor], expansion: Expansion = EXPANSION
) -> Tensor:
    array = array_tensors(chip, parameters)
    charge = closed_form.charge(array, width, expansion, sample=WIDTHS)
    weight = torch.linspace(0.7, 1.9, charge.numel(), dtype=charge.dtype).view_as(charge)
    return (charge * weight).sum() * 1e15


def own_gradients(chip: am.Chip, expansion: Expansion = EXPANSION) -> dict[str, Tensor]:
    values = {**chip_parameters(chip), "pulse_width": WIDTHS.clone()}
    leaves = {name: values[name].requires_grad_() for name in DIFFERENTIABLE}
    parameters = {name: value for name, value in values.items() if name != "pulse_width"}
    loss = loss_of(chip, values["pulse_width"], parameters, expansion)
    found = torch.autograd.grad(loss, list(leaves.values()))
    return dict(zip(leaves, found, strict=True))


@pytest.mark.parametrize("own_apart", [False, True])
@pytest.mark.parametrize(("alignment", "law", "coupling", "solution"), NESTED_CASES)
def test_autograd_equals_finite_differences(
    alignment: str, law: str, coupling: str, solution: str, own_apart: bool
) -> None:
    chip = full_chip(alignment, law, coupling, solution)
    expansion = replace(SHORT, own_apart=own_apart)
    found = own_gradients(chip, expansion)
    values = {**chip_parameters(chip), "pulse_width": WIDTHS}
    # Every pulse here is longer than the dead time, or shorter: the former lose what it gains.
    long = float(values["dead_time"]) < WIDTHS
    assert not long.all()
    lost = -found["pulse_width"][long].sum()
    torch.testing.assert_close(found.pop("dead_time"), lost, rtol=1e-11, atol=0)
    for name, gradient in found.items():

        def moved(value: Tensor, name: str = name) -> Tensor:
            given = {**values, name: value}
            return loss_of(chip, given.pop("pulse_width"), given, expansion)

        with torch.no_grad():
            slope = finite_difference(moved, values[name])
        atol = 1e-6 * float(gradient.abs().max())
        if name == "cell_current":
            # The largest current sets the interpolation's nodes, whose shift is not followed.
            largest = np.unravel_index(int(values[name].argmax()), values[name].shape)
            torch.testing.assert_close(gradient[largest], slope[largest], rtol=1e-5, atol=0)
            gradient[largest] = slope[largest]
        np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=atol, err_msg=name)


@pytest.mark.parametrize(("alignment", "law", "coupling", "solution"), NESTED_CASES)
def test_gradients_are_near_those_of_the_slots(
    alignment: str, law: str, coupling: str, solution: str
) -> None:
    chip = full_chip(alignment, law, coupling, solution)
    found = own_gradients(chip, replace(EXPANSION, n_time=24, own_apart=True))
    exact = gradients(chip, WIDTHS)
    for name, gradient in found.items():
        scale = float(exact[name].abs().max())
        assert scale > 0, name
        # Drop and droop take some 3 % here; their modes are for 4 cells, the worst case.
        assert float((gradient - exact[name]).abs().max()) < 3e-2 * scale, name


def test_without_drop_the_gradients_are_those_of_the_slots() -> None:
    chip = full_chip("centred", "weak_inversion", "map").with_effects(
        ["crosstalk", "droop", "dead_time"]
    )
    found, exact = own_gradients(chip), gradients(chip, WIDTHS)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, exact[name], rtol=1e-11, atol=0)


def test_constants_of_the_expansion_have_no_gradient() -> None:
    chip = full_chip()
    values = chip_parameters(chip)
    for value in values.values():
        value.requires_grad_()
    loss_of(chip, WIDTHS, values).backward()
    without = {name for name, value in values.items() if value.grad is None}
    assert without == {
        "specific_current",
        "wire_resistance",
        "lumped_resistance",
        "drain_sensitivity",
    }


def test_gradient_where_pulses_coincide_lies_between_its_limits() -> None:
    chip = full_chip("leading").with_effects(["crosstalk"])
    equal = torch.full((1, 4), 40.0, dtype=torch.float64) * 2.0**-30

    def slope(width: Tensor) -> Tensor:
        width = width.clone().requires_grad_()
        array = array_tensors(chip)
        charge = closed_form.charge(array, width, EXPANSION, sample=WIDTHS).sum()
        return torch.autograd.grad(charge, width)[0]

    nudge = torch.zeros_like(equal)
    nudge[0, 1] = 1e-6 * float(equal[0, 1])
    at, above, below = (slope(width)[0, 1] for width in (equal, equal + nudge, equal - nudge))
    low, high = sorted((float(above), float(below)))
    assert low < float(at) < high


@pytest.mark.parametrize("width", [torch.zeros_like(WIDTHS), WIDTHS * (WIDTHS > 5e-8)])
def test_gradients_are_finite_without_pulses(width: Tensor) -> None:
    for current in (None, np.zeros((4, 2))):
        chip = full_chip() if current is None else full_chip(cell_current=current)
        given = width.clone().requires_grad_()
        values = chip_parameters(chip)
        leaves = [given, values["cell_current"].requires_grad_(), values["kappa"].requires_grad_()]
        for gradient in torch.autograd.grad(
            loss_of(chip, given, values), leaves, allow_unused=True
        ):
            assert gradient is None or torch.isfinite(gradient).all()
