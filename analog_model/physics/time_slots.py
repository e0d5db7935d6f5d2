"""Time slots: the intervals in which the set of high word lines is constant.

The edges of a vector's pulses, sorted, cut its operation into at most 2N - 1 slots (N with
a common edge). Slots of zero length, and those in which nothing is high, are left out, so
the slots of a batch form one ragged list: slot p belongs to vector `vector[p]`.

Gradients. Q = sum_k (e_(k+1) - e_k) J(a_k), so the derivative by edge e_k is
J(a_(k-1)) - J(a_k). Where edges coincide (equal widths are the rule with quantised codes)
the slots of zero length between them hold the patterns that tell the edges apart: without
them one edge would receive what belongs to all. They are kept when a pulse requires a
gradient, starts sorted before ends, so that a pulse of zero width is high in one of them.

Merging. Consecutive slots are pooled while their joint length stays within a tolerance. A
pooled slot carries duties, the fraction of it for which each word line is high, so no
charge of the ideal product moves; only who overlaps whom is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TimeSlots:
    """Slots of a batch of V vectors.

    `vector` (P,) integer, non-decreasing; `begin` (P,) and `duration` (P,) [s]; `group`
    (P,) integer, non-decreasing: slots of one group are pooled. Slot p lies between the
    edges `place[p]` and `place[p]` + 1 of its vector; `rank` (V, 2N) is the place of every
    pulse's start, then of every pulse's end.
    """

    vector: Tensor
    place: Tensor
    begin: Tensor
    duration: Tensor
    group: Tensor
    rank: Tensor

    @property
    def n_groups(self) -> int:
        return int(self.group[-1]) + 1 if self.group.numel() else 0


def cut(start: Tensor, width: Tensor, merge_tolerance: float = 0.0) -> TimeSlots:
    """Slots of pulses from `start` lasting `width` [s], both (V, N).

    `merge_tolerance` [s] is the longest pooled slot. Gradients flow through `duration`.
    """
    end = start + width
    differentiable = torch.is_grad_enabled() and end.requires_grad
    if not differentiable:
        # A line that stays low gets both edges at the vector's last edge: no slot from it.
        on = width > 0
        last = torch.where(on, end, end.new_full((), -torch.inf)).amax(dim=1, keepdim=True)
        start, end = torch.where(on, start, last), torch.where(on, end, last)
    edges, order = torch.cat([start, end], dim=1).sort(dim=1, stable=True)
    is_start = order < start.shape[1]
    used = edges[:, 1:] > edges[:, :-1]
    if differentiable:
        # Between two edges that nothing can move, a slot of zero length tells nothing.
        fixed = is_start & (not start.requires_grad)
        used = used | ~(fixed[:, 1:] & fixed[:, :-1])
    n_high = torch.where(is_start, 1, -1).cumsum(dim=1)[:, :-1]
    vector, place = (used & (n_high > 0)).nonzero(as_tuple=True)
    begin = edges[vector, place]
    duration = edges[vector, place + 1] - begin
    group = torch.arange(vector.numel(), device=vector.device)
    if merge_tolerance > 0:
        group = _pool(duration.detach(), vector, merge_tolerance)
    return TimeSlots(vector, place, begin.detach(), duration, group, order.argsort(dim=1))


def _pool(duration: Tensor, vector: Tensor, tolerance: float) -> Tensor:
    """Group of each slot: a slot joins its predecessor's group while that stays short.

    Slots of zero length do not pool with each other, which would have no duty.
    """
    groups, group, length, previous = [], -1, 0.0, -1
    for slot, owner in zip(duration.tolist(), vector.tolist(), strict=True):
        if owner == previous and 0 < length + slot <= tolerance:
            length += slot
        else:
            group, length, previous = group + 1, slot, owner
        groups.append(group)
    return torch.tensor(groups, dtype=torch.long, device=duration.device)


def activation(slots: TimeSlots) -> Tensor:
    """Word lines that are high in each slot, (P, N), 0 or 1 in the dtype of `duration`."""
    start, end = slots.rank[slots.vector].chunk(2, dim=1)
    place = slots.place[:, None]
    return ((start <= place) & (end > place)).to(slots.duration.dtype)


def chunks(slots: TimeSlots, size: int) -> list[TimeSlots]:
    """The same slots in pieces of about `size` that split no group."""
    pieces, begin = [], 0
    count = slots.group.numel()
    first_of_group = torch.ones(count, dtype=torch.bool, device=slots.group.device)
    first_of_group[1:] = slots.group[1:] != slots.group[:-1]
    ends = [*first_of_group.nonzero().flatten().tolist()[1:], count] if count else []
    for right in ends:
        if right - begin >= size or right == count:
            piece = slice(begin, right)
            pieces.append(
                TimeSlots(
                    slots.vector[piece],
                    slots.place[piece],
                    slots.begin[piece],
                    slots.duration[piece],
                    slots.group[piece] - slots.group[begin],
                    slots.rank,
                )
            )
            begin = right
    return pieces


def pooled(slots: TimeSlots, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vector (G,), duration (G,) [s] and duty (G, N) of every group of slots."""
    if slots.n_groups == slots.group.numel():
        return slots.vector, slots.duration, high
    zeros = slots.duration.new_zeros(slots.n_groups)
    duration = zeros.index_add(0, slots.group, slots.duration)
    # A slot of zero length that stayed alone has the duty of its pattern.
    share = torch.where(duration[slots.group] > 0, slots.duration, 1.0)
    on_time = high.new_zeros(slots.n_groups, high.shape[1]).index_add(
        0, slots.group, high * share[:, None]
    )
    vector = slots.vector.new_zeros(slots.n_groups).index_copy(0, slots.group, slots.vector)
    return vector, duration, on_time / zeros.index_add(0, slots.group, share)[:, None]
