"""Encoding of inputs as pulses on the word lines.

Only the overlap of pulses matters, so start times are relative to an instant that the
operation's pulses share: their common leading edge, trailing edge or centre.
"""

from __future__ import annotations

import torch
from torch import Tensor


def quantise(value: Tensor, step: Tensor, levels: int) -> Tensor:
    """`value` rounded to 0, 1, ... `levels` - 1 times `step`, saturating at both ends.

    The gradient passes straight through between the ends and is zero beyond them
    (Bengio et al., arXiv 1308.3432). `value` and `step` share one unit.
    """
    top = step * (levels - 1)
    # Not torch.minimum: it halves the gradient of a value that lies exactly at the top.
    inside = torch.where(value > top, top, value.clamp(min=0))
    rounded = torch.round(inside.detach() / step.detach()) * step.detach()
    return inside + (rounded - inside).detach()


def pulse_start(pulse_width: Tensor, alignment: str, stagger: Tensor | None = None) -> Tensor:
    """Start time of each pulse [s], relative to the edge or centre that they share.

    leading 0, trailing -t, centred -t/2, staggered the given delay per word line.
    Shapes: (..., N) in and out.
    """
    if alignment == "leading":
        return torch.zeros_like(pulse_width)
    if alignment == "trailing":
        return -pulse_width
    if alignment == "centred":
        return -pulse_width / 2
    if alignment == "staggered" and stagger is not None:
        return stagger.expand_as(pulse_width)
    raise ValueError(f"no rule for alignment {alignment!r} with stagger {stagger}")


def shorten(start: Tensor, pulse_width: Tensor, dead_time: Tensor) -> tuple[Tensor, Tensor]:
    """Start and width [s] of each pulse after its edges cost `dead_time`.

    Half is lost at each end, so that leading, trailing, centred pulses stay so:
    t' = max(t - t_dead, 0). A pulse shorter than the dead time vanishes.
    """
    return start + dead_time / 2, (pulse_width - dead_time).clamp(min=0)
