"""Jacobian of the charge by the parameters of the array.

A slot's cells take their currents from the table of neighbour states. Without drop, charge
is the time that a cell spends in each state times its current there, summed: ordinary
matrix products. With drop every slot's ladder is solved from the far end inwards, see
`bit_line`, and differentiated by hand: J = A_1 p_1 and A_(m-1) = I'_(m-1) + A_m p_m with
p_m = 1 / (1 + rho_m A_m), the drain sensitivity within rho, give

    dJ/dI'_m = p_1^2 p_2^2 ... p_m^2 = l_m,    dJ/drho_m = -A_m^2 l_m.

Time weighted by l_m then takes the place of time.

The drop enters as products with the drain sensitivity, all that charges can tell apart:
wire_loss = g r [1/A per pitch], lumped_loss = g R_lumped [1/A], droop_loss = g/C [1/C].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.autograd import forward_ad

from analog_model.physics import encoding, neighbour_states, time_slots
from analog_model.physics.neighbour_states import StateTable
from analog_model.physics.time_slots import TimeSlots

# Arrays of a block's (slots, N, M) alive at once.
_LIVE_TENSORS = 3


@dataclass(frozen=True)
class LossyArray:
    """One array in the parameters that charges can tell apart; self-consistent.

    `cell_current` (N, M) [A]; `kappa` (K, N, M) with `aggressor` (K, N); `specific_current`
    () [A], None in weak inversion; `pitches` (N,) from each word line to the sense end;
    `wire_loss` () [1/A per pitch] with `lumped_loss` () [1/A], both None for a line without
    resistance; `droop_loss` () [1/C], `dead_time` () [s].
    """

    cell_current: Tensor
    aggressor: Tensor
    kappa: Tensor
    specific_current: Tensor | None
    pitches: Tensor
    wire_loss: Tensor | None
    lumped_loss: Tensor | None
    droop_loss: Tensor
    dead_time: Tensor


@dataclass(frozen=True)
class ChargeJacobian:
    """Charge (V, M) [C] with its derivatives.

    `cell_current` (V, N, M): of charge (v, i) by I_ji; `kappa` (V, K, N, M) by kappa_kji;
    the others (V, M), zero by what the array is without.
    """

    charge: Tensor
    cell_current: Tensor
    kappa: Tensor
    specific_current: Tensor
    wire_loss: Tensor
    lumped_loss: Tensor
    droop_loss: Tensor
    dead_time: Tensor


@dataclass(frozen=True)
class _Block:
    """Slots of some vectors, equally many for each; those that fill up take no time.

    `vector` (V,); `duration` with its `rate` by the dead time (V, P); `high`, `state`
    (V, P, N).
    """

    vector: Tensor
    duration: Tensor
    rate: Tensor
    high: Tensor
    state: Tensor


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


def _blocks(
    slots: TimeSlots, rate: Tensor, high: Tensor, state: Tensor, size: int
) -> Iterator[_Block]:
    """All slots in blocks of about `size`, vectors with about equally many together."""
    count = torch.bincount(slots.vector)
    first = torch.cumsum(count, 0) - count
    vectors = torch.argsort(count, stable=True)
    vectors = vectors[count[vectors] > 0]
    while vectors.numel():
        # Every vector is filled up to the slots of the last one, which has most.
        filled = count[vectors] * torch.arange(1, vectors.numel() + 1)
        n_vectors = max(int((filled <= size).sum()), 1)
        own, vectors = vectors[:n_vectors], vectors[n_vectors:]
        place = torch.arange(int(count[own].max()))
        real = place < count[own, None]
        index = torch.where(real, first[own, None] + place, 0)
        yield _Block(
            vector=own,
            duration=torch.where(real, slots.duration[index], 0.0),
            rate=torch.where(real, rate[index], 0.0),
            high=torch.where(real[:, :, None], high[index], 0.0),
            state=state[index],
        )


def _lossless(table: StateTable, time: Tensor, change: Tensor, out: ChargeJacobian) -> None:
    """Charge with derivatives where nothing drops: times in states by currents there.

    `time` with its `change` by the dead time (V, N, S).
    """

    def total(time: Tensor, values: Tensor) -> Tensor:
        return torch.tensordot(time, values.transpose(0, 1), dims=2)

    out.charge.copy_(total(time, table.current))
    out.dead_time.copy_(total(change, table.current))
    out.specific_current.copy_(total(time, table.by_specific_current))
    by_line = time.transpose(0, 1)
    out.cell_current.transpose(0, 1).copy_(by_line @ table.by_current.transpose(0, 1))
    for k, bit in enumerate(table.high.T):
        out.kappa[:, k].transpose(0, 1).copy_((by_line * bit) @ table.by_lift.transpose(0, 1))


def _ladder(active: Tensor, resistance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Current J (P, M) at the sense node, dJ/dI' (N, P, M), dJ/drho (N, P, M).

    `active` (N, P, M) are the currents I' without drop, nearest line first, overwritten;
    `resistance` (N,) holds the drain sensitivity.
    """
    load, passed, rho = active, torch.empty_like(active), resistance.tolist()
    for m in range(len(rho) - 1, -1, -1):
        torch.mul(load[m], rho[m], out=passed[m]).add_(1.0).reciprocal_()
        if m > 0:
            load[m - 1].addcmul_(load[m], passed[m])
    sensed = load[0] * passed[0]
    by_current = passed.square_()
    for m in range(1, len(rho)):
        by_current[m].mul_(by_current[m - 1])
    return sensed, by_current, load.square_().mul_(by_current).neg_()


def _active_current(table: StateTable, block: _Block, order: Tensor) -> Tensor:
    """Currents I' (N, V P, M) of a block, word lines in `order`; 0 where not high."""
    n_states, n_word_lines, n_bit_lines = table.current.shape
    current = table.current.reshape(-1, n_bit_lines)
    current = torch.cat([current, current.new_zeros(1, n_bit_lines)])
    row = block.state * n_word_lines + torch.arange(n_word_lines)
    row = torch.where(block.high > 0, row, n_states * n_word_lines)[:, :, order]
    return current[row.permute(2, 0, 1).reshape(-1)].reshape(n_word_lines, -1, n_bit_lines)


def _state_weight(block: _Block, order: Tensor, by_current: Tensor, n_states: int) -> Tensor:
    """Time by dJ/dI', summed over the slots of each state, (N, V, S, M) in the usual order."""
    n_word_lines, _, n_bit_lines = by_current.shape
    n_vectors, n_slots = block.duration.shape
    back = torch.argsort(order)
    by_slot = by_current.reshape(n_word_lines, n_vectors, n_slots, n_bit_lines)[back]
    state = block.state.permute(2, 0, 1)[:, :, None]
    time = (block.duration[:, :, None] * block.high).permute(2, 0, 1)[:, :, None]
    share = time.new_zeros(n_word_lines, n_vectors, n_states, n_slots).scatter_(2, state, time)
    return share @ by_slot


def _lossy_block(array: LossyArray, table: StateTable, block: _Block, out: ChargeJacobian) -> None:
    """Charge with derivatives of one block, the ladder of every slot solved."""
    order, spacing = _segment_spacing(array.pitches)
    zero = spacing.new_zeros(())
    resistance = (zero if array.wire_loss is None else array.wire_loss) * spacing
    resistance[0] += zero if array.lumped_loss is None else array.lumped_loss
    sensed, by_current, by_resistance = _ladder(_active_current(table, block, order), resistance)

    def summed(values: Tensor, time: Tensor) -> Tensor:
        return torch.einsum("vpi,vp->vi", values.reshape(*time.shape, -1), time)

    here = block.vector
    out.charge[here] = summed(sensed, block.duration)
    out.dead_time[here] = summed(sensed, block.rate)
    out.lumped_loss[here] = summed(by_resistance[0], block.duration)
    by_wire = torch.tensordot(spacing, by_resistance, dims=1)
    out.wire_loss[here] = summed(by_wire, block.duration)
    weight = _state_weight(block, order, by_current, table.n_states)
    by_state = (weight * table.by_current.transpose(0, 1)[:, None]).sum(dim=2)
    out.cell_current[here] = by_state.transpose(0, 1)
    out.specific_current[here] = torch.einsum("jvsi,sji->vi", weight, table.by_specific_current)
    by_lift = weight.mul_(table.by_lift.transpose(0, 1)[:, None])
    out.kappa[here] = (table.high.T @ by_lift).permute(1, 2, 0, 3)


def charge_jacobian(
    array: LossyArray, pulse_width: Tensor, pulse_start: Tensor, *, memory_budget: float = 16e6
) -> ChargeJacobian:
    """Charge and Jacobian for pulses (V, N) [s] starting at `pulse_start` (V, N) [s].

    `memory_budget` [bytes] for the temporaries of a block; small enough for the processor's
    cache is fastest.
    """
    n_word_lines, n_bit_lines = array.cell_current.shape
    n_vectors, n_neighbours = pulse_width.shape[0], array.aggressor.shape[0]
    slots, rate = _slots(pulse_start, pulse_width, array.dead_time)
    table = neighbour_states.tabulate(array.cell_current, array.kappa, array.specific_current)
    high = time_slots.activation(slots)
    state = neighbour_states.states(high, array.aggressor)
    new = array.cell_current.new_zeros
    by_line = [new(n_vectors, n_bit_lines) for _ in range(6)]
    out = ChargeJacobian(
        by_line[0],
        new(n_vectors, n_word_lines, n_bit_lines),
        new(n_vectors, n_neighbours, n_word_lines, n_bit_lines),
        *by_line[1:],
    )
    if array.wire_loss is None and array.lumped_loss is None:
        shape = (n_vectors, table.n_states)
        time, change = (
            neighbour_states.dwell_time(values, slots.vector, high, state, shape)
            for values in (slots.duration, rate)
        )
        _lossless(table, time, change, out)
    else:
        cells = array.cell_current.numel() * array.cell_current.element_size()
        size = max(1, int(memory_budget / (_LIVE_TENSORS * cells)))
        for block in _blocks(slots, rate, high, state, size):
            _lossy_block(array, table, block, out)
    return _drooped(array.droop_loss, out)


def _drooped(loss: Tensor, out: ChargeJacobian) -> ChargeJacobian:
    """The Jacobian of Q = (1 - e^(-h Q0)) / h, h the droop loss, from that of Q0.

    With x = h Q0: Q = Q0 (1 - e^-x) / x, dQ/dQ0 = e^-x, dQ/dh = Q0^2 d/dx ((1 - e^-x) / x);
    series for small x, where the quotients cancel.
    """
    charge = out.charge
    x = loss * charge
    passed = torch.exp(-x)
    small = x.abs() < 1e-4
    safe = torch.where(small, torch.ones_like(x), x)
    ratio = torch.where(small, 1 - x / 2 + x**2 / 6, -torch.expm1(-safe) / safe)
    bend = (torch.exp(-safe) + torch.expm1(-safe) / safe) / safe
    slope = torch.where(small, -0.5 + x / 3, bend)
    return ChargeJacobian(
        charge=charge * ratio,
        cell_current=out.cell_current.mul_(passed[:, None]),
        kappa=out.kappa.mul_(passed[:, None, None]),
        specific_current=out.specific_current * passed,
        wire_loss=out.wire_loss * passed,
        lumped_loss=out.lumped_loss * passed,
        droop_loss=charge**2 * slope,
        dead_time=out.dead_time * passed,
    )
