"""State: the chip in view follows from what a user chose, once per change."""

from __future__ import annotations

import numpy as np
import pytest

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import Chip
from dashboard.state import State


@pytest.fixture
def state() -> State:
    return State(source="synthetic", n_word_lines=6, n_bit_lines=4)


def changes(state: State, *names: str) -> list[set[str]]:
    """Names of the parameters in each batch of events from now on."""
    seen: list[set[str]] = []
    state.param.watch(lambda *events: seen.append({event.name for event in events}), list(names))
    return seen


def test_a_fresh_state_shows_the_bundled_chip() -> None:
    state = State()
    bundled = am.example_chip("reference")
    assert state.measurement is not None
    np.testing.assert_array_equal(
        state.chip.cell_current, bundled[v.CELL_CURRENT].values[0].clip(min=0)
    )
    assert state.chip is State().chip  # shared, so that caches recognise it
    assert state.pulse_width.shape == (16,)
    assert state.notice is None


def test_weight_set_changes_the_weights_only() -> None:
    state = State(weight_set=1)
    current = am.example_chip("reference")[v.CELL_CURRENT].values[1].clip(min=0)
    np.testing.assert_array_equal(state.chip.cell_current, current)


def test_one_change_is_one_repaint(state: State) -> None:
    seen = changes(state, "chip", "source_chip", "pulse_width")
    state.param.update(source="synthetic", n_word_lines=9, coupling_scale=2.0)
    assert seen == [{"chip", "source_chip", "pulse_width"}]
    state.coupling_scale = 3.0
    assert seen[1:] == [{"chip"}]
    state.pattern_source = "all_on"
    assert seen[2:] == [{"pulse_width"}]
    state.theme = "dark"
    assert len(seen) == 3


def test_parameters_act_on_the_chip(state: State) -> None:
    source = state.source_chip
    state.param.update(
        coupling_scale=2.0,
        wire_resistance=7.0,
        capacitance=2e-12,
        dead_time=1e-9,
        bits=3,
        readout_bits=6,
        full_scale=5e-12,
        alignment="staggered",
        stagger_step=3e-9,
    )
    chip = state.chip
    np.testing.assert_allclose(chip.coupling.kappa, 2 * source.coupling.kappa)
    assert chip.bit_line.wire_resistance == 7.0
    assert chip.bit_line.capacitance == 2e-12
    assert chip.pulse.dead_time == 1e-9
    assert (chip.readout.bits, chip.readout.full_scale) == (6, 5e-12)
    np.testing.assert_allclose(chip.pulse.stagger, 3e-9 * np.arange(6))
    state.reset_parameters()
    assert state.chip is source


def test_fewer_bits_coarsen_the_codes_over_the_same_range(state: State) -> None:
    state.bits = 3
    assert state.chip.pulse.full_scale == pytest.approx(31 * 40e-9)
    assert state.chip.pulse.lsb == pytest.approx(31 * 40e-9 / 7)
    state.pattern_source = "all_on"
    np.testing.assert_allclose(state.pulse_width, 31 * 40e-9)


def test_effects_switched_off_leave_the_ideal_array(state: State) -> None:
    state.effects = []
    assert state.chip.effects == ()
    width = state.pulse_width
    np.testing.assert_allclose(am.simulate(state.chip, width), width @ state.chip.cell_current)


def test_a_new_chip_comes_with_its_own_parameters(state: State) -> None:
    state.param.update(coupling_scale=2.0, wire_resistance=9.0)
    state.source = "bundled"
    assert (state.coupling_scale, state.wire_resistance) == (1.0, None)
    # Unless chosen in the same breath, as a link does.
    state.param.update(source="synthetic", coupling_scale=3.0)
    assert state.coupling_scale == 3.0


def test_an_unknown_upload_leaves_the_chip_in_view(state: State) -> None:
    chip = state.chip
    state.param.update(source="upload", upload_id="0123456789abcdef")
    assert state.chip is chip
    assert state.source == "synthetic"
    assert state.notice.kind == "error"
    assert "Upload the file again" in state.notice.text
    assert State(source="upload", upload_id="../../etc/passwd").source == "bundled"


def test_selection_moves_inside_a_smaller_chip(state: State) -> None:
    state.param.update(word_line=5, bit_line=3)
    state.param.update(n_word_lines=2, n_bit_lines=2)
    assert (state.word_line, state.bit_line) == (1, 1)
    assert "bit line 1 is shown" in state.notice.text


def test_measured_patterns_need_a_measurement(state: State) -> None:
    state.pattern_source = "measured"
    assert state.pattern_source == "random"
    assert "no measured patterns" in state.notice.text
    bundled = State(pattern_source="measured", pattern_index=3)
    expected = am.example_chip("reference")[v.PULSE_WIDTH].values[3]
    np.testing.assert_array_equal(bundled.pulse_width, expected)
    bundled.pattern_index = 10**6
    assert bundled.pattern_index == bundled.measurement.sizes[v.PATTERN] - 1


def test_drawn_codes_become_pulses(state: State) -> None:
    state.set_pattern([0, 31, 1])
    np.testing.assert_allclose(state.pulse_width, np.array([0, 31, 1, 0, 0, 0]) * 40e-9)
    assert state.codes() == (0, 31, 1, 0, 0, 0)
    np.testing.assert_array_equal(state.activation_pattern, [0, 1, 1, 0, 0, 0])
    state.time_slot = 99
    assert state.time_slot == 1
    np.testing.assert_array_equal(state.activation_pattern, [0, 1, 0, 0, 0, 0])


def test_no_pulse_no_slot(state: State) -> None:
    state.set_pattern([])
    assert state.slots.sizes[v.TIME_SLOT] == 0
    assert not state.activation_pattern.any()


def test_a_chip_of_ones_own(state: State) -> None:
    chip: Chip = state.chip.replace(name="mine")
    own = State.from_chip(chip)
    assert own.chip is chip
    assert own.measurement is None
    own.coupling_scale = 0.5
    np.testing.assert_allclose(own.chip.coupling.kappa, 0.5 * chip.coupling.kappa)


def test_another_chip_of_ones_own_takes_the_place_of_any(state: State) -> None:
    measurement = state.measurement
    bundled: Chip = state.chip
    seen: list[str] = []
    state.param.watch(lambda event: seen.append(event.new.name), "chip")
    state.coupling_scale = 2.0
    for name in ("mine", "another"):
        state.show(bundled.replace(name=name), measurement)
        # What was set on the chip before is not meant for this one.
        assert state.chip == bundled.replace(name=name)
        assert state.coupling_scale == 1.0
        assert state.measurement is measurement
        state.coupling_scale = 3.0
        np.testing.assert_allclose(state.chip.coupling.kappa, 3 * bundled.coupling.kappa)
    assert seen == [bundled.name, "mine", "mine", "another", "another"]


def test_reset_keeps_the_theme(state: State) -> None:
    state.param.update(theme="dark", page="error", wire_resistance=3.0)
    state.reset()
    assert state.changed() == {"theme": "dark"}
