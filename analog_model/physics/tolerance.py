"""Choice of the expansion that meets a tolerance.

The error of each identity depends on the chip, the weights and the inputs together, so it
is measured: a probe of the work at hand is simulated by slots once, and the expansion grows
from its cheapest form, one step at a time, by the step that buys most accuracy for its
cost, until the probe's relative rms error is within the tolerance. Then what turned out
not to be needed is taken back: errors of opposite sign cancel in part, so the way up is
not the cheapest one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from analog_model.physics.closed_form import Expansion

# The probe is a sample, so it is asked for a little more than the tolerance.
_MARGIN = 0.7
# Products that the margin may cost at most: what is dearer grows no more within a smaller one.
_DEAR, _DEAR_MARGIN = 40.0, 0.8
_STEPS: dict[str, tuple[int, ...]] = {
    "n_nodes": (1, 2, 3, 4, 5),
    "overlap_order": (1, 2, 3, 4),
    "n_space": (1, 2, 3, 4, 6, 8, 12, 16),
    "n_time": (1, 2, 3, 4, 6, 9, 12, 16, 24, 32),
    "n_modal_nodes": (1, 2, 3, 4),
}


@dataclass(frozen=True)
class Choice:
    """An expansion with the relative rms error that the probe showed."""

    expansion: Expansion
    error: float


def relative_error(found: Tensor, exact: Tensor) -> float:
    """rms(found - exact) / rms(exact); 0 where both vanish."""
    scale = float(exact.square().mean().sqrt())
    missed = float((found - exact).square().mean().sqrt())
    return missed / scale if scale > 0 else missed


def cost(expansion: Expansion) -> float:
    """Relative cost: products of full size, plus what the elementwise work amounts to."""
    modal = expansion.n_space * expansion.n_time * expansion.n_modal_nodes
    lifted = 0.2 * expansion.overlap_order * expansion.n_time if expansion.lifted_modes else 0.0
    apart = 2.0 * expansion.n_modal_nodes if expansion.own_apart else 0.0
    sums = 1.0 if expansion.own_sums else 0.2
    nodes = expansion.n_nodes * (1 + 0.1 * expansion.overlap_order)
    spent = nodes + (1 + sums) * modal + lifted + apart
    return spent + (0.5 * min(modal, 6) if expansion.whole_feedback and modal > 1 else 0.0)


def _moved(expansion: Expansion, name: str, by: int) -> Expansion:
    """The expansion with one knob `by` steps further; itself where the knob ends."""
    at = getattr(expansion, name)
    steps: tuple[int | bool, ...] = _STEPS.get(name, (False, True))
    place = steps.index(at) + by
    if not 0 <= place < len(steps):
        return expansion
    change: dict[str, Any] = {name: steps[place]}
    return replace(expansion, **change)


class _Search:
    """Expansions judged so far, each once."""

    def __init__(self, evaluate: Callable[[Expansion], Tensor], exact: Tensor) -> None:
        self._evaluate, self._exact = evaluate, exact
        self.errors: dict[Expansion, float] = {}

    def error(self, expansion: Expansion) -> float:
        """Relative rms error of one expansion; not a number counts as the largest."""
        if expansion not in self.errors:
            with torch.no_grad():
                found = relative_error(self._evaluate(expansion), self._exact)
            self.errors[expansion] = found if math.isfinite(found) else sys.float_info.max
        return self.errors[expansion]

    def further(self, here: Expansion, knobs: Sequence[str], goal: float) -> Expansion | None:
        """The next step up: most gain for its cost, or all knobs at once where none gains."""
        steps = [step for name in knobs if (step := _moved(here, name, 1)) != here]
        if not steps:
            return None

        def gain(step: Expansion) -> float:
            bought = math.log(self.error(here)) - math.log(max(self.error(step), goal))
            return bought / max(cost(step) - cost(here), 0.05)

        best = max(steps, key=gain)
        if self.error(best) < self.error(here):
            return best
        for name in knobs:
            here = _moved(here, name, 1)
        return here

    def pruned(self, here: Expansion, knobs: Sequence[str], goal: float) -> Expansion:
        """The expansion without steps that the goal does not need, dearest first."""
        while True:
            fewer = [_moved(here, name, -1) for name in knobs]
            fewer = [step for step in fewer if step != here]
            for step in sorted(fewer, key=cost):
                if self.error(step) <= goal:
                    here = step
                    break
            else:
                return here


def grow(
    evaluate: Callable[[Expansion], Tensor],
    exact: Tensor,
    *,
    start: Expansion,
    knobs: Sequence[str],
    tolerance: float,
    margin: float = _MARGIN,
) -> Choice:
    """Cheapest expansion found from `start` within the tolerance, else the best one.

    `evaluate` gives the probe's output for an expansion, `exact` what it should be;
    `knobs` names the fields of the expansion that may grow; `margin` is the share of the
    tolerance that the probe is asked for.
    """
    search, goal = _Search(evaluate, exact), margin * tolerance
    here = start
    while search.error(here) > goal:
        if search.error(here) <= _DEAR_MARGIN * tolerance and cost(here) > _DEAR:
            break
        step = search.further(here, knobs, goal)
        if step is None:
            break
        here = step
    kept = max(goal, search.error(here))
    if kept > tolerance:
        here = min(search.errors, key=search.errors.__getitem__)
        return Choice(here, search.error(here))
    here = search.pruned(here, knobs, kept)
    return Choice(here, search.error(here))


def crosstalk_knobs(*, interpolated: bool) -> tuple[str, ...]:
    """Knobs of the charge without drop; `interpolated`: cells differ in sensitivity."""
    return ("overlap_order", "n_nodes") if interpolated else ("overlap_order",)


def drop_knobs(*, crosstalk: bool, interpolated: bool) -> tuple[str, ...]:
    """Knobs of the drop's modes, beside crosstalk or alone."""
    if not crosstalk:
        return ("n_space", "n_time", "whole_feedback")
    lifted = ("n_space", "n_time", "whole_feedback", "lifted_modes")
    return (*lifted, "n_modal_nodes") if interpolated else lifted


def simplest(*, crosstalk: bool) -> Expansion:
    """The cheapest expansion of all."""
    return Expansion(n_nodes=1, overlap_order=1 if crosstalk else 0, whole_feedback=False)


def choose(
    evaluate: Callable[[Expansion], Tensor],
    exact: Tensor,
    *,
    tolerance: float,
    crosstalk: bool,
    drop: bool,
    interpolated: bool,
    pairs: bool = False,
    margin: float = _MARGIN,
) -> Choice:
    """Cheapest expansion found whose error is within the tolerance, else the best one.

    All knobs together, on one probe; the flags say which identities are at work at all,
    `pairs` whether the output is that of plus and minus lines. `margin` as in `grow`.
    """
    knobs: tuple[str, ...] = ()
    if crosstalk:
        knobs += crosstalk_knobs(interpolated=interpolated)
    if drop:
        knobs += drop_knobs(crosstalk=crosstalk, interpolated=interpolated)
    choice = grow(
        evaluate,
        exact,
        start=simplest(crosstalk=crosstalk),
        knobs=knobs,
        tolerance=tolerance,
        margin=margin,
    )
    if not (drop and pairs) or choice.expansion.lifted_modes:
        return choice
    # At the end: to grow on shared sums leads to many modes of what is wrong by itself.
    lighter = replace(choice.expansion, own_sums=False)
    with torch.no_grad():
        error = relative_error(evaluate(lighter), exact)
    return Choice(lighter, error) if error <= margin * tolerance else choice
