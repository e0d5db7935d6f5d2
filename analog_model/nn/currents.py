"""Cell currents of signed weights.

A weight w within its range R becomes two currents in units of full scale, whose difference
is proportional to w. Of a cell that stands for nothing flows c, the smallest current:

- differential: plus c + (1 - c) max(w, 0)/R, minus c + (1 - c) max(-w, 0)/R;
- offset: cell c + (1 - c)(1 + w/R)/2, reference c + (1 - c)/2.

The charge of plus minus minus is then `charge_per_weight` w/R times the pulse width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

SignedWeights = Literal["differential", "offset"]


def weight_range(weight: Tensor, rule: str | float) -> Tensor:
    """Range R that `rule` gives (out, in, ...) weights, broadcastable to them.

    "layer": the largest magnitude, "output": that of each output; both follow the weights,
    gradient included. Weights that are all 0 have range 1: any would do.
    """
    if rule == "layer":
        largest = weight.abs().amax()
    elif rule == "output":
        largest = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True)
    else:
        return weight.new_full((), float(rule))
    return torch.where(largest > 0, largest, torch.ones_like(largest))


def pair_of_currents(
    weight: Tensor, *, signed_weights: SignedWeights, smallest_current: float
) -> Tensor:
    """Plus and minus current (2, ...) of weights in units of their range, within -1 to 1.

    At a differential weight of exactly 0 the gradient is that of the plus current.
    """
    if signed_weights == "differential":
        # clamp passes the gradient at 0, relu does not: together they pass it once.
        pair = torch.stack((weight.clamp(min=0), functional.relu(-weight)))
    else:
        pair = torch.stack(((1 + weight) / 2, torch.full_like(weight, 0.5)))
    if smallest_current == 0:
        return pair
    return smallest_current + (1 - smallest_current) * pair


def charge_per_weight(*, signed_weights: SignedWeights, smallest_current: float) -> float:
    """Difference of the two currents that a weight of 1 in units of its range makes."""
    span = 1 - smallest_current
    return span if signed_weights == "differential" else span / 2
