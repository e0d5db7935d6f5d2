"""Laws that the slot simulator obeys whatever the chip; no law computes physics again."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import analog_model as am
from analog_model.physics import slots
from analog_model.tensors import array_tensors
from tests.properties.chips import (
    ANY_TIME,
    LONGEST,
    ON_GRID,
    TICK,
    as_map,
    charge_scale,
    chips,
    operations,
    pulses,
    starts,
    widths,
)

Operation = tuple[am.Chip, np.ndarray, np.ndarray | None]


def close(actual: Any, expected: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=0)


def without_code_edges(**options: Any) -> Any:
    """Operations without converter: its steps turn the last digit into a whole code."""
    return operations(readout=False, **options)


@given(without_code_edges(quantised=False), st.data())
def test_splitting_a_slot_changes_nothing(operation: Operation, data: st.DataObject) -> None:
    chip, width, _ = operation
    start = data.draw(starts(width).filter(lambda given: given is not None))
    n, m = chip.n_word_lines, chip.n_bit_lines
    # An empty word line that couples to nothing cuts slots wherever its edges fall.
    line = chip.bit_line
    segments = [*chip.segments_to_sense, data.draw(st.floats(0.0, 12.0))]
    idle = chip.replace(
        cell_current=np.vstack([chip.cell_current, np.zeros((1, m))]),
        layout=am.Layout.uniform(n + 1, m),
        coupling=as_map(chip),
        bit_line=line.replace(segments_to_sense=segments),
        pulse=chip.pulse.replace(alignment="leading", stagger=None),
    )
    cut = [data.draw(ANY_TIME) for _ in width]
    more_width = np.column_stack([width, [data.draw(ANY_TIME) for _ in width]])
    close(
        am.simulate(idle, more_width, pulse_start=np.column_stack([start, cut])),
        am.simulate(chip, width, pulse_start=start),
    )


@given(without_code_edges(quantised=False))
def test_no_effect_is_the_exact_product(operation: Operation) -> None:
    chip, width, start = operation
    product = width @ chip.cell_current
    # Staggered slots are differences of times up to three times the longest pulse.
    atol = 8 * np.finfo(float).eps * 2 * LONGEST * float(chip.cell_current.sum())
    ideal = am.simulate(chip.with_effects(()), width, pulse_start=start)
    np.testing.assert_allclose(ideal, product, rtol=1e-13, atol=atol)
    assert chip.with_effects(()).effects == ()
    # The same with the effects' parameters present, but zero.
    if chip.coupling is not None:
        chip = chip.replace(
            coupling=chip.coupling.replace(kappa=np.zeros_like(chip.coupling.kappa))
        )
    line = chip.bit_line.replace(drain_sensitivity=0.0)
    zeroed = chip.replace(bit_line=line, pulse=chip.pulse.replace(dead_time=0.0))
    assert zeroed.effects == ()
    result = am.simulate(zeroed, width, pulse_start=start)
    np.testing.assert_allclose(result, product, rtol=1e-13, atol=atol)


@given(without_code_edges(), st.data())
def test_permuting_word_lines_permutes_nothing_else(
    operation: Operation, data: st.DataObject
) -> None:
    chip, width, start = operation
    order = np.array(data.draw(st.permutations(range(chip.n_word_lines))))
    place = np.argsort(order)  # word line j of the chip is word line place[j] of the other
    coupling, stagger = as_map(chip), chip.pulse.stagger
    if coupling is not None:
        coupling = coupling.replace(
            victim=place[coupling.victim], aggressor=place[coupling.aggressor]
        )
    layout = chip.layout.replace(layout_class=chip.layout.layout_class[order])
    permuted = chip.replace(
        cell_current=chip.cell_current[order],
        layout=layout,
        coupling=coupling,
        bit_line=chip.bit_line.replace(segments_to_sense=chip.segments_to_sense[order]),
        pulse=chip.pulse.replace(stagger=None if stagger is None else stagger[order]),
    )
    close(
        am.simulate(
            permuted, width[:, order], pulse_start=None if start is None else start[:, order]
        ),
        am.simulate(chip, width, pulse_start=start),
    )


def test_word_lines_may_not_be_permuted_without_their_layout() -> None:
    # The reverse of the law above, so that it cannot hold for a simulator blind to places.
    chip = am.Chip(
        name="asymmetric",
        cell_current=[[1e-7], [2e-7]],
        layout=am.Layout.uniform(2, 1),
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[0.0, 0.3]]),
    )
    swapped = chip.with_weights(chip.cell_current[::-1])
    width = np.full((1, 2), LONGEST)
    assert abs(am.simulate(swapped, width) / am.simulate(chip, width) - 1) > 0.05


@given(without_code_edges())
def test_each_vector_of_a_batch_is_independent(operation: Operation) -> None:
    chip, width, start = operation
    together = am.simulate(chip, width, pulse_start=start)
    for p in range(len(width)):
        one_start = None if start is None else start[p]
        close(am.simulate(chip, width[p], pulse_start=one_start), together[p])
    again = am.simulate(
        chip, np.repeat(width, 2, axis=0), pulse_start=None if start is None else start.repeat(2, 0)
    )
    close(again[::2], together)
    close(again[1::2], together)


@given(chips(readout=False), st.data())
def test_any_batch_shape(chip: am.Chip, data: st.DataObject) -> None:
    width = data.draw(widths(chip, patterns=6))
    flat = am.simulate(chip, width)
    for shape in ((2, 3), (6, 1), (1, 2, 1, 3)):
        result = am.simulate(chip, width.reshape(*shape, -1))
        assert result.shape == (*shape, chip.n_bit_lines)
        close(result.reshape(flat.shape), flat)
    assert am.simulate(chip, width[:0]).shape == (0, chip.n_bit_lines)


@given(without_code_edges(), st.sampled_from([1.0, 3e4, 1e5]))
def test_chunking_changes_nothing(operation: Operation, budget: float) -> None:
    chip, width, start = operation
    array, tensor = array_tensors(chip), torch.tensor(width)
    begin = None if start is None else torch.tensor(start)
    whole = slots.simulate(array, tensor, begin, memory_budget=1e12)
    pieces = slots.simulate(array, tensor, begin, memory_budget=budget)
    close(pieces.charge, whole.charge)
    assert pieces.n_slots == whole.n_slots


@given(without_code_edges(), st.sampled_from([1, 3, 10, 50]))
@settings(max_examples=150)
def test_merging_errs_by_no_more_than_it_says(operation: Operation, ticks: int) -> None:
    chip, width, start = operation
    array, tensor = array_tensors(chip), torch.tensor(width)
    begin = None if start is None else torch.tensor(start)
    exact = slots.simulate(array, tensor, begin)
    merged = slots.simulate(array, tensor, begin, merge_tolerance=ticks * TICK)
    assert exact.merge_bound is None
    assert merged.merge_bound is not None
    assert merged.n_slots <= exact.n_slots
    error = (merged.charge - exact.charge).abs()
    assert (error <= merged.merge_bound + 1e-12 * charge_scale(chip)).all()
    # For one pattern at a time: chunks must not leak into each other's bound.
    for p in range(len(width)):
        alone = slots.simulate(
            array, tensor[p], None if begin is None else begin[p], merge_tolerance=ticks * TICK
        )
        close(alone.charge, merged.charge[p])
        close(alone.merge_bound, merged.merge_bound[p])


@given(without_code_edges(grid=True, quantised=False))
def test_bound_is_zero_when_nothing_merges(operation: Operation) -> None:
    chip, width, start = operation
    array, tensor = array_tensors(chip), torch.tensor(width)
    begin = None if start is None else torch.tensor(start)
    exact = slots.simulate(array, tensor, begin)
    # Centred pulses have edges on half ticks: no slot is shorter, no two fit in 0.9 of it.
    merged = slots.simulate(array, tensor, begin, merge_tolerance=0.45 * TICK)
    assert merged.n_slots == exact.n_slots
    assert (merged.merge_bound == 0).all()
    assert torch.equal(merged.charge, exact.charge)


def test_merging_is_no_formality() -> None:
    # A merge that moves charge and a bound that is not idle, within a factor of 10 of it.
    chip = am.Chip(
        name="pair",
        cell_current=[[1e-7], [1e-7]],
        layout=am.Layout.uniform(2, 1),
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[0.2, 0.2]]),
    )
    array, width = array_tensors(chip), torch.tensor([[50.0, 30.0]]) * TICK
    exact, merged = (
        slots.simulate(array, width.double(), merge_tolerance=tolerance)
        for tolerance in (0.0, LONGEST)
    )
    error = float((merged.charge - exact.charge).abs())
    assert (exact.n_slots, merged.n_slots) == (2, 1)
    assert 0 < error <= float(merged.merge_bound) < 10 * error + 0.2 * float(exact.charge)


@given(without_code_edges(grid=True, quantised=False), st.integers(-1000, 1000), st.data())
def test_the_origin_of_time_is_free(operation: Operation, ticks: int, data: st.DataObject) -> None:
    chip, width, _ = operation
    start = data.draw(starts(width, grid=True).filter(lambda given: given is not None))
    # On the grid the shifted edges are exact, so only the origin differs.
    shifted = am.simulate(chip, width, pulse_start=start + ticks * TICK)
    close(shifted, am.simulate(chip, width, pulse_start=start), rtol=1e-14)


@given(without_code_edges(quantised=False), st.sampled_from([0.125, 0.5, 4.0]))
def test_charge_scales_with_time(operation: Operation, factor: float) -> None:
    chip, width, start = operation
    # Droop remembers charge, so the capacitance scales along.
    line, pulse = chip.bit_line, chip.pulse
    slower = chip.replace(
        bit_line=line.replace(capacitance=line.capacitance and line.capacitance * factor),
        pulse=pulse.replace(
            dead_time=pulse.dead_time * factor,
            stagger=None if pulse.stagger is None else pulse.stagger * factor,
        ),
    )
    scaled = None if start is None else start * factor
    close(
        am.simulate(slower, width * factor, pulse_start=scaled),
        factor * am.simulate(chip, width, pulse_start=start),
        rtol=1e-14,
    )


@given(chips(grid=True, quantised=False, readout=False), st.data())
def test_alignments_with_nested_pulses_agree(chip: am.Chip, data: st.DataObject) -> None:
    # Time reversal turns trailing into leading; centred pulses are nested as leading ones
    # are, each slot cut in two halves. On the grid all edges are exact.
    width = data.draw(widths(chip, grid=True))
    aligned = {
        alignment: am.simulate(
            chip.replace(pulse=chip.pulse.replace(alignment=alignment, stagger=None)), width
        )
        for alignment in ("leading", "trailing", "centred")
    }
    close(aligned["trailing"], aligned["leading"])
    close(aligned["centred"], aligned["leading"])


@given(chips(quantised=False), st.data())
def test_alignment_is_a_choice_of_starts(chip: am.Chip, data: st.DataObject) -> None:
    width = data.draw(widths(chip))
    start = {
        "leading": np.zeros_like(width),
        "trailing": -width,
        "centred": -width / 2,
        "staggered": np.broadcast_to(
            0.0 if chip.pulse.stagger is None else chip.pulse.stagger, width.shape
        ),
    }[chip.pulse.alignment]
    close(am.simulate(chip, width, pulse_start=start), am.simulate(chip, width))


@given(without_code_edges())
def test_ekv_approaches_weak_inversion(operation: Operation) -> None:
    chip, width, start = operation
    weak = am.simulate(chip.replace(cell_law=am.WeakInversion()), width, pulse_start=start)
    largest = max(float(chip.cell_current.max()), 1e-14)
    # ln(I'/I) = kappa - kappa x/2 + O(x^2) with x = sqrt(I/I_S): a tenth of x, a tenth of it.
    for root in (1e-4, 1e-5):
        law = am.EKV(specific_current=largest / root**2)
        charge = am.simulate(chip.replace(cell_law=law), width, pulse_start=start)
        # |sum of kappa| <= 3.5, of which the first-order drop amplifies by up to 1/(1 - 0.4).
        np.testing.assert_allclose(charge, weak, rtol=20 * root, atol=0)


@given(without_code_edges(), st.sampled_from(["wire", "lumped", "droop"]))
def test_each_drop_lowers_the_charge(operation: Operation, mechanism: str) -> None:
    chip, width, start = operation
    assume(mechanism in chip.effects)
    before = am.simulate(
        chip.with_effects(set(chip.effects) - {mechanism}), width, pulse_start=start
    )
    after = am.simulate(chip, width, pulse_start=start)
    assert (after <= before * (1 + 1e-12)).all()
    # Fractions of 1e-6 or more of the largest current were drawn: they must be felt.
    large = before > 0.1 * charge_scale(chip)
    if mechanism != "wire" or chip.segments_to_sense.min() > 0:
        assert (after[large] < before[large]).all()


@given(without_code_edges())
def test_first_order_overstates_the_loss(operation: Operation) -> None:
    chip, width, start = operation
    line = chip.bit_line
    assume(line.solution == "first_order")
    consistent = chip.replace(bit_line=line.replace(solution="self_consistent"))
    lossless = chip.with_effects(set(chip.effects) - {"wire", "lumped", "droop"})
    first, exact, none = (
        am.simulate(each, width, pulse_start=start) for each in (chip, consistent, lossless)
    )
    slack = 1e-12 * charge_scale(chip)
    assert (first <= exact + slack).all()
    assert (exact <= none + slack).all()
    # Wire, series resistance and droop were drawn to take at most 0.2 each of any cell's
    # current, so the true drop is at least 0.4 of the one to first order, and so the loss.
    assert (exact - first <= 0.6 * (none - first) + slack).all()


@given(operations(quantised=False, readout=False))
def test_single_precision_is_close(operation: Operation) -> None:
    chip, width, start = operation
    exact = am.simulate(chip, width, pulse_start=start)
    begin = None if start is None else torch.tensor(start, dtype=torch.float32)
    single = am.simulate(chip, torch.tensor(width, dtype=torch.float32), pulse_start=begin)
    assert single.dtype == torch.float32
    atol = 100 * torch.finfo(torch.float32).eps * charge_scale(chip)
    np.testing.assert_allclose(single.double().numpy(), exact, rtol=0, atol=atol)


@given(pulses(3), st.lists(ON_GRID, min_size=3, max_size=3))
def test_ideal_charge_ignores_the_chip_around_the_weights(
    pulse: am.Pulse, width: list[float]
) -> None:
    chip = am.Chip(
        name="three",
        cell_current=np.array([[1.0, 0.0], [2.0, 5.0], [4.0, 3.0]]) * 1e-7,
        layout=am.Layout.mirrored_columns(3, 2),
        coupling=am.CouplingByClass(offsets=(1,), kappa=[[0.1], [-0.3]]),
        bit_line=am.BitLine(wire_resistance=1e4, drain_sensitivity=0.5),
        pulse=pulse,
    )
    t = np.array(width)
    expected = [1e-7 * (t[0] + 2 * t[1] + 4 * t[2]), 1e-7 * (5 * t[1] + 3 * t[2])]
    np.testing.assert_allclose(
        am.ideal_charge(chip, t), expected, rtol=1e-12, atol=1e-15 * 1e-6 * LONGEST
    )
