"""Slot-by-slot simulation in torch: any alignment, any effect, exact to rounding.

Q_i = sum over slots k of Delta_k J_i(a(k)), where J is the current at the sense node with
the word lines of a(k) high: every cell's current under its neighbours' lift, then the
bit line's ladder. Droop and readout act on the whole charge.

All slots of all vectors form one list that is worked off in chunks; a chunk keeps nothing
for the backward pass and is computed again there, so memory is set by `memory_budget`,
not by N times the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from analog_model.physics import bit_line, cell, coupling, encoding, readout, time_slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.exponential import expm1
from analog_model.physics.time_slots import TimeSlots

# Tensors of a chunk's size alive at once in the backward pass, measured with the EKV law,
# two neighbours, the wire drop.
_LIVE_TENSORS = 16


@dataclass(frozen=True)
class SlotOutcome:
    """What a slot simulation returns.

    `charge` (..., M) [C]; `n_slots` computed for the whole batch; `merge_bound` (..., M)
    [C] bounds what merging changed of the charge before the readout, None without merging.
    """

    charge: Tensor
    n_slots: int
    merge_bound: Tensor | None = None


def pulses(
    array: ArrayTensors, pulse_width: Tensor, pulse_start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Start and width [s] of each pulse as the cells see it: quantised, aligned, shortened."""
    if array.pulse_bits is not None and array.pulse_lsb is not None:
        pulse_width = encoding.quantise(pulse_width, array.pulse_lsb, 2**array.pulse_bits)
    if pulse_start is None:
        pulse_start = encoding.pulse_start(pulse_width, array.alignment, array.stagger)
    if array.dead_time is not None:
        return encoding.shorten(pulse_start, pulse_width, array.dead_time)
    return pulse_start, pulse_width


def lift_factors(array: ArrayTensors, duty: Tensor) -> tuple[Tensor, Tensor]:
    """I'/I of and summed lift kappa on every cell, both (N, P, M); no drop.

    The factor is defined for a cell without current too: it is the limit from above.
    """
    shape = (array.n_word_lines, duty.shape[0], array.n_bit_lines)
    if array.kappa is None or array.aggressor is None:
        return array.cell_current.new_ones(shape), array.cell_current.new_zeros(shape)
    lift = coupling.lift(duty, array.aggressor, array.kappa)
    if array.specific_current is None:
        return torch.exp(lift), lift
    root = cell.inversion_root(array.cell_current, array.specific_current)
    return cell.lift_factor(root[:, None, :], lift), lift


def one_bit_line(array: ArrayTensors, bit_line: int) -> ArrayTensors:
    """The same array with only one of its bit lines."""
    column = slice(bit_line, bit_line + 1)
    return replace(
        array,
        cell_current=array.cell_current[:, column],
        kappa=None if array.kappa is None else array.kappa[:, :, column],
    )


def _active(array: ArrayTensors, duty: Tensor) -> Tensor:
    """Current [A] of every cell with crosstalk, without drop, 0 while it is off; (N, P, M)."""
    current, on = array.cell_current[:, None, :], duty.T[:, :, None]
    if array.kappa is None or array.aggressor is None:
        return current * on
    lift = coupling.lift(duty, array.aggressor, array.kappa)
    return cell.raised_current(current, lift, array.specific_current) * on


def sense_current(array: ArrayTensors, duty: Tensor) -> Tensor:
    """Current [A] at the sense node of every bit line in each slot, (P, M)."""
    active = _active(array, duty)
    resistance, sensitivity = array.segment_resistance, array.drain_sensitivity
    if resistance is None or sensitivity is None or array.ladder_order is None:
        return active.sum(0)
    active = active[array.ladder_order]
    solve = bit_line.sense_current if array.self_consistent else bit_line.sense_current_first_order
    return solve(active, resistance, sensitivity)


def cell_currents(array: ArrayTensors, duty: Tensor) -> tuple[Tensor, Tensor]:
    """Current [A] of and drop [V] at every cell in each slot, both (P, N, M); no droop."""
    active = _active(array, duty)
    resistance, sensitivity = array.segment_resistance, array.drain_sensitivity
    drop = torch.zeros_like(active)
    if resistance is not None and sensitivity is not None and array.ladder_order is not None:
        ordered = active[array.ladder_order]
        if array.self_consistent:
            nodes = bit_line.node_drop(ordered, resistance, sensitivity)
        else:
            nodes = bit_line.node_drop_first_order(ordered, resistance)
        drop = torch.zeros_like(active).index_copy(0, array.ladder_order, nodes)
        active = active * (1 - sensitivity * drop)
    return active.transpose(0, 1), drop.transpose(0, 1)


def _merge_bound(array: ArrayTensors, duty: Tensor, duration: Tensor) -> Tensor:
    """Bound (P, M) [C] on the charge that pooling misplaces.

    Crosstalk: while a set of neighbours switches inside the slot, ln I' moves by at most
    the sum L of their |kappa| (d ln I / d kappa <= 1), so true and pooled currents both lie
    within [I_top e^-L, I_top]. Drop: true and pooled loss both lie between 0 and the
    first-order loss with every line high that is high at any time in the slot.
    """
    switching = ((duty > 0) & (duty < 1)).to(duty.dtype)
    top = array.cell_current[:, None, :].expand(-1, duty.shape[0], -1)
    on_time = (duty * duration[:, None]).T[:, :, None]
    bound = torch.zeros_like(top[0])
    if array.kappa is not None and array.aggressor is not None:
        present = (duty > 0).to(duty.dtype)
        top_lift = coupling.lift(present, array.aggressor, array.kappa.clamp(min=0))
        top = cell.raised_current(array.cell_current[:, None, :], top_lift, array.specific_current)
        spread = coupling.lift(switching, array.aggressor, array.kappa.abs())
        bound = (on_time * top * -expm1(-spread)).sum(0)
    if array.segment_resistance is not None and array.drain_sensitivity is not None:
        union = (top * (duty > 0).T[:, :, None])[array.ladder_order]
        lost = torch.tensordot(
            array.segment_resistance, bit_line.segment_current(union) ** 2, dims=([0], [0])
        )
        pooled_here = switching.any(dim=1).to(duration.dtype)
        bound = bound + (array.drain_sensitivity * lost) * (duration * pooled_here)[:, None]
    return bound


def _with(array: ArrayTensors, names: Sequence[str], tensors: Sequence[Tensor]) -> ArrayTensors:
    changes: dict[str, Any] = dict(zip(names, tensors, strict=True))
    return replace(array, **changes)


class _ChunkedCharge(torch.autograd.Function):
    """Charge (V, M) without droop, summed chunk by chunk, computed again for the gradient.

    Nothing of a chunk outlives it, in either pass: what the autograd graph would keep of
    many chunks, however little, pins the memory between their large temporaries. First
    derivatives only.
    """

    @staticmethod
    def forward(
        ctx: Any,
        array: ArrayTensors,
        slots: TimeSlots,
        size: int,
        duration: Tensor,
        *tensors: Tensor,
    ) -> Tensor:
        ctx.array, ctx.slots, ctx.size = array, slots, size
        ctx.save_for_backward(duration, *tensors)
        return _summed(array, slots, size)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (by_charge,) = grad_outputs
        duration, *tensors = (tensor.detach() for tensor in ctx.saved_tensors)
        wanted = ctx.needs_input_grad[3:]
        leaves = [duration, *tensors]
        gradients = [torch.zeros_like(leaf) for leaf in leaves]
        array = _with(ctx.array, _differentiable(ctx.array), tensors)
        done = 0
        for piece in time_slots.chunks(replace(ctx.slots, duration=duration), ctx.size):
            count = piece.duration.numel()
            seconds = piece.duration.clone().requires_grad_(wanted[0])
            own = [
                tensor.detach().requires_grad_(needed)
                for tensor, needed in zip(tensors, wanted[1:], strict=True)
            ]
            with torch.enable_grad():
                vector, charge = _chunk_charge(
                    _with(array, _differentiable(array), own), replace(piece, duration=seconds)
                )
                inputs = [leaf for leaf in (seconds, *own) if leaf.requires_grad]
                found = iter(torch.autograd.grad(charge, inputs, by_charge[vector]))
            if wanted[0]:
                gradients[0][done : done + count] += next(found)
            for place, leaf in enumerate(own, start=1):
                if leaf.requires_grad:
                    gradients[place] += next(found)
            done += count
        kept = (g if need else None for g, need in zip(gradients, wanted, strict=True))
        return (None, None, None, *kept)


def _differentiable(array: ArrayTensors) -> list[str]:
    """Names of the tensors that a chunk's charge depends on continuously."""
    names = ["cell_current"]
    if array.kappa is not None:
        names.append("kappa")
        if array.specific_current is not None:
            names.append("specific_current")
    if array.segment_resistance is not None:
        names += ["segment_resistance", "drain_sensitivity"]
    return names


def _chunk_charge(array: ArrayTensors, piece: TimeSlots) -> tuple[Tensor, Tensor]:
    """Vector (G,) that each group of slots belongs to, with the charge (G, M) it adds."""
    vector, duration, duty = time_slots.pooled(piece, time_slots.activation(piece))
    return vector, duration[:, None] * sense_current(array, duty)


def _summed(array: ArrayTensors, slots: TimeSlots, size: int) -> Tensor:
    charge = slots.duration.new_zeros(slots.rank.shape[0], array.n_bit_lines)
    for piece in time_slots.chunks(slots, size):
        charge.index_add_(0, *_chunk_charge(array, piece))
    return charge


def _bound_of_merging(array: ArrayTensors, slots: TimeSlots, size: int) -> Tensor:
    bound = slots.duration.new_zeros(slots.rank.shape[0], array.n_bit_lines)
    for piece in time_slots.chunks(slots, size):
        vector, duration, duty = time_slots.pooled(piece, time_slots.activation(piece))
        bound.index_add_(0, vector, _merge_bound(array, duty, duration))
    return bound


def simulate(
    array: ArrayTensors,
    pulse_width: Tensor,
    pulse_start: Tensor | None = None,
    *,
    merge_tolerance: float = 0.0,
    memory_budget: float = 64e6,
) -> SlotOutcome:
    """Charge on every bit line for each vector of pulses.

    `pulse_width` (..., N) [s], 0 or more; `pulse_start` the same shape, [s], by default
    from the array's alignment. `merge_tolerance` [s] pools slots up to that length and
    reports a bound of the error; `memory_budget` [bytes] for the temporaries of a chunk,
    which run fastest while they stay near the processor's cache.
    Differentiable in inputs and in every tensor of `array`.
    """
    batch = pulse_width.shape[:-1]
    start, width = pulses(array, pulse_width, pulse_start)
    start, width = start.reshape(-1, array.n_word_lines), width.reshape(-1, array.n_word_lines)
    slots = time_slots.cut(start, width, merge_tolerance)
    cells = array.cell_current.numel() * array.cell_current.element_size()
    chunk = max(1, int(memory_budget / (_LIVE_TENSORS * cells)))
    tensors = [getattr(array, name) for name in _differentiable(array)]
    charge = _ChunkedCharge.apply(array, slots, chunk, slots.duration, *tensors)
    bound = None
    if merge_tolerance > 0:
        with torch.no_grad():
            bound = _bound_of_merging(array, slots, chunk)
    if array.bit_line_capacitance is not None and array.drain_sensitivity is not None:
        lose = bit_line.droop if array.self_consistent else bit_line.droop_first_order
        charge = lose(charge, array.bit_line_capacitance, array.drain_sensitivity)
    if array.full_scale is not None:
        charge = readout.read_out(charge, array.full_scale, array.readout_bits)
    shape = (*batch, array.n_bit_lines)
    return SlotOutcome(
        charge.reshape(shape), slots.n_groups, None if bound is None else bound.reshape(shape)
    )


def drop_residual(array: ArrayTensors, duty: Tensor, current: Tensor | None = None) -> Tensor:
    """Largest relative violation of I = I' (1 - g V(I)) by the ladder's solution, ().

    `current` (P, N, M) [A] is the solution of `cell_currents`, found anew by default.

    V is formed anew from the solved currents through the resistances, so the number
    says how well the self-consistent equations are met; 0 without wire or lumped drop.
    """
    if array.segment_resistance is None or array.drain_sensitivity is None:
        return duty.new_zeros(())
    alone = _active(array, duty)
    solved = cell_currents(array, duty)[0] if current is None else current
    ordered = solved.transpose(0, 1)[array.ladder_order]
    drop = bit_line.node_drop_first_order(ordered, array.segment_resistance)
    missed = ordered - alone[array.ladder_order] * (1 - array.drain_sensitivity * drop)
    return missed.abs().amax() / alone.amax().clamp(min=torch.finfo(alone.dtype).tiny)
