"""Noise that differs from one operation to the next.

Both functions draw from `generator`, or with None from torch's own on the tensor's device:
torch.compile traces the latter only. With a deviation of 0 they return their input and draw
nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


def _standard_normal(like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def noisy_charge(
    charge: Tensor, *, deviation: float, n_reads: int, generator: Generator | None
) -> Tensor:
    """Charge with the noise of its readout.

    Each read of one bit line adds independent Gaussian noise of standard `deviation`, in
    the charge's unit. `charge` is the sum or difference of `n_reads` reads, whose noise
    powers add: plus line less minus line is two, each further array two more.
    """
    if deviation == 0:
        return charge
    return charge + deviation * math.sqrt(n_reads) * _standard_normal(charge, generator)


def jittered_width(
    pulse_width: Tensor, *, deviation: float, window: float, generator: Generator | None
) -> Tensor:
    """Pulse widths whose edges are uncertain, Gaussian with standard `deviation`.

    All in one unit of time. The deviation is that of the width: sqrt(2) of an edge's where
    both edges are made for the pulse, one edge's where they share the leading one. A word
    line without a pulse has no edges and stays at 0. A pulse cannot be shorter than
    nothing, and what lies beyond the `window` is not collected; there the gradient is 0.
    """
    if deviation == 0:
        return pulse_width
    jittered = pulse_width + deviation * _standard_normal(pulse_width, generator)
    return torch.where(pulse_width > 0, jittered.clamp(min=0, max=window), pulse_width)
