"""Exponential less one, without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor


def expm1(x: Tensor) -> Tensor:
    """e^x - 1, to some units in the last place, in compiled code too.

    As tanh(x/2) (e^x + 1) there: torch.compile writes `torch.expm1` out as exp(x) - 1 for the
    processor's vectors, which in single precision errs by 1 % at x = 1e-6 and gives 0 at 1e-8.
    """
    if torch.compiler.is_compiling():
        return torch.tanh(x / 2) * (torch.exp(x) + 1)
    return torch.expm1(x)
