"""Charge without time slots, by three identities.

1. Overlap: the time integral of a cell's lifted current is a sum over its neighbours of
   shortest pulses (`overlap`), so a layout class needs one effective pulse width per word
   line and one product.
2. Interpolation in the cell's sensitivity separates weight from input (`interpolation`).
3. The lost charge of the drop is a cubic form of few modes (`drop_modes`), each one product.

Droop is a function of the charge alone, dead time one of the pulse width alone. Nothing
here depends on the number of word lines through more than the products.

What it cannot do: pulses that are not nested (staggered or free start times), and exact
self-consistency. Both are the slot simulation's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from analog_model.errors import SimulationError
from analog_model.physics import bit_line, interpolation, overlap, readout, slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.drop_modes import (
    DropModes,
    drop_modes,
    reduced_integrals,
    resistance_matrix,
)

NESTED = ("leading", "trailing", "centred")


@dataclass(frozen=True)
class Expansion:
    """How far each identity is carried.

    `n_nodes` of the sensitivity; `overlap_order`, the largest set of neighbours kept;
    `n_space`, `n_time` modes of the drop; `n_modal_nodes` of the sensitivity in them;
    `lifted_modes`: whether the modes see a lift when it happens or spread over the pulse;
    `own_apart`: whether what the modes leave out of a cell's own loss is formed for the
    pulse at hand, by two further products, or for the mean pulse, at no cost;
    `whole_feedback`: whether the self-consistent term is formed from the leading modes or
    from the first alone, which saves much of the elementwise work;
    `own_sums`: of pairs of lines, plus and minus, whether the modes of each pair's summed
    current are formed, or taken as its share of what the mean pair has.
    """

    n_nodes: int = 2
    overlap_order: int = 2
    n_space: int = 1
    n_time: int = 1
    n_modal_nodes: int = 1
    lifted_modes: bool = False
    own_apart: bool = False
    whole_feedback: bool = True
    own_sums: bool = True


@dataclass(frozen=True)
class Lifts:
    """Coefficients c_S of one layout class, each broadcast against the overlaps.

    `effective` (Q, S) at the nodes of the charge, `modal` (Q', S) at those of the drop,
    `squared` (Q', S) there too, for the square of the factor.
    """

    effective: Tensor
    modal: Tensor
    squared: Tensor


def lifts(
    kappa: Tensor, sets: Sequence[overlap.NeighbourSet], at: list[float], modal_at: list[float]
) -> Lifts:
    """Coefficients (Q, S, ...) for the summed lifts of kappa (K, ...) at given nodes."""

    def rows(roots: list[float], power: int = 1) -> Tensor:
        def factor(root: float) -> Callable[[Tensor], Tensor]:
            return lambda lift: interpolation.lift_factor(root, lift) ** power

        return torch.stack([overlap.coefficients(factor(root), kappa, sets) for root in roots])

    return Lifts(rows(at), rows(modal_at), rows(modal_at, 2))


def lift_derivatives(kappa: Tensor, sets: Sequence[overlap.NeighbourSet], root: float) -> Tensor:
    """kappa_k times the derivative of c_S by kappa_k, (K, S, ...), of cells with x = `root`."""
    return overlap.coefficient_slopes(
        lambda lift: interpolation.lift_slope(root, lift), kappa, sets
    )


def effective_width(shortest: Sequence[Tensor], weight: Tensor) -> Tensor:
    """int F dt of every cell of one layout class, from overlaps m_S and c_S (S, ...)."""
    total = shortest[0]  # c of the empty set is 1
    for m, c in zip(shortest[1:], weight[1:], strict=True):
        total = total + m * c
    return total


def modal_widths(
    shortest: Sequence[Tensor], weight: Tensor, time: Sequence[Sequence[float]], *, lifted: bool
) -> list[Tensor]:
    """A_m = int b_m F dt of each time mode, from overlaps m_S and c_S (S, ...).

    `time` (R, D) as in `DropModes`. Not `lifted`: as if the lift acted evenly over the pulse.
    """
    if lifted:
        # Sets first, modes last: neither count then multiplies the other.
        by_set = [[m * c for c in reduced_integrals(m, len(time[0]))] for m in shortest]
        by_degree = [combined(parts, weight) for parts in zip(*by_set, strict=True)]
        return [combined(by_degree, course) for course in time]
    whole = effective_width(shortest, weight)
    return [whole * course for course in modal_courses(shortest[0], time)]


def modal_courses(width: Tensor, time: Sequence[Sequence[float]]) -> list[Tensor]:
    """(int_0^tau b_m) / tau of each time mode at the widths tau."""
    legendre = reduced_integrals(width, len(time[0]))
    return [combined(legendre, course) for course in time]


def combined(
    parts: Sequence[Tensor], weight: Sequence[float] | Sequence[Tensor] | Tensor
) -> Tensor:
    """Sum of weight[k] parts[k]."""
    total = parts[0] * weight[0]
    for part, factor in zip(parts[1:], weight[1:], strict=True):
        total = total + part * factor
    return total


def lost_charge(modal_charge: Sequence[Sequence[Tensor]], feedback: Tensor | None) -> Tensor:
    """Charge that the drop costs, L^2 / (L + L2), from the modes U[n][m] of one bit line.

    `feedback` as in `DropModes`, None for the loss L of first order. L2 / L is taken from
    the leading modes that `feedback` covers.
    """
    every = [u for row in modal_charge for u in row]
    first = combined(every, every)
    if feedback is None:
        return first
    n_space, n_time = feedback.shape[:2]
    leading = [u for row in modal_charge[:n_space] for u in row[:n_time]]
    if len(leading) == 1:
        return first / (1 + feedback.flatten()[0] * leading[0])
    stacked = torch.stack(leading)
    cubic = feedback.reshape((len(leading),) * 3)
    # By twos: the three at once would hold the cube of their number of full-sized terms.
    pairs = torch.einsum("abc,c...->ab...", cubic, stacked)
    second = (stacked * torch.einsum("ab...,b...->a...", pairs, stacked)).sum(0)
    held = (stacked * stacked).sum(0).clamp(min=torch.finfo(first.dtype).tiny)
    return first / (1 + second / held)


def lost_difference(
    half_sum: Sequence[Sequence[Tensor]],
    half_difference: Sequence[Sequence[Tensor]],
    feedback: Tensor | None,
) -> Tensor:
    """Charge that the drop costs a plus line beyond its minus line.

    Their modes are s + d and s - d; the result is `lost_charge` of the one less that of the
    other. With a feedback f of the first mode alone these are (A + B) / (p + e) and
    (A - B) / (p - e), A = sum (s^2 + d^2), B = 2 sum s d, p = 1 + f s_0, e = f d_0: together
    2 (B p - A e) / (p^2 - e^2), one quotient, in which the large A does not cancel.
    """
    sums = [s for row in half_sum for s in row]
    differences = [d for row in half_difference for d in row]
    half = 2 * combined(sums, differences)
    if feedback is None:
        return 2 * half
    if feedback.numel() > 1:
        rows = [list(zip(*row, strict=True)) for row in zip(half_sum, half_difference, strict=True)]
        plus = lost_charge([[s + d for s, d in row] for row in rows], feedback)
        return plus - lost_charge([[s - d for s, d in row] for row in rows], feedback)
    strength = feedback.flatten()[0]
    p, e = 1 + strength * sums[0], strength * differences[0]
    squares = combined(sums, sums) + combined(differences, differences)
    return 2 * (half * p - squares * e) / ((p + e) * (p - e))


def column_groups(kappa: Tensor | None, n_bit_lines: int) -> list[Tensor]:
    """Bit lines that share the kappas of all their cells, as lists of indices."""
    if kappa is None:
        return [torch.arange(n_bit_lines)]
    columns = kappa.detach().cpu().reshape(-1, n_bit_lines)
    _, group = torch.unique(columns, dim=1, return_inverse=True)
    return [torch.nonzero(group == g).flatten() for g in range(int(group.max()) + 1)]


def modes_of(
    array: ArrayTensors, expansion: Expansion, current_unit: float, pulse_width: Tensor
) -> DropModes | None:
    """Modes of the array's drop, None without one; `pulse_width` a sample in units of T."""
    if (
        array.segment_resistance is None
        or array.drain_sensitivity is None
        or array.ladder_order is None
    ):
        return None
    resistance = array.segment_resistance.detach().cpu().numpy()
    strength = float(array.drain_sensitivity.detach()) * current_unit
    if not resistance.any() or strength == 0:
        return None
    return drop_modes(
        resistance_matrix(resistance, array.ladder_order.cpu().numpy()),
        strength,
        pulse_width.detach().cpu().double().numpy(),
        n_space=expansion.n_space,
        n_time=expansion.n_time,
        whole_feedback=expansion.whole_feedback,
    )


def _present_kappa(array: ArrayTensors) -> Tensor:
    """kappa (K, N, M), 0 where the neighbour does not exist.

    Its pulse counts as 0, where the shortest of two pulses has a kink: without this a cell
    without pulse would get half a neighbour's gradient from beyond the array.
    """
    if array.kappa is None or array.aggressor is None:
        return array.cell_current.new_zeros(0, *array.cell_current.shape)
    return array.kappa * (array.aggressor < array.n_word_lines)[:, :, None]


def _neighbours(array: ArrayTensors, width: Tensor) -> list[Tensor]:
    if array.aggressor is None:
        return []
    padded = torch.cat([width, torch.zeros_like(width[..., :1])], dim=-1)
    return [padded[..., line] for line in array.aggressor]


def _undrooped(array: ArrayTensors, width: Tensor, expansion: Expansion, sample: Tensor) -> Tensor:
    """Charge (B, M) before droop, in units of the largest current times the longest pulse."""
    unit = float(array.cell_current.detach().max())
    current = array.cell_current / unit
    specific = None if array.specific_current is None else array.specific_current.detach() / unit
    root = None if specific is None else float(specific)
    at = interpolation.nodes(1.0, root, expansion.n_nodes)
    modal_at = interpolation.nodes(1.0, root, expansion.n_modal_nodes)
    modes = modes_of(array, expansion, unit, sample)

    neighbour = _neighbours(array, width)
    sets = overlap.neighbour_sets(len(neighbour), expansion.overlap_order)
    shortest = overlap.overlaps(width, neighbour, sets)
    parts = interpolation.lagrange(current, specific, at)
    modal_parts = interpolation.lagrange(current, specific, modal_at)
    if modes is not None and not expansion.own_apart:
        own = 1 - width.new_tensor(modes.own)[:, None] * current
        parts = [part * own for part in parts]

    kappa = _present_kappa(array)
    pieces, order = [], column_groups(array.kappa, array.n_bit_lines)
    for group in order:
        own_kappa = kappa[:, :, group[0]]
        table = (
            lifts(own_kappa, sets, at, modal_at) if neighbour else _unlifted(at, modal_at, width)
        )
        charge = combined_products(
            [effective_width(shortest, row) for row in table.effective],
            [part[:, group] for part in parts],
        )
        if modes is not None:
            cells = [part[:, group] for part in modal_parts]
            charge = charge - _lost(
                shortest,
                table,
                cells,
                modes,
                expansion=expansion,
                self_consistent=array.self_consistent,
            )
        pieces.append(charge)
    back = torch.argsort(torch.cat(order))
    return torch.cat(pieces, dim=1)[:, back]


def _unlifted(at: list[float], modal_at: list[float], like: Tensor) -> Lifts:
    modal = like.new_ones(len(modal_at), 1)
    return Lifts(like.new_ones(len(at), 1), modal, modal)


def _lost(
    shortest: Sequence[Tensor],
    table: Lifts,
    parts: Sequence[Tensor],
    modes: DropModes,
    *,
    expansion: Expansion,
    self_consistent: bool,
) -> Tensor:
    """Charge (B, M) that the drop costs bit lines of one group; `parts` I L_q of their cells."""
    courses, lifted = modes.time.tolist(), expansion.lifted_modes
    by_node = [modal_widths(shortest, row, courses, lifted=lifted) for row in table.modal]
    # One product for all: (time mode, vector) by (space mode, bit line), summed over nodes.
    widths = torch.cat([torch.stack(widths) for widths in by_node], dim=-1)
    profile = widths.new_tensor(modes.space.T)[:, :, None]
    weights = torch.cat([profile * part for part in parts], dim=1)
    charge = torch.einsum("rbj,pjm->prbm", widths, weights)
    feedback = widths.new_tensor(modes.feedback) if self_consistent else None
    lost = lost_charge([list(row) for row in charge], feedback)
    if not expansion.own_apart:
        return lost
    # Of int F^2 dt the modes hold the sum of A_m^2. The square interpolates as F does.
    square = torch.cat([effective_width(shortest, row) for row in table.squared], dim=-1)
    current = torch.stack(list(parts)).sum(0)
    own = torch.cat([part * current for part in parts])
    diagonal, kept = (
        widths.new_tensor(column)[:, None].repeat(len(parts), 1)
        for column in (modes.diagonal, (modes.space**2).sum(1))
    )
    return lost + square @ (diagonal * own) - widths.square().sum(0) @ (kept * own)


def combined_products(widths: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Sum over nodes of widths (B, N) times weights (N, M)."""
    total = widths[0] @ weights[0]
    for width, weight in zip(widths[1:], weights[1:], strict=True):
        total = total + width @ weight
    return total


def charge(
    array: ArrayTensors, pulse_width: Tensor, expansion: Expansion, *, sample: Tensor | None = None
) -> Tensor:
    """Charge [C] on every bit line, (..., M), for widths (..., N) [s] and one expansion.

    Raises SimulationError for pulses that are not nested.
    `sample` of widths [s] sets the modes of the drop, by default the widths themselves.
    Differentiable in the widths, the cell currents, kappa, dead time and capacitance; the
    resistances, the drain sensitivity and the specific current set the expansion, so they
    count as constants. Where pulses coincide the gradient is the mean of its two limits.
    """
    if array.alignment not in NESTED:
        raise SimulationError(
            "method 'closed_form'",
            expected=f"pulses nested in each other: {', '.join(NESTED)}",
            got=array.alignment,
            advice="Use method='slots'.",
        )
    batch = pulse_width.shape[:-1]
    _, width = slots.pulses(array, pulse_width)
    width = width.reshape(-1, array.n_word_lines)
    typical = width if sample is None else slots.pulses(array, sample)[1]
    longest = float(typical.detach().max()) if typical.numel() else 0.0
    largest = float(array.cell_current.detach().max())
    if longest == 0 or largest == 0:
        found = width @ array.cell_current
    else:
        scaled = _undrooped(array, width / longest, expansion, typical / longest)
        found = scaled * (longest * largest)
    if array.bit_line_capacitance is not None and array.drain_sensitivity is not None:
        lose = bit_line.droop if array.self_consistent else bit_line.droop_first_order
        found = lose(found, array.bit_line_capacitance, array.drain_sensitivity.detach())
    if array.full_scale is not None:
        found = readout.read_out(found, array.full_scale, array.readout_bits)
    return found.reshape(*batch, array.n_bit_lines)
