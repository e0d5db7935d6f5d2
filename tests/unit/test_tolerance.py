"""Choice of an expansion, on made-up errors whose best answer a full search knows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from analog_model.physics import tolerance
from analog_model.physics.closed_form import Expansion
from analog_model.physics.tolerance import Choice, choose, cost, grow, relative_error

EXACT = torch.full((4, 3), 2.0, dtype=torch.float64)
FLAGS = {"crosstalk": True, "drop": True, "interpolated": True}
Error = Callable[[Expansion], float]


def evaluation(error: Error) -> Callable[[Expansion], torch.Tensor]:
    return lambda expansion: EXACT * (1 + error(expansion))


def smooth(expansion: Expansion) -> float:
    """Each identity's error falls with its own knobs; all of one sign."""
    drop = 1e-2 / (expansion.n_time**2 * expansion.n_space)
    lifted = 0.0 if expansion.lifted_modes else 4e-4
    return 10.0 ** -(2 + expansion.n_nodes) + 10.0**-expansion.overlap_order / 5 + drop + lifted


def cancelling(expansion: Expansion) -> float:
    """The same, with a term that hides another at the start: one knob alone makes it worse."""
    return smooth(expansion) - 3e-2 / expansion.n_time


def test_relative_error_by_hand() -> None:
    exact, found = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])
    assert relative_error(found, exact) == pytest.approx(0.1)
    assert relative_error(torch.zeros(2), torch.zeros(2)) == 0
    assert relative_error(torch.ones(2), torch.zeros(2)) == 1


@pytest.mark.parametrize("error", [smooth, cancelling])
@pytest.mark.parametrize("goal", [3e-2, 3e-3, 5e-4])
def test_the_choice_is_within_the_tolerance_with_nothing_to_spare(
    error: Error, goal: float
) -> None:
    choice = choose(evaluation(error), EXACT, tolerance=goal, **FLAGS)
    assert choice.error == pytest.approx(abs(error(choice.expansion)), rel=1e-9)
    assert choice.error <= 0.7 * goal
    # Any knob one step back misses the goal.
    for name in ("n_nodes", "overlap_order", "n_space", "n_time", "lifted_modes"):
        value = getattr(choice.expansion, name)
        if value > 1:
            fewer = replace(choice.expansion, **{name: value - 1})
            assert abs(error(fewer)) > 0.7 * goal or name in ("n_time", "n_space")


def test_the_choice_is_not_much_dearer_than_the_best() -> None:
    every = [
        Expansion(n_nodes, order, n_space, n_time, 1, lifted)
        for n_nodes, order, n_space, n_time, lifted in itertools.product(
            (1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4, 6), (1, 2, 3, 4, 6, 9), (False, True)
        )
    ]
    for goal in (1e-1, 1e-2, 2e-3):
        choice = choose(evaluation(smooth), EXACT, tolerance=goal, **FLAGS)
        cheapest = min(cost(each) for each in every if smooth(each) <= 0.7 * goal)
        assert cost(choice.expansion) <= 1.5 * cheapest


def test_a_loose_tolerance_takes_the_simplest() -> None:
    choice = choose(evaluation(smooth), EXACT, tolerance=0.5, **FLAGS)
    assert choice.expansion == Expansion(n_nodes=1, overlap_order=1, whole_feedback=False)
    alone = choose(
        evaluation(lambda _: 0.0),
        EXACT,
        tolerance=0.1,
        crosstalk=False,
        drop=False,
        interpolated=False,
    )
    assert alone == Choice(Expansion(n_nodes=1, overlap_order=0, whole_feedback=False), 0.0)


def test_only_the_effects_at_work_grow() -> None:
    kinds = {
        "crosstalk": ({"crosstalk": True, "drop": False}, {"overlap_order", "n_nodes"}),
        "drop": ({"crosstalk": False, "drop": True}, {"n_space", "n_time"}),
    }
    for flags, expected in kinds.values():
        choice = choose(
            evaluation(lambda _: 1.0), EXACT, tolerance=1e-3, interpolated=True, **flags
        )
        start = tolerance.simplest(crosstalk=flags["crosstalk"])
        assert choice.expansion == start  # nothing helped, so nothing was bought
        seen: set[str] = set()

        def watched(
            expansion: Expansion, start: Expansion = start, seen: set[str] = seen
        ) -> torch.Tensor:
            for name in ("n_nodes", "overlap_order", "n_space", "n_time", "n_modal_nodes"):
                if getattr(expansion, name) != getattr(start, name):
                    seen.add(name)
            return EXACT * 2

        choose(watched, EXACT, tolerance=1e-3, interpolated=True, **flags)
        assert seen == expected


def test_out_of_reach_gives_the_best_there_is() -> None:
    def floored(expansion: Expansion) -> float:
        return 1e-4 + smooth(expansion) / 100

    choice = choose(evaluation(floored), EXACT, tolerance=1e-5, **FLAGS)
    assert 1e-4 < choice.error < 2e-4


def test_an_expansion_without_a_number_is_never_chosen() -> None:
    def broken(expansion: Expansion) -> float:
        return math.nan if expansion.n_time > 1 else smooth(expansion)

    choice = choose(evaluation(broken), EXACT, tolerance=1e-5, **FLAGS)
    assert choice.expansion.n_time == 1
    assert math.isfinite(choice.error)


def test_no_expansion_is_judged_twice() -> None:
    judged: list[Expansion] = []

    def counted(expansion: Expansion) -> torch.Tensor:
        judged.append(expansion)
        return evaluation(cancelling)(expansion)

    grow(
        counted,
        EXACT,
        start=tolerance.simplest(crosstalk=True),
        knobs=("n_nodes", "overlap_order", "n_space", "n_time", "own_apart"),
        tolerance=1e-9,
    )
    assert len(judged) == len(set(judged))
    assert max(each.n_time for each in judged) == 32
    assert any(each.own_apart for each in judged)


def test_sums_are_shared_where_that_suffices() -> None:
    """Pairs of lines: what the mean pair sums stands for all, unless that misses too much."""

    def chosen(off: float, *, pairs: bool = True) -> Expansion:
        found = evaluation(lambda expansion: 0.0 if expansion.own_sums else off)
        return choose(found, EXACT, tolerance=1e-3, pairs=pairs, **FLAGS).expansion

    assert not chosen(1e-4).own_sums
    assert chosen(2e-3).own_sums
    assert chosen(1e-4, pairs=False).own_sums
    # A choice that sees lifts in time has widths of its own in every class.
    needs_lifts = evaluation(lambda expansion: 0.0 if expansion.lifted_modes else 1.0)
    assert choose(needs_lifts, EXACT, tolerance=1e-3, pairs=True, **FLAGS).expansion.own_sums
