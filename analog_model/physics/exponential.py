"""Exponential less one, without cancellation."""

from __future__ import annotations

import torch
from torch import Tensor


def expm1(x: Tensor) -> Tensor:
    """e^x - 1, to some units in the last place, in compiled code too.

    torch.compile writes `torch.expm1` out as exp(x) - 1 for the processor's vectors, which in
    single precision errs by 1 % at x = 1e-6 and gives 0 at 1e-8. There it is, with
    t = tanh(x/2) of x below 0,

        e^x - 1 = 2 t / (1 - t),    e^-x - 1 = -e^-x (e^x - 1).
    """
    if not torch.compiler.is_compiling():
        return torch.expm1(x)
    falls = x <= 0
    # Of rising x the denominator would vanish.
    t = torch.tanh(torch.where(falls, x, -x) / 2)
    fallen = 2 * t / (1 - t)
    return torch.where(falls, fallen, -fallen * torch.exp(torch.where(falls, 0.0, x)))
