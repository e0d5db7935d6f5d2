"""Ladder: every rung fitted to the same observations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analog_model.calibration.fit import Fit
from analog_model.calibration.problem import Problem
from analog_model.calibration.rungs import IDEAL, LADDER

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
