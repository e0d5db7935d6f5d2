"""Interpolation in the sensitivity, against the cell law written out in NumPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from analog_model.physics import interpolation


def lifted(current: np.ndarray, specific: float, lift: float) -> np.ndarray:
    """I' = I_S ln^2(1 + e^((u + kappa) / 2)) with u = 2 ln(e^sqrt(I/I_S) - 1)."""
    u = 2 * np.log(np.expm1(np.sqrt(current / specific)))
    return specific * np.log1p(np.exp((u + lift) / 2)) ** 2


def sensitivity(root: np.ndarray) -> np.ndarray:
    return (1 - np.exp(-root)) / root


def interpolated(current: np.ndarray, specific: float, lift: float, count: int) -> np.ndarray:
    at = interpolation.nodes(1.0, specific, count)
    parts = interpolation.lagrange(
        torch.tensor(current), torch.tensor(specific, dtype=torch.float64), at
    )
    factors = [interpolation.lift_factor(x, torch.tensor(lift, dtype=torch.float64)) for x in at]
    return sum(p * f for p, f in zip(parts, factors, strict=True)).numpy()


@pytest.mark.parametrize("specific", [0.1, 1.0, 30.0])
def test_more_nodes_err_less(specific: float) -> None:
    current = np.random.default_rng(1).uniform(0, 1, 500)
    errors = []
    for count in (1, 2, 3, 4, 5):
        missed = interpolated(current, specific, 0.3, count) - lifted(current, specific, 0.3)
        errors.append(np.sqrt((missed**2).mean()))
    assert errors[0] < 1e-2
    assert errors[1] < 2e-4
    assert all(later < earlier for earlier, later in pairwise(errors))
    assert all(later < earlier / 100 for earlier, later in zip(errors, errors[2:], strict=False))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("specific", [0.05, 1.0, 20.0])
def test_nodes_are_those_of_gauss(count: int, specific: float) -> None:
    # The polynomial with these zeros is orthogonal to all of lower degree, for currents
    # spread evenly, each counting as its square.
    at = np.array(interpolation.nodes(1.0, specific, count))
    assert (np.diff(at) > 0).all()
    current = (np.arange(100_000) + 0.5) / 100_000
    s, zeros = sensitivity(np.sqrt(current / specific)), sensitivity(at)
    polynomial = np.prod(s[:, None] - zeros, axis=1)
    for degree in range(count):
        lower = (s - s.mean()) ** degree
        overlap = (current**2 * polynomial * lower).sum()
        scale = np.sqrt((current**2 * polynomial**2).sum() * (current**2 * lower**2).sum())
        assert abs(overlap) < 1e-4 * scale


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_parts_add_up_to_the_current_and_are_one_at_their_own_node(count: int) -> None:
    at = interpolation.nodes(1.0, 0.4, count)
    specific = torch.tensor(0.4, dtype=torch.float64)
    current = torch.linspace(0, 1, 11).double()
    parts = interpolation.lagrange(current, specific, at)
    torch.testing.assert_close(sum(parts), current, rtol=1e-12, atol=1e-14)
    if count > 1:
        on_nodes = 0.4 * torch.tensor(at, dtype=torch.float64) ** 2
        parts = interpolation.lagrange(on_nodes, specific, at)
        torch.testing.assert_close(torch.stack(parts), torch.diag(on_nodes), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("specific", [0.05, 1.0, 20.0])
def test_a_node_at_rest_answers_to_no_lift(specific: float) -> None:
    """What is left for the others errs little more than Gauss's nodes do."""
    lift, current = 0.1, np.random.default_rng(1).uniform(0, 1, 500)
    rest, *others = interpolation.nodes(1.0, specific, 3, rest=True)
    assert rest == interpolation.REST
    assert 0 < others[0] < others[1]
    assert interpolation.lift_factor(rest, torch.tensor(lift)) == 1
    exact = lifted(current, specific, lift)
    for at, most in (
        (interpolation.nodes(1.0, specific, 2, rest=True), 0.07),
        ([rest, *others], 2e-3),
    ):
        parts = interpolation.lagrange(torch.tensor(current), torch.tensor(specific).double(), at)
        np.testing.assert_allclose(sum(parts), current, rtol=1e-12)
        factors = [interpolation.lift_factor(x, torch.tensor(lift).double()) for x in at]
        found = sum(p * f for p, f in zip(parts, factors, strict=True)).numpy()
        # Beside what the lift adds.
        missed = np.sqrt(((found - exact) ** 2).mean() / ((exact - current) ** 2).mean())
        assert missed < most


def test_a_cell_at_a_node_is_lifted_exactly() -> None:
    at = interpolation.nodes(1.0, 0.4, 3)
    current = 0.4 * np.array(at) ** 2
    for lift in (-0.5, 0.8):
        found = interpolated(current, 0.4, lift, 3)
        np.testing.assert_allclose(found, lifted(current, 0.4, lift), rtol=1e-9)


def test_weak_inversion_needs_no_nodes() -> None:
    assert interpolation.nodes(1.0, None, 4) == [0.0]
    lift = torch.tensor([-0.2, 0.3], dtype=torch.float64)
    torch.testing.assert_close(interpolation.lift_factor(0.0, lift), torch.exp(lift))
    current = torch.tensor([1.0, 2.0])
    assert interpolation.lagrange(current, None, [0.0])[0] is current


def test_nodes_know_no_unit() -> None:
    np.testing.assert_allclose(
        interpolation.nodes(3e-7, 2e-7, 3), interpolation.nodes(1.5, 1.0, 3), rtol=1e-12
    )
