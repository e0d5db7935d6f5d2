"""Modes of the drop, against sums over cells, quadrature in time, the exact ladder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.polynomial import legendre

from analog_model.physics import drop_modes as modes
from analog_model.physics.closed_form import lost_charge, lost_difference


def wire(n: int, lumped: float = 0.7) -> np.ndarray:
    distance = np.arange(1.0, n + 1)
    return lumped + np.minimum.outer(distance, distance)


def test_resistance_is_that_of_the_shared_path() -> None:
    # Word lines 2, 0, 1 from near to far, segments of 3, 5, 7 ohm.
    found = modes.resistance_matrix(np.array([3.0, 5.0, 7.0]), np.array([2, 0, 1]))
    np.testing.assert_allclose(found, [[8, 8, 3], [8, 15, 3], [3, 3, 3]])


def test_all_space_modes_give_the_resistance_back() -> None:
    resistance = wire(7)
    psi = modes.space_modes(resistance, 7)
    np.testing.assert_allclose(psi @ psi.T, resistance, rtol=1e-9)
    assert modes.space_modes(resistance, 20).shape[0] == 7


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_space_modes_are_exact_for_their_profiles(count: int) -> None:
    n, resistance = 20, wire(20)
    psi = modes.space_modes(resistance, count)
    assert psi.shape == (n, count)
    profiles = np.vander(np.linspace(-1, 1, n), count)
    expected = resistance @ profiles
    np.testing.assert_allclose(psi @ (psi.T @ profiles), expected, rtol=1e-9, atol=1e-12)
    # What is left out has one sign.
    assert np.linalg.eigvalsh(resistance - psi @ psi.T).min() > -1e-9 * resistance.max()


def test_a_lumped_resistance_is_one_mode() -> None:
    psi = modes.space_modes(np.full((6, 6), 2.5), 4)
    np.testing.assert_allclose(psi @ psi.T, 2.5, rtol=1e-12)
    assert psi.shape == (6, 1)


def test_one_word_line_has_one_mode() -> None:
    psi = modes.space_modes(np.array([[3.0]]), 3)
    np.testing.assert_allclose(psi @ psi.T, 3.0)


def test_reduced_integrals_are_those_of_the_polynomials() -> None:
    width = np.array([0.0, 1e-9, 0.2, 0.75, 1.0])
    found = modes.reduced_integrals(torch.tensor(width), 9)
    at, weight = legendre.leggauss(20)
    for degree, mean in enumerate(found):
        # Mean of sqrt(2d + 1) P_d(2t - 1) over [0, tau], by quadrature.
        times = width[:, None] * (at + 1) / 2
        value = legendre.legval(2 * times - 1, np.eye(9)[degree]) * np.sqrt(2 * degree + 1)
        np.testing.assert_allclose(mean, value @ weight / 2, rtol=1e-12, atol=1e-12)


def test_time_modes_are_orthonormal_with_the_mean_course_first() -> None:
    sample = np.random.default_rng(0).uniform(0, 1, 500) ** 3
    rows = modes.time_modes(sample, 6)
    np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-12)
    # The projection of P(t_j > t) on polynomials of degree 4 maximises the overlap with it.
    times = (np.arange(4000) + 0.5) / 4000
    course = (sample[:, None] > times).mean(0)
    basis = legendre.legvander(2 * times - 1, 5) * np.sqrt(2 * np.arange(6) + 1)
    projection = np.zeros(6)
    projection[:5] = (basis * course[:, None]).mean(0)[:5]
    projection /= np.linalg.norm(projection)
    np.testing.assert_allclose(rows[0], projection, atol=2e-3)


@pytest.mark.parametrize("sample", [np.ones(4), np.zeros(3), np.array([0.3])])
def test_degenerate_samples_still_give_modes(sample: np.ndarray) -> None:
    rows = modes.time_modes(sample, 3)
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
    found = modes.drop_modes(wire(4), 0.1, sample, n_space=2, n_time=2)
    for part in (found.space, found.time, found.own, found.feedback):
        assert np.isfinite(part).all()


def first_order_loss(resistance: np.ndarray, current: np.ndarray, width: np.ndarray) -> float:
    """int dt sum_jk R_jk I_j I_k a_j a_k: the shorter of two pulses is when both are high."""
    total = 0.0
    for j in range(len(width)):
        for k in range(len(width)):
            total += resistance[j, k] * current[j] * current[k] * min(width[j], width[k])
    return total


def modal_charges(found: modes.DropModes, current: np.ndarray, width: np.ndarray) -> np.ndarray:
    """U_nm = sum_j Psi_jn I_j A_jm, A_jm = int_0^t_j b_m."""
    reduced = modes.reduced_integrals(torch.tensor(width), found.time.shape[1])
    integral = found.time @ (torch.stack(reduced) * torch.tensor(width)).numpy()
    return np.einsum("jn,j,mj->nm", found.space, current, integral)


def test_all_modes_give_the_quadratic_form() -> None:
    generator = np.random.default_rng(3)
    n, current, width = 6, generator.uniform(0, 1, 6), generator.uniform(0, 1, 6)
    exact = first_order_loss(wire(n), current, width)
    errors = []
    for n_time in (2, 8, 32):
        found = modes.drop_modes(wire(n), 1.0, width, n_space=n, n_time=n_time)
        loss = (modal_charges(found, current, width) ** 2).sum()
        assert loss < exact  # the truncated tail has one sign
        errors.append(1 - loss / exact)
    assert errors[0] < 0.1
    # min(t_j, t_k) has a kink: the tail falls as one over the number of modes.
    assert errors[1] < errors[0] / 2
    assert errors[2] < errors[1] / 3


@pytest.mark.parametrize(("n_space", "n_time"), [(1, 1), (2, 3), (4, 6)])
def test_what_is_left_out_of_the_diagonal_is_kept(n_space: int, n_time: int) -> None:
    # Over the sample that they were made for, modes and own part hold all of R_jj t_j.
    n, generator = 5, np.random.default_rng(5)
    sample = generator.uniform(0, 1, (40, n))
    found = modes.drop_modes(wire(n), 2.0, sample, n_space=n_space, n_time=n_time)
    np.testing.assert_allclose(found.diagonal, 2 * np.diag(wire(n)), rtol=1e-12)
    for j in range(n):
        held = 0.0
        for width in sample.ravel():
            alone = np.zeros(n)
            alone[j] = width
            held += (modal_charges(found, np.eye(n)[j], alone) ** 2).sum()
        whole = held + found.own[j] * sample.sum()
        assert whole == pytest.approx(2 * wire(n)[j, j] * sample.sum(), rel=1e-9)


def ladder(current: np.ndarray, strength: float) -> float:
    """Current at the sense end, I_j = I'_j (1 - g V_j) solved as a linear system."""
    resistance = wire(len(current), lumped=0.0)
    system = np.eye(len(current)) + strength * current[:, None] * resistance
    return float(np.linalg.solve(system, current).sum())


@pytest.mark.parametrize("profile", ["equal", "falling", "rising"])
@pytest.mark.parametrize("strength", [1e-4, 4e-4, 1e-3])
def test_feedback_is_nearly_that_of_the_ladder(profile: str, strength: float) -> None:
    n = 24
    slope = {"equal": 0.0, "falling": -0.5, "rising": 0.5}[profile]
    current = 1 + slope * np.linspace(-1, 1, n)
    found = modes.drop_modes(wire(n, 0.0), strength, np.ones(n), n_space=4, n_time=1)
    charge = [list(row) for row in torch.tensor(modal_charges(found, current, np.ones(n)))]
    first = float(lost_charge(charge, None))
    assert first == pytest.approx(strength * current @ wire(n, 0.0) @ current, rel=1e-12)
    exact = current.sum() - ladder(current, strength)
    assert 0.01 < exact / n < 0.25
    # Its own third order, and the projection on two modes, leave a fiftieth of the feedback.
    lost = float(lost_charge(charge, torch.tensor(found.feedback)))
    assert abs(lost - exact) < 0.02 * (first - exact)


def test_equal_cells_give_the_hyperbolic_tangent() -> None:
    # dV/dx = r J, dJ/dx = -i (1 - g V): J(0) = i n tanh(a)/a with a^2 = g r i n^2.
    n, loss = 400, []
    for root in (0.3, 0.6):
        strength = root**2 / n**2
        found = modes.drop_modes(wire(n, 0.0), strength, np.ones(n), n_space=3, n_time=1)
        charge = torch.tensor(modal_charges(found, np.ones(n), np.ones(n)))
        lost = float(lost_charge([list(row) for row in charge], torch.tensor(found.feedback)))
        loss.append(lost / n)
        exact = 1 - np.tanh(root) / root
        assert lost / n == pytest.approx(exact, rel=root**4 / 10 + 2 / n)
    assert loss[1] > 3 * loss[0]


def test_without_feedback_the_loss_is_the_sum_of_squares() -> None:
    charge = [[torch.tensor(1.0), torch.tensor(2.0)], [torch.tensor(-3.0), torch.tensor(0.5)]]
    assert float(lost_charge(charge, None)) == 1 + 4 + 9 + 0.25


def test_no_current_loses_nothing_with_a_finite_gradient() -> None:
    found = modes.drop_modes(wire(6), 0.1, np.ones(6), n_space=2, n_time=3)
    charge = torch.zeros(2, 3, 5, dtype=torch.float64, requires_grad=True)
    lost = lost_charge([list(row) for row in charge], torch.tensor(found.feedback))
    lost.sum().backward()
    assert (lost == 0).all()
    assert charge.grad is not None
    assert (charge.grad == 0).all()


@pytest.mark.parametrize(
    ("n_space", "n_time", "whole"), [(1, 1, True), (2, 3, False), (2, 3, True)]
)
def test_the_difference_of_two_lines_is_that_of_their_losses(
    n_space: int, n_time: int, whole: bool
) -> None:
    generator = np.random.default_rng(7)
    width = generator.uniform(0, 1, 12)
    found = modes.drop_modes(
        wire(12), 3e-3, width, n_space=n_space, n_time=n_time, whole_feedback=whole
    )
    lines = [modal_charges(found, generator.uniform(0, 1, 12), width) for _ in range(2)]
    plus, minus = ([list(row) for row in torch.tensor(line)] for line in lines)
    half_sum = [list(row) for row in torch.tensor((lines[0] + lines[1]) / 2)]
    half_difference = [list(row) for row in torch.tensor((lines[0] - lines[1]) / 2)]
    for feedback in (None, torch.tensor(found.feedback)):
        expected = float(lost_charge(plus, feedback) - lost_charge(minus, feedback))
        assert abs(expected) > 1e-3
        difference = lost_difference(half_sum, half_difference, feedback)
        assert float(difference) == pytest.approx(expected, rel=1e-12)
