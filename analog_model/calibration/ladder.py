"""Ladder: every rung fitted to the same observations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analog_model.calibration.departures import Spread
from analog_model.calibration.fit import Fit, influence_of
from analog_model.calibration.problem import Problem
from analog_model.calibration.rungs import IDEAL, LADDER
from analog_model.calibration.selection import held_out

Progress = Callable[[str, float], None]
Listener = Callable[[Fit], None]


def climb(problem: Problem, progress: Progress, listener: Listener) -> dict[str, Fit]:
    """Every rung fitted, simple to rich, each begun where the one before ended.

    `listener` is told every fit as it is done, again where a fit is replaced.

    Outliers are judged once, by the richest: a poor model would call good readings outliers.
    Where it finds some, the simpler rungs are fitted again without them.
    """
    rungs = (IDEAL, *LADDER)
    fits: dict[str, Fit] = {}
    before: Fit | None = None
    for done, rung in enumerate(rungs):
        progress(rung.explains, 0.5 * done / len(rungs))
        influence = problem.trust if rung is not rungs[-1] else None
        before = problem.fit(rung, influence=influence, near=before)
        fits[rung.name] = before
        listener(before)
    richest = fits[rungs[-1].name]
    if not np.array_equal(richest.influence, problem.trust):
        progress("the same without outliers", 0.5)
        for rung in rungs[:-1]:
            fit = problem.fit(rung, influence=richest.influence, near=fits[rung.name])
            fits[rung.name] = fit
            listener(fit)
    return fits


def _begun_in_weak_inversion(problem: Problem, fit: Fit) -> Fit:
    """The fit's rung begun anew: kappas of weak inversion, the specific current at its start."""
    rung = fit.parameters.rung
    weak = problem.fit(rung.replace(ekv=False), influence=fit.influence)
    known = dict(zip(weak.parameters.names, weak.vector, strict=True))
    names, begin = fit.parameters.names, fit.parameters.start()
    vector = np.array([known.get(name, x) for name, x in zip(names, begin, strict=True)])
    return replace(fit, vector=vector)


def full_fit(problem: Problem, chosen: Fit) -> tuple[Fit, Spread]:
    """The chosen rung with single cells free, the outliers judged by this model again.

    Errors of the reads may have driven the frozen fit's specific current to where nothing
    depends on it; then a second start competes, the better at left-out patterns wins.
    """
    rung = chosen.parameters.rung.replace(
        name="full", explains="single cells", free=("weights", "kappa")
    )
    starts = [chosen]
    if chosen.lost("specific_current"):
        starts.append(_begun_in_weak_inversion(problem, chosen))
    found = [problem.fit_cells(start, rung) for start in starts]
    best = int(np.argmin([held_out(fit).mean for fit, _ in found]))
    full, spread = found[best]
    judged = influence_of(full.residual / np.sqrt(full.influence)) * problem.trust
    if np.allclose(judged, full.influence, atol=1e-3):
        return full, spread
    return problem.fit_cells(replace(starts[best], influence=judged), rung)
