"""Selection of a rung by what it says of patterns it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analog_model.calibration.fit import Fit

# A simpler model must win by this many standard errors of the paired difference.
MARGIN = 2.0
# A gain below this part of the error is none: parameters at a bound cost leverage, not truth.
MATERIAL = 0.01
# A value within this many standard errors of zero is consistent with it.
SIGNIFICANT = 2.0


@dataclass(frozen=True)
class HeldOut:
    """Mean squared held-out residual of a fit in units of sigma, per pattern and overall."""

    per_pattern: np.ndarray

    @property
    def mean(self) -> float:
        """Held-out chi-square per reading; 1 for a perfect model under known noise."""
        return float(self.per_pattern.mean())


def held_out(fit: Fit) -> HeldOut:
    """Held-out error of a fit, patterns left out one at a time."""
    return HeldOut((fit.held_out**2).mean(axis=1))


def undetermined(fit: Fit) -> bool:
    """Whether the patterns leave some kappa of the fit free to run away.

    They depend on it, unlike on one that is unseen, yet cannot tell it from the others: a
    rung that asks more of few patterns or lines than they hold.
    """
    return bool(fit.entangled[: len(fit.parameters.kappa_names)].any())


def richest_adequate(fits: Sequence[Fit]) -> int:
    """Index of the richest fit that no simpler one beats convincingly.

    `fits` run from simple to rich and judge the same patterns. A fit is beaten when a
    simpler one's gain over it, pattern by pattern, exceeds `MARGIN` of its standard error;
    one with an undetermined kappa, or without a parameter seen beyond those of the simpler
    ones, is not in the running.
    Rich rather than simple, for an effect that hides behind the errors of the reads while
    cells are frozen, once left out, biases the parameters that stay; once kept, it is
    reported as consistent with zero.
    """
    scores = [held_out(fit).per_pattern for fit in fits]
    for index in range(len(fits) - 1, 0, -1):
        n_seen = [int(fit.seen.sum()) for fit in fits[: index + 1]]
        if undetermined(fits[index]) or n_seen[-1] <= max(n_seen[:-1]):
            continue
        gains = [scores[index] - simpler for simpler in scores[:index]]
        errors = [
            gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.inf for gain in gains
        ]
        slack = MATERIAL * scores[index].mean()
        if all(
            gain.mean() <= max(MARGIN * e, slack) for gain, e in zip(gains, errors, strict=True)
        ):
            return index
    return 0
