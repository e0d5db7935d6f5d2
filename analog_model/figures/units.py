"""Prefixes of units, chosen for the numbers that a label speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_PREFIXES = ((1e-18, "a"), (1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"))


@dataclass(frozen=True)
class Unit:
    """A unit with its prefix; `factor` is its size in SI."""

    symbol: str
    factor: float

    def scaled(self, values: Any) -> np.ndarray:
        """SI values in this unit, single precision: what a plot needs."""
        return np.asarray(np.asarray(values) / self.factor, dtype=np.float32)


def unit_for(values: Any, si: str) -> Unit:
    """The unit in which the largest magnitude has one to three digits before the point."""
    magnitude = np.abs(np.asarray(values, dtype=float))
    largest = float(magnitude.max()) if magnitude.size else 0.0
    chosen = Unit(si, 1.0)
    if largest and largest < 1.0:
        fitting = [(factor, name) for factor, name in _PREFIXES if factor <= largest]
        factor, name = fitting[-1] if fitting else _PREFIXES[0]
        chosen = Unit(f"{name}{si}", factor)
    return chosen
