"""Choice of the expansion that meets a tolerance.

The error of each identity depends on the chip, the weights and the inputs together, so it
is measured: a probe of the work at hand is simulated by slots once, and the expansion grows
from its cheapest form, one step at a time, by the step that buys most accuracy for its
cost, until the probe's relative rms error is within the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from analog_model.physics.closed_form import Expansion

# The probe is a sample, so it is asked for a little more than the tolerance.
_MARGIN = 0.7
_STEPS: dict[str, tuple[int, ...]] = {
    "n_nodes": (1, 2, 3, 4, 5),
    "overlap_order": (1, 2, 3, 4),
    "n_space": (1, 2, 3, 4, 6, 8),
    "n_time": (1, 2, 3, 4, 6, 9, 12, 16, 24),
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
    return expansion.n_nodes * (1 + 0.1 * expansion.overlap_order) + 2 * modal + lifted


def _grown(expansion: Expansion, knobs: tuple[str, ...]) -> Iterator[Expansion]:
    """The expansion with one knob a step further, each in turn; last all of them together."""
    together = expansion
    for name in knobs:
        if name == "lifted_modes":
            step = replace(expansion, lifted_modes=True)
        else:
            further = [value for value in _STEPS[name] if value > getattr(expansion, name)]
            step = replace(expansion, **{name: further[0]}) if further else expansion
        together = replace(together, **{name: getattr(step, name)})
        if step != expansion:
            yield step
    if together != expansion:
        yield together


def choose(
    evaluate: Callable[[Expansion], Tensor],
    exact: Tensor,
    *,
    tolerance: float,
    crosstalk: bool,
    drop: bool,
    interpolated: bool,
) -> Choice:
    """Cheapest expansion found whose error is within the tolerance, else the best one.

    `evaluate` gives the probe's output for an expansion, `exact` what it should be.
    The flags say which identities are at work at all; `interpolated`: cells differ in
    sensitivity.
    """
    knobs: tuple[str, ...] = ()
    if crosstalk:
        knobs += ("overlap_order",)
        knobs += ("n_nodes",) if interpolated else ()
    if drop:
        knobs += ("n_space", "n_time")
        if crosstalk:
            knobs += ("lifted_modes",)
            knobs += ("n_modal_nodes",) if interpolated else ()
    start = Expansion(n_nodes=1, overlap_order=1 if crosstalk else 0)

    def judged(expansion: Expansion) -> Choice:
        with torch.no_grad():
            return Choice(expansion, relative_error(evaluate(expansion), exact))

    best = judged(start)
    while best.error > _MARGIN * tolerance:
        here = best
        steps = [judged(step) for step in _grown(here.expansion, knobs)]
        if not steps:
            return best

        def gain(step: Choice, here: Choice = here) -> float:
            paid = cost(step.expansion) - cost(here.expansion)
            reached = max(step.error, _MARGIN * tolerance)
            return float(torch.log(torch.tensor(here.error / reached))) / max(paid, 0.05)

        best = max(steps, key=gain)
        if best.error > here.error:  # no step helps alone: only all of them together can
            best = steps[-1]
            if best.error > here.error:
                return here
    return best
