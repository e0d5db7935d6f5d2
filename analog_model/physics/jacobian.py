"""Jacobian of the charge by the parameters of the array.

Charge (v, i) depends on one bit line's cells during one vector's pulses. If every slot is
given its own copy of every parameter, one backward pass over the sum of all charges leaves
in each copy the derivative of just the charge it belongs to; summed over a vector's slots
that is the whole Jacobian, for the price of about one simulation more.

The drop enters as products with the drain sensitivity, all that charges can tell apart:
wire_loss = g r [1/A per pitch], lumped_loss = g R_lumped [1/A], droop_loss = g/C [1/C].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.autograd import forward_ad

from analog_model.physics import bit_line, cell, encoding, time_slots
from analog_model.physics.time_slots import TimeSlots

_LIVE_TENSORS = 24


@dataclass(frozen=True)
class LossyArray:
    """One array in the parameters that charges can tell apart; self-consistent.

    `cell_current` (N, M) [A]; `kappa` (K, N, M) with `aggressor` (K, N); `specific_current`
    () [A], None in weak inversion; `pitches` (N,) from each word line to the sense end;
    `wire_loss` () [1/A per pitch], `lumped_loss` () [1/A], `droop_loss` () [1/C],
    `dead_time` () [s].
    """

    cell_current: Tensor
    aggressor: Tensor
    kappa: Tensor
    specific_current: Tensor | None
    pitches: Tensor
    wire_loss: Tensor
    lumped_loss: Tensor
    droop_loss: Tensor
    dead_time: Tensor


@dataclass(frozen=True)
class ChargeJacobian:
    """Charge (V, M) [C] with its derivatives.

    `cell_current` (V, N, M): of charge (v, i) by I_ji; `kappa` (V, K, N, M) by kappa_kji;
    the others (V, M).
    """

    charge: Tensor
    cell_current: Tensor
    kappa: Tensor
    specific_current: Tensor
    wire_loss: Tensor
    lumped_loss: Tensor
    droop_loss: Tensor
    dead_time: Tensor


def _slots(start: Tensor, width: Tensor, dead_time: Tensor) -> tuple[TimeSlots, Tensor]:
    """Slots of the shortened pulses with the rate d duration / d dead_time of each."""
    with torch.no_grad(), forward_ad.dual_level():
        dual = forward_ad.make_dual(dead_time, torch.ones_like(dead_time))
        slots = time_slots.cut(*encoding.shorten(start, width, dual))
        duration, rate = forward_ad.unpack_dual(slots.duration)
        begin, _ = forward_ad.unpack_dual(slots.begin)
        if rate is None:
            rate = torch.zeros_like(duration)
        return replace(slots, begin=begin, duration=duration), rate


def _segment_spacing(pitches: Tensor) -> tuple[Tensor, Tensor]:
    """Order of the word lines from the sense end with their spacing in pitches."""
    order = torch.argsort(pitches, stable=True)
    return order, torch.diff(pitches[order], prepend=pitches.new_zeros(1))


def _copies(array: LossyArray, count: int) -> dict[str, Tensor]:
    """A copy of every parameter for each of `count` slots, ready to take a gradient."""
    n_bit_lines = array.cell_current.shape[1]
    copies = {"cell_current": array.cell_current[:, None, :].expand(-1, count, -1)}
    for name in ("specific_current", "wire_loss", "lumped_loss"):
        value = getattr(array, name)
        if value is not None:
            copies[name] = value.expand(count, n_bit_lines)
    return {name: value.clone().requires_grad_() for name, value in copies.items()}


def _sense_current(array: LossyArray, copies: dict[str, Tensor], duty: Tensor) -> Tensor:
    """Current at the sense node (P, M) from copies per slot."""
    raised = cell.raised_current(
        copies["cell_current"], copies["lift"], copies.get("specific_current")
    )
    order, spacing = _segment_spacing(array.pitches)
    resistance = copies["wire_loss"] * spacing[:, None, None]
    resistance = torch.cat([resistance[:1] + copies["lumped_loss"], resistance[1:]])
    active = (raised * duty.T[:, :, None])[order]
    # The losses are products with the drain sensitivity already.
    return bit_line.sense_current(active, resistance, resistance.new_ones(()))


def _add_chunk(array: LossyArray, piece: TimeSlots, rate: Tensor, out: dict[str, Tensor]) -> None:
    """Add the slots of one chunk to the charge and its derivatives in `out`."""
    duty = time_slots.activation(piece)
    neighbour = torch.cat([duty, torch.zeros_like(duty[:, :1])], 1)[:, array.aggressor]
    copies = _copies(array, piece.vector.numel())
    lift = torch.bmm(neighbour.permute(2, 0, 1), array.kappa.permute(1, 0, 2))
    copies["lift"] = lift.requires_grad_()
    with torch.enable_grad():
        sensed = _sense_current(array, copies, duty)
        charge = sensed * piece.duration[:, None]
        slopes = torch.autograd.grad(charge.sum(), list(copies.values()))
    slope = dict(zip(copies, slopes, strict=True))
    out["charge"].index_add_(0, piece.vector, charge.detach())
    out["dead_time"].index_add_(0, piece.vector, sensed.detach() * rate[:, None])
    for name in ("specific_current", "wire_loss", "lumped_loss"):
        if name in slope:
            out[name].index_add_(0, piece.vector, slope[name])
    out["cell_current"].index_add_(0, piece.vector, slope["cell_current"].transpose(0, 1))
    by_lift = slope["lift"].transpose(0, 1)
    for k in range(array.aggressor.shape[0]):
        out["kappa"][:, k].index_add_(0, piece.vector, by_lift * neighbour[:, k, :, None])


def charge_jacobian(
    array: LossyArray, pulse_width: Tensor, pulse_start: Tensor, *, memory_budget: float = 16e6
) -> ChargeJacobian:
    """Charge and Jacobian for pulses (V, N) [s] starting at `pulse_start` (V, N) [s].

    `memory_budget` [bytes] for the temporaries of a chunk; small enough for the processor's
    cache is fastest.
    """
    n_word_lines, n_bit_lines = array.cell_current.shape
    n_vectors, n_neighbours = pulse_width.shape[0], array.aggressor.shape[0]
    slots, rate = _slots(pulse_start, pulse_width, array.dead_time)
    new = array.cell_current.new_zeros
    names = ("charge", "specific_current", "wire_loss", "lumped_loss", "dead_time")
    out = {name: new(n_vectors, n_bit_lines) for name in names}
    out["cell_current"] = new(n_vectors, n_word_lines, n_bit_lines)
    out["kappa"] = new(n_vectors, n_neighbours, n_word_lines, n_bit_lines)
    cells = array.cell_current.numel() * array.cell_current.element_size()
    done = 0
    for piece in time_slots.chunks(slots, max(1, int(memory_budget / (_LIVE_TENSORS * cells)))):
        count = piece.vector.numel()
        _add_chunk(array, piece, rate[done : done + count], out)
        done += count
    return _drooped(array.droop_loss, out)


def _drooped(loss: Tensor, out: dict[str, Tensor]) -> ChargeJacobian:
    """The Jacobian of Q = (1 - e^(-h Q0)) / h, h the droop loss, from that of Q0.

    With x = h Q0: Q = Q0 (1 - e^-x) / x, dQ/dQ0 = e^-x, dQ/dh = Q0^2 d/dx ((1 - e^-x) / x);
    series for small x, where the quotients cancel.
    """
    charge = out["charge"]
    x = loss * charge
    passed = torch.exp(-x)
    small = x.abs() < 1e-4
    safe = torch.where(small, torch.ones_like(x), x)
    ratio = torch.where(small, 1 - x / 2 + x**2 / 6, -torch.expm1(-safe) / safe)
    bend = (torch.exp(-safe) + torch.expm1(-safe) / safe) / safe
    slope = torch.where(small, -0.5 + x / 3, bend)
    return ChargeJacobian(
        charge=charge * ratio,
        cell_current=out["cell_current"] * passed[:, None],
        kappa=out["kappa"] * passed[:, None, None],
        specific_current=out["specific_current"] * passed,
        wire_loss=out["wire_loss"] * passed,
        lumped_loss=out["lumped_loss"] * passed,
        droop_loss=charge**2 * slope,
        dead_time=out["dead_time"] * passed,
    )
