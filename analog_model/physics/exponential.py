"""Exponential less one, without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor

# Up to here by its series, whose terms beyond the 12th are then below 1e-17 of it.
_SMALL, _N_TERMS = 0.3, 12


def expm1(x: Tensor) -> Tensor:
    """e^x - 1, to some units in the last place, in compiled code too.

    torch.compile writes `torch.expm1` out as exp(x) - 1 for the processor's vectors, which in
    single precision errs by 1 % at x = 1e-6 and gives 0 at 1e-8. There it is
    x (1 + x/2 (1 + x/3 (...))) for small x.
    """
    if not torch.compiler.is_compiling():
        return torch.expm1(x)
    small = x.abs() < _SMALL
    # Elsewhere powers could overflow, and their derivative be no number.
    near = torch.where(small, x, torch.zeros_like(x))
    series = torch.ones_like(x)
    for k in range(_N_TERMS, 1, -1):
        series = 1 + near * (1 / k) * series
    return torch.where(small, near * series, torch.exp(x) - 1)
