"""Transfer of a calibration to a larger array of the same cell and layout rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analog_model import signal_to_error_ratio, simulate
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.result import Calibration
from analog_model.calibration.transfer import extend
from analog_model.chip import Layout
from analog_model.chip.continuation import continued_layout, period_of
from analog_model.errors import ConfigurationError
from tests.planted import WIDEST, measured, planted_chip

KAPPA = np.array([[0.004, 0.10, 0.03, 0.004], [0.006, 0.03, 0.08, 0.003]])


@pytest.fixture(scope="module")
def small() -> Calibration:
    chip = planted_chip(16, 16, 0, kappa=KAPPA, wire_resistance=200.0, mismatch=0.01)
    return calibrate(measured(chip, 0, random=50, mixed=20, test=0))


def test_a_calibrated_16x16_predicts_a_32x32_of_the_same_rule(small: Calibration) -> None:
    large = planted_chip(32, 32, 5, kappa=KAPPA, wire_resistance=200.0)
    width = np.random.default_rng(8).uniform(0, WIDEST, (40, 32))
    truth = simulate(large, width)
    chip = extend(small, 32, 32, cell_current=large.cell_current).chip
    assert np.array_equal(chip.layout.layout_class, large.layout.layout_class)
    ideal = signal_to_error_ratio(truth, width @ large.cell_current)
    extended = signal_to_error_ratio(truth, simulate(chip, width))
    assert extended > 300
    assert extended > 20 * ideal
    # The wire is twice as long: forgetting that it grows costs most of the accuracy.
    short = chip.replace(bit_line=chip.bit_line.replace(wire_resistance=0.0))
    assert signal_to_error_ratio(truth, simulate(short, width)) < extended / 3


def test_notes_say_what_rests_on_what(small: Calibration) -> None:
    notes = extend(small, 32, 24).notes
    standing = dict(zip(notes.what.values, notes.standing.values, strict=True))
    assert standing["kappa"] == standing["wire"] == "carries over"
    assert standing["lumped"] == "assumed"
    assert standing["weights"] == standing["mismatch"] == standing["array edge"] == "unknown"


def test_without_weights_the_array_is_empty_until_given(small: Calibration) -> None:
    chip = extend(small, 20, 12).chip
    assert chip.cell_current.shape == (20, 12)
    assert not chip.cell_current.any()
    assert chip.with_weights(np.full((20, 12), 1e-7)).cell_current[0, 0] == 1e-7


def test_mismatch_is_drawn_from_its_seed_with_the_spread_found(small: Calibration) -> None:
    first, again, other = (extend(small, 64, 64, mismatch_seed=seed).chip for seed in (1, 1, 2))
    assert first == again
    assert first != other
    shared = extend(small, 64, 64).chip
    by_class = shared.coupling.kappa_of_cells(shared.layout)  # type: ignore[union-attr]
    ratio = (first.coupling.kappa / by_class - 1)[1, 2:-2]  # type: ignore[union-attr]
    assert ratio.std() == pytest.approx(small.cells.attrs["kappa_spread"], rel=0.05)


def test_capacitance_scales_as_it_is_told(small: Calibration) -> None:
    line = small.chips["shared"].bit_line.replace(capacitance=1e-11, drain_sensitivity=0.1)
    chips = dict(small.chips) | {"shared": small.chips["shared"].replace(bit_line=line)}
    droopy = replace(small, chips=chips)
    assert extend(droopy, 32, 16).chip.bit_line.capacitance == pytest.approx(2e-11)
    fixed = extend(droopy, 32, 16, capacitance="fixed")
    assert fixed.chip.bit_line.capacitance == pytest.approx(1e-11)
    assert "cannot tell" in str(fixed.notes.reason.sel(what="droop").values)


@pytest.mark.parametrize("rule", ["mirrored_columns", "mirrored_columns_and_row_pairs", "uniform"])
def test_layout_rules_continue_as_they_are_made(rule: str) -> None:
    small, large = getattr(Layout, rule)(6, 4), getattr(Layout, rule)(17, 9)
    assert np.array_equal(continued_layout(small, 17, 9).layout_class, large.layout_class)


def test_a_feeder_every_fourth_bit_line_keeps_its_place() -> None:
    small = Layout.routed_feeders(4, 12, feeder_bit_line=1, period=4)
    large = Layout.routed_feeders(8, 31, feeder_bit_line=1, period=4)
    # The first bit lines are before the feeder's first pass either way.
    assert period_of(small) == (1, 4)
    assert np.array_equal(continued_layout(small, 8, 31).layout_class, large.layout_class)


def test_a_map_without_period_cannot_be_continued_layout() -> None:
    lonely = Layout.routed_feeders(6, 6, feeder_bit_line=2)
    with pytest.raises(ConfigurationError, match=r"repeats itself.*no period within 6 bit lines"):
        continued_layout(lonely, 12, 12)


def test_a_period_seen_once_is_no_period() -> None:
    seen_once = np.tile([0, 0, 1], (4, 1))
    layout = Layout(layout_class=seen_once, class_names=("a", "b"))
    with pytest.raises(ConfigurationError, match="bit line"):
        period_of(layout)
