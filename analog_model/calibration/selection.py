"""Selection of a rung by what it says of patterns it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analog_model.calibration.fit import Fit

# A richer model must win by this many standard errors of the paired difference.
MARGIN = 2.0
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


def simplest_adequate(fits: Sequence[Fit]) -> int:
    """Index of the simplest fit that no richer one beats convincingly.

    `fits` run from simple to rich and judge the same patterns. A fit is adequate when the
    best one's gain over it, pattern by pattern, is below `MARGIN` of its standard error.
    """
    scores = [held_out(fit).per_pattern for fit in fits]
    best = int(np.argmin([score.mean() for score in scores]))
    for index in range(best):
        gain = scores[index] - scores[best]
        error = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.inf
        if gain.mean() <= MARGIN * error:
            return index
    return best
