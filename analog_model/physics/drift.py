"""Drift of a cell's current as its floating gate loses charge.

The threshold of a flash cell shifts with the logarithm of the time since it was written,
with a slope that differs from cell to cell (Miccoli, Monzio Compagnoni, Beltrami, Spinelli,
Visconti, IEEE Trans. Electron Devices 58 (2011) 2406, doi:10.1109/TED.2011.2150751: charge
detrapping from the tunnel oxide). In units of n U_T the floating gate is lifted by

    lift = -nu ln(1 + t/t_0),

which in weak inversion is the power law I(t) = I (1 + t/t_0)^-nu; the cell law carries it
to stronger cells, which feel less of it. 1 + t/t_0 rather than t/t_0 starts the law at the
written current.

The exponent nu is the cell's. It is positive where the current falls and may be negative:
electrons that leave the gate of an n-channel cell raise its current.
"""

from __future__ import annotations

import math

from torch import Tensor

from analog_model.physics.cell import raised_current


def drifted_current(
    current: Tensor,
    exponent: Tensor,
    specific_current: Tensor | None,
    *,
    time: float,
    reference_time: float,
) -> Tensor:
    """Current of each cell `time` [s] after it was written; broadcasts.

    `exponent` nu per cell, `reference_time` t_0 [s]. `current` and `specific_current` in
    one unit; weak inversion when the latter is None. At time 0 exactly `current`.
    """
    lift = -exponent * math.log1p(time / reference_time)
    return raised_current(current, lift, specific_current)
