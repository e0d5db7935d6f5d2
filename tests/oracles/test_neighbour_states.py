"""Neighbour states, held to the cell law asked one cell at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analog_model.physics import cell, neighbour_states

N, M, OFFSETS = 4, 3, (-1, 1, 2)


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Currents [A], kappa, aggressors of a small array."""
    rng = np.random.default_rng(0)
    line = np.arange(N) + np.array(OFFSETS)[:, None]
    aggressor = np.where((line < 0) | (line >= N), N, line)
    return 10 ** rng.uniform(-9, -6, (N, M)), rng.normal(0, 0.3, (len(OFFSETS), N, M)), aggressor


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(np.array(values), dtype=torch.float64)


@pytest.mark.parametrize("specific", [None, 1e-7])
def test_a_state_is_the_sum_of_the_high_neighbours(specific: float | None) -> None:
    current, kappa, aggressor = drawn()
    law = None if specific is None else tensor(specific)
    table = neighbour_states.tabulate(tensor(current), tensor(kappa), law)
    assert table.n_states == 2 ** len(OFFSETS)
    for pattern in range(2**N):
        high = [pattern >> j & 1 for j in range(N)]
        state = neighbour_states.states(tensor([high]), torch.tensor(aggressor))[0]
        for j in range(N):
            lift = sum(
                kappa[k, j] * (high[a] if (a := aggressor[k, j]) < N else 0)
                for k in range(len(OFFSETS))
            )
            expected = cell.raised_current(tensor(current[j]), tensor(lift), law)
            assert torch.allclose(table.current[state[j], j], expected, rtol=1e-14)


def test_its_derivatives_are_finite_differences() -> None:
    current, kappa, _ = drawn()

    def table(factor: float = 1.0, more: float = 0.0, law: float = 1e-7):
        lifted = np.concatenate([kappa, np.full((1, N, M), more)])
        return neighbour_states.tabulate(tensor(current * factor), tensor(lifted), tensor(law))

    here = table()
    last = here.high[:, -1] > 0
    step = 1e-5
    by_current = (table(1 + step).current - table(1 - step).current) / (2 * step * tensor(current))
    assert torch.allclose(here.by_current, by_current, rtol=1e-7)
    by_lift = (table(more=step).current - table(more=-step).current) / (2 * step)
    assert torch.allclose(here.by_lift[last], by_lift[last], rtol=1e-7)
    by_law = (table(law=1e-7 * (1 + step)).current - table(law=1e-7 * (1 - step)).current) / (
        2e-7 * step
    )
    assert torch.allclose(here.by_specific_current, by_law, rtol=1e-5, atol=1e-8)


def test_time_in_states_is_counted_by_hand() -> None:
    """Line 0 high for 5 s, line 1 for the first 2: cell 0 spends 2 s next to it, 3 s alone."""
    aggressor = torch.tensor([[1, 0]])
    high = tensor([[1, 1], [1, 0]])
    state = neighbour_states.states(high, aggressor)
    vector = torch.tensor([0, 0])
    time = neighbour_states.dwell_time(tensor([2.0, 3.0]), vector, high, state, (1, 2))
    assert time.tolist() == [[[3.0, 2.0], [0.0, 2.0]]]
