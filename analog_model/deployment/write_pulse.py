"""Write of a cell: the current that an attempt to change it leaves behind.

An attempt to change a current I by a step D misses by a part g of the step and by an offset o
that any attempt makes, both Gaussian:

    I' = max(I + D (1 + g) + o, 0).

From an erased cell, I = 0 and D the target, this is the programming error of
`physics.programming`; a small correction misses by little, which is why repeating helps.
Writes in either direction are alike. Injection and tunnelling of a real floating gate differ,
and where one of them erases whole lines, corrections downward are not to be had.
"""

from __future__ import annotations

import numpy as np

from analog_model.nn.effects import ProgrammingError


def written_current(
    current: np.ndarray,
    step: np.ndarray,
    *,
    error: ProgrammingError | None,
    generator: np.random.Generator,
) -> np.ndarray:
    """Current after one write of every cell by `step`, all in units of full scale."""
    if error is None:
        return np.maximum(current + step, 0.0)
    gain, offset = generator.standard_normal((2, *current.shape))
    missed = error.proportional * gain * step + error.full_scale * offset
    return np.maximum(current + step + missed, 0.0)
