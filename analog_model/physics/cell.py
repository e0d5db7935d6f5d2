"""Cell law: the current of a cell whose floating gate is lifted by kappa.

EKV interpolation with the source at 0, in saturation: I = I_S ln^2(1 + e^(u/2)). With
x = sqrt(I / I_S) = ln(1 + e^(u/2)), lifting u by kappa gives

    x' = ln(1 + (e^x - 1) e^(kappa/2))
       = x + ln(1 + (1 - e^-x) (e^(kappa/2) - 1)),

the second line from dividing the logarithm's argument by e^x. It is exact, returns x
itself at kappa = 0, and neither overflows for strong cells nor cancels for weak ones.

Enz, Krummenacher, Vittoz, Analog Integr. Circuits Signal Process. 8 (1995) 83.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.physics.exponential import expm1


def inversion_root(current: Tensor, specific_current: Tensor) -> Tensor:
    """x = sqrt(I / I_S) of each cell, with a finite gradient at I = 0.

    A cell without current takes the smallest normal number instead: its lifted current
    stays 0 and the gradient of that by its current is the weak-inversion factor.
    """
    tiny = torch.finfo(current.dtype).tiny ** 0.5
    return torch.sqrt((current / specific_current).clamp(min=tiny))


def lift_factor(root: Tensor, lift: Tensor) -> Tensor:
    """I'/I of a cell with x = `root` under the lift kappa; broadcasts."""
    gain = torch.log1p(-expm1(-root) * expm1(lift / 2))
    return (1 + gain / root) ** 2


def lift_slope(root: Tensor, lift: Tensor) -> Tensor:
    """Derivative of `lift_factor` by the lift."""
    weak, lifted = -expm1(-root), expm1(lift / 2)
    slope = weak * (lifted + 1) / (2 * (1 + weak * lifted))
    return 2 * (1 + torch.log1p(weak * lifted) / root) * slope / root


def raised_current(current: Tensor, lift: Tensor, specific_current: Tensor | None) -> Tensor:
    """Current I' [A] of each cell under the lift kappa [n U_T]; broadcasts.

    Weak inversion, I' = I e^kappa, when `specific_current` is None.
    """
    if specific_current is None:
        return current * torch.exp(lift)
    return current * lift_factor(inversion_root(current, specific_current), lift)


def sensitivity(current: Tensor, specific_current: Tensor | None) -> Tensor:
    """s = d ln I / d kappa at kappa = 0, between 0 (strong cells) and 1 (weak inversion).

    s = (1 - e^-x) / x with x = sqrt(I / I_S), where 1 - e^-x = 2 t / (1 + t), t = tanh(x/2),
    does not cancel.
    """
    if specific_current is None:
        return torch.ones_like(current)
    root = inversion_root(current, specific_current)
    t = torch.tanh(root / 2)
    return 2 * t / ((1 + t) * root)
