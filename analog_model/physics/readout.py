"""Readout of the bit-line charge: an integrator of finite range before a converter."""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.physics.encoding import quantise


def read_out(charge: Tensor, full_scale: Tensor, bits: int | None) -> Tensor:
    """Charge [C] as the readout reports it, between 0 and `full_scale`.

    With `bits` it is rounded to 2^bits levels, the gradient passing straight through;
    saturated outputs have no gradient.
    """
    if bits is None:
        return torch.minimum(charge.clamp(min=0), full_scale)
    levels = 2**bits
    return quantise(charge, full_scale / (levels - 1), levels)


def read_out_difference(charge: Tensor, full_scale: Tensor, bits: int) -> Tensor:
    """Difference of two charges in 2^bits - 1 codes from -`full_scale` to `full_scale`.

    Their number is odd, so that one of them is no charge. The gradient is that of
    `read_out`.
    """
    step = full_scale / (2 ** (bits - 1) - 1)
    inside = charge.clamp(-full_scale, full_scale)
    rounded = torch.round(inside.detach() / step.detach()) * step.detach()
    return inside + (rounded - inside).detach()
