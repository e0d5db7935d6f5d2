"""Time slots: the intervals in which the set of high word lines is constant.

The edges of a vector's pulses, sorted, cut its operation into at most 2N - 1 slots (N with
a common edge). Slots of zero length, and those in which nothing is high, are left out, so
the slots of a batch form one ragged list: slot p belongs to vector `vector[p]`.

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
    (P,) integer, non-decreasing: slots of one group are pooled.
    """

    vector: Tensor
    begin: Tensor
    duration: Tensor
    group: Tensor

    @property
    def n_groups(self) -> int:
        return int(self.group[-1]) + 1 if self.group.numel() else 0


def cut(start: Tensor, width: Tensor, merge_tolerance: float = 0.0) -> TimeSlots:
    """Slots of pulses from `start` lasting `width` [s], both (V, N).

    `merge_tolerance` [s] is the longest pooled slot. Gradients flow through `duration`.
    """
    on = width > 0
    end = start + width
    # A line that stays low gets both edges at the vector's last edge: no slot from it.
    last = torch.where(on, end, end.new_full((), -torch.inf)).amax(dim=1, keepdim=True)
    edges = torch.cat([torch.where(on, start, last), torch.where(on, end, last)], dim=1)
    edges = edges.sort(dim=1).values
    used = on.any(dim=1, keepdim=True) & (edges[:, 1:] > edges[:, :-1])
    vector, place = used.nonzero(as_tuple=True)
    begin, finish = edges[vector, place], edges[vector, place + 1]
    duration = finish - begin
    group = torch.arange(vector.numel(), device=vector.device)
    if merge_tolerance > 0:
        group = _pool(duration.detach(), vector, merge_tolerance)
    return TimeSlots(vector, begin.detach(), duration, group)


def _pool(duration: Tensor, vector: Tensor, tolerance: float) -> Tensor:
    """Group of each slot: a slot joins its predecessor's group while that stays short."""
    groups, group, length, previous = [], -1, 0.0, -1
    for slot, owner in zip(duration.tolist(), vector.tolist(), strict=True):
        if owner == previous and length + slot <= tolerance:
            length += slot
        else:
            group, length, previous = group + 1, slot, owner
        groups.append(group)
    return torch.tensor(groups, dtype=torch.long, device=duration.device)


def activation(slots: TimeSlots, start: Tensor, width: Tensor) -> Tensor:
    """Word lines that are high in each slot, (P, N), 0 or 1 in the dtype of `width`."""
    begin = slots.begin[:, None]
    pulse_start, pulse_width = start.detach()[slots.vector], width.detach()[slots.vector]
    high = (pulse_start <= begin) & (pulse_start + pulse_width > begin) & (pulse_width > 0)
    return high.to(width.dtype)


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
                    slots.begin[piece],
                    slots.duration[piece],
                    slots.group[piece] - slots.group[begin],
                )
            )
            begin = right
    return pieces


def pooled(slots: TimeSlots, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vector (G,), duration (G,) [s] and duty (G, N) of every group of slots."""
    if slots.n_groups == slots.group.numel():
        return slots.vector, slots.duration, high
    duration = slots.duration.new_zeros(slots.n_groups).index_add(0, slots.group, slots.duration)
    on_time = high.new_zeros(slots.n_groups, high.shape[1]).index_add(
        0, slots.group, high * slots.duration[:, None]
    )
    vector = slots.vector.new_zeros(slots.n_groups).index_copy(0, slots.group, slots.vector)
    return vector, duration, on_time / duration[:, None]
