"""What keeps the calibration of large arrays affordable, counted rather than timed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from analog_model.calibration import fit as fitting
from analog_model.calibration import linearisation
from analog_model.calibration.observations import Observations
from analog_model.calibration.problem import Problem, problem_of
from analog_model.calibration.rungs import CROSSTALK_EKV, DROP
from analog_model.first_estimate import layout_of
from analog_model.physics import cell
from tests.planted import measured, planted_chip

CHIP = planted_chip(8, 6, 1)


@pytest.fixture(scope="module")
def measurement() -> xr.Dataset:
    return measured(CHIP, 1, reads_error=0.003, random=300, mixed=100, test=0)


@pytest.fixture(scope="module")
def problem(measurement: xr.Dataset) -> Problem:
    return problem_of(measurement, 0, layout_of(measurement), None)


def counting(monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> list[tuple]:
    """The positional arguments of every call of a function from now on."""
    calls: list[tuple] = []
    original: Callable = getattr(place, name)

    def counted(*args: object, **options: object) -> object:
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr(place, name, counted)
    return calls


@pytest.mark.parametrize("rung", [CROSSTALK_EKV, DROP])
def test_exponentials_do_not_grow_with_the_patterns(
    problem: Problem, monkeypatch: pytest.MonkeyPatch, rung: object
) -> None:
    parameters = problem.parameters(rung)
    calls = counting(monkeypatch, cell, "raised_current")
    sizes = []
    for n_patterns in (10, 400):
        few = problem.observations.chosen(slice(0, n_patterns))
        linearisation.linearise(parameters, parameters.start(), problem.reads, few)
        sizes.append(sum(lift.numel() for _, lift, _ in calls))
        calls.clear()
    assert sizes[0] == sizes[1] == 2 ** len(rung.offsets) * 8 * 6


def test_most_of_a_fit_looks_at_few_patterns(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = problem.fit(DROP, influence=problem.trust)
    calls = counting(monkeypatch, fitting, "linearise_shared")
    monkeypatch.setattr(fitting, "FIRST_READINGS", 600)
    quick = problem.fit(DROP, influence=problem.trust)
    at_all = sum(observations.n_patterns > 100 for _, _, _, observations in calls)
    assert len(calls) > 10
    assert at_all <= 6
    assert quick.vector == pytest.approx(whole.vector, abs=1e-3 * whole.error.max())
    assert np.abs((quick.vector - whole.vector) / whole.error).max() < 0.01


def test_pieces_are_the_whole(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = problem.parameters(DROP)
    ask = (parameters, parameters.start(), problem.reads, problem.observations)
    whole = linearisation.linearise(*ask)
    calls = counting(monkeypatch, linearisation, "charge_jacobian")
    monkeypatch.setattr(linearisation, "PIECE", 1e5)
    charge, columns = linearisation.linearise_shared(*ask)
    assert max(width.shape[0] for _, width, _ in calls) < 60
    assert charge == pytest.approx(whole.charge, rel=1e-12)
    assert columns == pytest.approx(whole.columns, rel=1e-9, abs=1e-12 * whole.columns.max())


def test_a_draw_of_patterns_keeps_their_readings_together(problem: Problem) -> None:
    place = np.array([3, 1, 400])
    some: Observations = problem.observations.chosen(place)
    assert some.n_patterns == 3
    for name in ("pulse_width", "charge", "sigma", "label"):
        assert np.array_equal(getattr(some, name), getattr(problem.observations, name)[place])
