"""Overlap of pulses, against the time integral taken tick by tick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from analog_model.physics import interpolation, overlap

SPECIFIC = 2.0


def exponential(lift: np.ndarray) -> np.ndarray:
    return np.exp(lift)


def moderate(lift: np.ndarray) -> np.ndarray:
    """EKV at I = 1.5, I_S = 2, from the law itself: I_S ln^2(1 + e^((u + kappa) / 2)) / I."""
    u = 2 * np.log(np.expm1(np.sqrt(1.5 / SPECIFIC)))
    return SPECIFIC * np.log1p(np.exp((u + lift) / 2)) ** 2 / 1.5


def by_ticks(
    factor: Callable[[np.ndarray], np.ndarray], width: int, neighbour: list[int], kappa: np.ndarray
) -> float:
    total = 0.0
    for tick in range(width):
        high = np.array([tick < other for other in neighbour], dtype=float)
        total += float(factor(np.asarray(high @ kappa)))
    return total


@pytest.mark.parametrize("factor", [exponential, moderate])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_integral_equals_the_sum_over_ticks(
    factor: Callable[[np.ndarray], np.ndarray], count: int
) -> None:
    generator = np.random.default_rng(count)
    sets = overlap.neighbour_sets(count, count)
    assert len(sets) == 2**count
    kappa = generator.uniform(-0.6, 0.6, count)
    # Few ticks, so that pulses often coincide or vanish.
    width, *neighbour = generator.integers(0, 6, (1 + count, 40))
    shortest = overlap.overlaps(
        torch.tensor(width).double(), [torch.tensor(n).double() for n in neighbour], sets
    )

    def lifted(lift: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(factor(lift.numpy()))

    if count:
        weight = overlap.coefficients(lifted, torch.tensor(kappa), sets)
    else:
        weight = torch.ones(1).double()
    found = sum(m * float(c) for m, c in zip(shortest, weight, strict=True))
    expected = [
        by_ticks(factor, int(width[p]), [int(n[p]) for n in neighbour], kappa) for p in range(40)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_sets_come_by_size_after_their_leading_parts() -> None:
    sets = overlap.neighbour_sets(3, 2)
    assert sets == [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    assert overlap.neighbour_sets(2, 5) == [(), (0,), (1,), (0, 1)]
    assert overlap.neighbour_sets(0, 4) == [()]


def test_coefficients_of_an_exponential_are_products() -> None:
    kappa = torch.tensor([0.2, -0.3, 0.5], dtype=torch.float64)
    sets = overlap.neighbour_sets(3, 3)
    found = overlap.coefficients(torch.exp, kappa, sets)
    expected = [np.prod([np.expm1(float(kappa[k])) for k in chosen]) for chosen in sets]
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("root", [0.0, 0.3, 5.0])
def test_slopes_of_coefficients_are_their_differences(root: float) -> None:
    kappa = torch.tensor([[0.2, 0.1], [-0.3, 0.0], [0.5, 0.4]], dtype=torch.float64)
    sets = overlap.neighbour_sets(3, 3)
    found = overlap.coefficient_slopes(
        lambda lift: interpolation.lift_slope(root, lift), kappa, sets
    )
    for k in range(3):
        step = torch.zeros_like(kappa)
        step[k] = 1e-5
        above, below = (
            overlap.coefficients(lambda lift: interpolation.lift_factor(root, lift), value, sets)
            for value in (kappa + step, kappa - step)
        )
        expected = kappa[k] * (above - below) / 2e-5
        np.testing.assert_allclose(found[k], expected, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_sets_left_out_matter_as_their_power_of_kappa(order: int) -> None:
    sets = overlap.neighbour_sets(4, order)
    width, neighbour = torch.ones(1).double(), [torch.ones(1).double()] * 4
    missed = []
    for scale in (1e-2, 1e-3):
        kappa = scale * torch.tensor([1.0, 2.0, -0.7, 1.5]).double()
        weight = overlap.coefficients(torch.exp, kappa, sets)
        shortest = overlap.overlaps(width, neighbour, sets)
        found = sum(float(m * c) for m, c in zip(shortest, weight, strict=True))
        missed.append(abs(found - np.exp(float(kappa.sum()))))
    assert np.log10(missed[0] / missed[1]) == pytest.approx(order + 1, abs=0.1)
