"""Programmed current of a cell: what writing a target leaves behind.

Currents are in units of the full-scale current (1 is the largest cell), of any shape; the
quantities drawn per cell have the same shape.

Resolution comes before error, because the writer aims at a level and misses it; stuck cells
come last, because no aim reaches them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.physics.encoding import quantise


def resolved_current(target_current: Tensor, *, bits: int) -> Tensor:
    """Nearest of the 2^bits levels from 0 to full scale.

    Saturates at both ends. The gradient passes straight through between them, the ends
    included, so that a weight which sets its layer's scale keeps its gradient.
    """
    # In units of one level the top is a whole number: rounding cannot put it below 1.
    top = 2**bits - 1
    return quantise(target_current * top, target_current.new_ones(()), top + 1) / top


def misprogrammed_current(
    target_current: Tensor, *, offset: Tensor | None, gain: Tensor | None
) -> Tensor:
    """max(I (1 + gain) + offset, 0): a cell missed by `gain` of itself, `offset` of full scale.

    A cell cannot source current: a miss beyond zero leaves it off, with no gradient.
    """
    if offset is None and gain is None:
        return target_current
    current = target_current
    if gain is not None:
        current = current + target_current * gain
    if offset is not None:
        current = current + offset
    return current.clamp(min=0)


def stuck_current(current: Tensor, *, off: Tensor | None, on: Tensor | None) -> Tensor:
    """Current with the cells `off` at 0 or `on` at full scale; those have no gradient.

    `off` and `on` are boolean.
    """
    if off is not None:
        current = torch.where(off, torch.zeros_like(current), current)
    if on is not None:
        current = torch.where(on, torch.ones_like(current), current)
    return current
