"""Gradients of the slot simulator are those of its values.

Finite differences are five-point central with a step of 1e-3 of each number: truncation and
rounding both stay near 1e-11, well below the 1e-6 asked for. Pulse edges are drawn apart by
more than that step, since the charge has kinks where edges cross; the kinks themselves are
tested by hand below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import analog_model as am
from analog_model.physics import bit_line, cell, slots
from analog_model.tensors import array_tensors, chip_parameters
from tests.properties.chips import TICK

WIDTHS = torch.tensor([[91.0, 40.3, 70.1, 12.7], [20.9, 63.2, 0.4, 55.6]]).double() * TICK
COUPLINGS = {
    "by_class": am.CouplingByClass(
        offsets=(-1, 1, 2), kappa=[[0.1, 0.2, 0.05], [-0.1, 0.15, 0.02]]
    ),
    "by_cell": am.CouplingByCell(
        offsets=(-1, 2), kappa=np.linspace(-0.3, 0.3, 16).reshape(2, 4, 2) + 0.01
    ),
    "map": am.CouplingMap(
        victim=[0, 3, 3, 1], aggressor=[3, 0, 1, 2], kappa=np.linspace(0.05, 0.4, 8).reshape(4, 2)
    ),
}
# (alignment, law, coupling, solution): every pair of alignment and law, the rest in turn.
CASES = [
    (alignment, law, coupling, solution)
    for number, alignment in enumerate(("leading", "trailing", "centred", "staggered"))
    for law, coupling, solution in (
        ("ekv", list(COUPLINGS)[number % 3], "self_consistent"),
        ("weak_inversion", list(COUPLINGS)[(number + 1) % 3], "first_order"),
        ("ekv", list(COUPLINGS)[(number + 2) % 3], "first_order"),
    )
]


def full_chip(
    alignment: str = "leading",
    law: str = "ekv",
    coupling: str = "by_class",
    solution: str = "self_consistent",
    **parts: Any,
) -> am.Chip:
    stagger = np.array([3.3, 31.0, 17.0, 44.4]) * TICK
    pulse = am.Pulse(
        alignment=alignment,
        stagger=stagger if alignment == "staggered" else None,
        dead_time=1.1e-9,
    )
    fields: dict[str, Any] = {
        "name": "gradients",
        "cell_current": np.array([[3.0, 1e-3], [0.5, 4.0], [2.0, 2.0], [0.01, 7.0]]) * 1e-7,
        "layout": am.Layout.mirrored_columns(4, 2),
        "cell_law": am.WeakInversion() if law != "ekv" else am.EKV(specific_current=2e-7),
        "coupling": COUPLINGS[coupling],
        "bit_line": am.BitLine(
            wire_resistance=5e4,
            lumped_resistance=8e4,
            capacitance=2e-12,
            drain_sensitivity=0.4,
            segments_to_sense=[2.0, 1.0, 4.0, 3.0],
            solution=solution,
        ),
        "pulse": pulse,
    }
    return am.Chip(**{**fields, **parts})


def loss_of(chip: am.Chip, width: Tensor, parameters: dict[str, Tensor], **options: Any) -> Tensor:
    charge = slots.simulate(array_tensors(chip, parameters), width, **options).charge
    weight = torch.linspace(0.7, 1.9, charge.numel(), dtype=charge.dtype).view_as(charge)
    return (charge * weight).sum() * 1e15


def gradients(chip: am.Chip, width: Tensor, **options: Any) -> dict[str, Tensor]:
    values = {**chip_parameters(chip), "pulse_width": width.clone()}
    for value in values.values():
        value.requires_grad_()
    given = dict(values)
    loss = loss_of(chip, given.pop("pulse_width"), given, **options)
    found = torch.autograd.grad(loss, list(values.values()))
    return dict(zip(values, found, strict=True))


def finite_difference(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    slope = torch.empty_like(at)
    for index in np.ndindex(tuple(at.shape)):
        step = 1e-3 * float(at[index].abs())
        values = []
        for k in (-2, -1, 1, 2):
            moved = at.clone()
            moved[index] += k * step
            values.append(float(function(moved)))
        slope[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return slope


@pytest.mark.parametrize(("alignment", "law", "coupling", "solution"), CASES)
def test_autograd_equals_finite_differences(
    alignment: str, law: str, coupling: str, solution: str
) -> None:
    chip = full_chip(alignment, law, coupling, solution)
    found = gradients(chip, WIDTHS)
    expected_names = {"cell_current", "kappa", "wire_resistance", "lumped_resistance"}
    expected_names |= {"drain_sensitivity", "capacitance", "dead_time", "pulse_width"}
    expected_names |= {"specific_current"} if law == "ekv" else set()
    expected_names |= {"stagger"} if alignment == "staggered" else set()
    assert set(found) == expected_names
    values = {**chip_parameters(chip), "pulse_width": WIDTHS}
    for name, gradient in found.items():

        def moved(value: Tensor, name: str = name) -> Tensor:
            given = {**values, name: value}
            return loss_of(chip, given.pop("pulse_width"), given)

        with torch.no_grad():
            slope = finite_difference(moved, values[name])
        assert gradient.abs().max() > 0, name
        atol = 1e-9 * float(gradient.abs().max())
        np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=atol, err_msg=name)


@pytest.mark.parametrize("alignment", ["leading", "trailing", "centred", "staggered"])
def test_gradient_of_given_starts(alignment: str) -> None:
    chip = full_chip(alignment)
    start = torch.tensor([[3.3, 31.0, 17.0, 44.4], [5.0, 1.3, 60.0, 20.2]]).double() * TICK
    start.requires_grad_()
    loss_of(chip, WIDTHS, {}, pulse_start=start).backward()
    with torch.no_grad():
        slope = finite_difference(
            lambda moved: loss_of(chip, WIDTHS, {}, pulse_start=moved), start.detach()
        )
    assert start.grad is not None
    torch.testing.assert_close(
        start.grad, slope, rtol=1e-6, atol=1e-9 * float(start.grad.abs().max())
    )


def test_gradient_through_chunks_equals_that_of_the_whole() -> None:
    chip = full_chip("staggered")
    whole = gradients(chip, WIDTHS, memory_budget=1e12)
    pieces = gradients(chip, WIDTHS, memory_budget=1.0)
    for name, gradient in whole.items():
        torch.testing.assert_close(pieces[name], gradient, rtol=1e-12, atol=0)


def test_gradient_with_merged_slots() -> None:
    chip = full_chip("staggered")
    tolerance = 25.05 * TICK
    with torch.no_grad():
        exact, merged = (
            slots.simulate(array_tensors(chip), WIDTHS, merge_tolerance=each)
            for each in (0.0, tolerance)
        )
    assert 1 < merged.n_slots < exact.n_slots
    found = gradients(chip, WIDTHS, merge_tolerance=tolerance)
    with torch.no_grad():
        slope = finite_difference(
            lambda width: loss_of(chip, width, {}, merge_tolerance=tolerance), WIDTHS
        )
    scale = float(slope.abs().max())
    torch.testing.assert_close(found["pulse_width"], slope, rtol=1e-6, atol=1e-9 * scale)


# Where pulses coincide, vanish or cells are empty ---------------------------------------------


def ideal(current: list[list[float]]) -> am.Chip:
    shape = np.shape(current)
    return am.Chip(name="ideal", cell_current=current, layout=am.Layout.uniform(*shape))


@pytest.mark.parametrize("alignment", ["leading", "trailing", "centred", "staggered"])
@pytest.mark.parametrize("width", [[3.0, 3.0, 3.0], [3.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("merge_tolerance", [0.0, 2.0, 10.0])
def test_ideal_gradient_is_the_current_even_at_kinks(
    alignment: str, width: list[float], merge_tolerance: float
) -> None:
    stagger = [0.0, 3.0, 0.0] if alignment == "staggered" else None
    chip = ideal([[1.0], [2.0], [4.0]]).replace(
        pulse=am.Pulse(alignment=alignment, stagger=stagger)
    )
    t = torch.tensor(width, dtype=torch.float64, requires_grad=True)
    slots.simulate(array_tensors(chip), t, merge_tolerance=merge_tolerance).charge.sum().backward()
    assert t.grad is not None
    torch.testing.assert_close(t.grad, torch.tensor([1.0, 2.0, 4.0]).double(), rtol=1e-14, atol=0)


def test_gradient_at_equal_widths_is_a_limit_from_nearby() -> None:
    # Sorting is stable: of equal pulses the one with the lower number ends first.
    chip = full_chip()
    equal = torch.full((1, 4), 40.0).double() * TICK
    nearby = equal + torch.arange(4).double() * 1e-9 * TICK
    at, near = (gradients(chip, width)["pulse_width"] for width in (equal, nearby))
    torch.testing.assert_close(at, near, rtol=1e-7, atol=0)


def test_gradient_at_zero_width_is_that_of_a_very_short_pulse() -> None:
    chip = full_chip(pulse=am.Pulse())
    none = torch.tensor([[50.0, 0.0, 30.0, 0.0]]).double() * TICK
    short = torch.tensor([[50.0, 1e-9, 30.0, 2e-9]]).double() * TICK
    at, near = (gradients(chip, width)["pulse_width"] for width in (none, short))
    torch.testing.assert_close(at, near, rtol=1e-7, atol=0)
    # Shorter than the dead time: no charge, no gradient.
    dead = gradients(full_chip(), none)["pulse_width"]
    assert torch.equal(dead[0, [1, 3]], torch.zeros(2).double())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradient_by_an_empty_cell_is_its_weak_inversion_current(dtype: torch.dtype) -> None:
    # I -> 0: I' = I e^kappa, so dQ/dI = e^0.2 t_overlap + (t - t_overlap).
    chip = am.Chip(
        name="empty",
        cell_current=[[0.0], [1e-7]],
        layout=am.Layout.uniform(2, 1),
        cell_law=am.EKV(specific_current=1e-7),
        coupling=am.CouplingByClass(offsets=(1,), kappa=[[0.2]]),
    )
    values = chip_parameters(chip, dtype=dtype)
    for value in values.values():
        value.requires_grad_()
    width = torch.tensor([50.0, 20.0], dtype=dtype)
    slots.simulate(array_tensors(chip, values, dtype=dtype), width).charge.sum().backward()
    rtol = 1e-12 if dtype == torch.float64 else 1e-5
    gradient = values["cell_current"].grad
    assert gradient is not None
    np.testing.assert_allclose(float(gradient[0, 0]), 20 * 1.2214027581601699 + 30, rtol=rtol)
    assert all(
        torch.isfinite(value.grad).all() for value in values.values() if value.grad is not None
    )


def test_gradients_are_finite_on_an_empty_chip_without_pulses() -> None:
    chip = full_chip(cell_current=np.zeros((4, 2)))
    for width in (WIDTHS, torch.zeros_like(WIDTHS)):
        for name, gradient in gradients(chip, width).items():
            assert torch.isfinite(gradient).all(), name


def test_gradients_are_finite_where_an_effect_starts() -> None:
    # A calibration starts from no drop at all.
    values = {
        "drain_sensitivity": torch.zeros((), dtype=torch.float64, requires_grad=True),
        "wire_resistance": torch.tensor(5e4, dtype=torch.float64, requires_grad=True),
    }
    loss_of(full_chip(), WIDTHS, values).backward()
    slope = values["drain_sensitivity"].grad
    assert slope is not None
    assert torch.isfinite(slope)
    assert slope < 0
    assert values["wire_resistance"].grad == 0


# Straight-through steps -----------------------------------------------------------------------


def test_input_bits_pass_the_gradient_of_the_rounded_width() -> None:
    lsb = 4 * TICK
    coded = full_chip(pulse=am.Pulse(lsb=lsb, bits=5))
    continuous = full_chip(pulse=am.Pulse())
    rounded = torch.round(WIDTHS / lsb) * lsb
    # 124 ticks are the widest code exactly: the gradient passes there too.
    raw, rounded = (
        torch.cat([t, torch.full((1, 4), 124 * TICK).double()]) for t in (WIDTHS, rounded)
    )
    found, expected = gradients(coded, raw), gradients(continuous, rounded)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=0)


def test_widths_beyond_the_widest_code_have_no_gradient() -> None:
    chip = ideal([[1.0], [2.0]]).replace(pulse=am.Pulse(lsb=1.0, bits=2))
    t = torch.tensor([3.4, 1.2], dtype=torch.float64, requires_grad=True)
    charge = am.simulate(chip, t)
    assert charge.item() == 3.0 + 2.0
    charge.backward()
    assert t.grad is not None
    assert t.grad.tolist() == [0.0, 2.0]


def test_readout_passes_the_gradient_below_full_scale() -> None:
    chip = ideal([[1.0, 10.0], [2.0, 20.0]]).replace(readout=am.Readout(bits=3, full_scale=14.0))
    t = torch.tensor([2.2, 1.5], dtype=torch.float64, requires_grad=True)
    charge = am.simulate(chip, t)
    assert charge.tolist() == [6.0, 14.0]  # 5.2 is 2.6 steps of 2
    charge.sum().backward()
    assert t.grad is not None
    assert t.grad.tolist() == [1.0, 2.0]  # the second bit line is saturated


# gradcheck in units of order one --------------------------------------------------------------


def unit(*shape: int, low: float = 0.3, high: float = 1.7) -> Tensor:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (low + (high - low) * values).requires_grad_()


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (cell.raised_current, (unit(3, 2), unit(3, 2, low=-0.5, high=0.5), unit())),
        (cell.sensitivity, (unit(3, 2), unit())),
        (bit_line.sense_current, (unit(4, 2), unit(4), unit())),
        (bit_line.sense_current_first_order, (unit(4, 2), unit(4), unit())),
        (bit_line.node_drop, (unit(4, 2), unit(4), unit())),
        (bit_line.droop, (unit(3), unit(), unit())),
        (bit_line.droop_first_order, (unit(3), unit(), unit())),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_gradcheck(function: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> None:
    assert torch.autograd.gradcheck(function, arguments)
