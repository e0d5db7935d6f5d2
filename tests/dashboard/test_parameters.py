"""Parameters: what the sliders show is what the chip has."""

from __future__ import annotations

from itertools import count

import pytest

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import BitLine, Chip, Pulse, Readout
from analog_model.chip.changes import modified_chip
from dashboard import links
from dashboard.history import History
from dashboard.parameters import PARAMETERS, values_of
from dashboard.sidebar import GROUPS, ParameterControls
from dashboard.state import State


@pytest.fixture
def chip() -> Chip:
    return am.synthetic_chip(4, 3).replace(
        bit_line=BitLine(
            wire_resistance=3.0, lumped_resistance=500.0, drain_sensitivity=0.2, capacitance=1e-12
        ),
        pulse=Pulse(alignment="trailing", dead_time=2e-9, lsb=20e-9, bits=4),
        readout=Readout(bits=8, full_scale=2e-12),
    )


def test_setting_what_is_read_changes_nothing(chip: Chip) -> None:
    values = values_of(chip)
    again = modified_chip(chip, values, v.EFFECTS)
    assert again.fingerprint() == chip.fingerprint()


def test_every_modified_chip_is_a_valid_one(chip: Chip) -> None:
    """The short cut around validation must not let anything through that it would stop."""
    for spec in PARAMETERS.values():
        values = spec.choices or (int(spec.lower) if spec.integer else spec.lower, spec.upper)
        for value in values:
            changed = modified_chip(chip, {spec.name: value}, v.EFFECTS)
            assert Chip(**dict(changed)) == changed


def test_every_parameter_and_effect_has_its_place_in_the_sidebar() -> None:
    effects = [effect for _, group in GROUPS for effect, _ in group if effect is not None]
    names = [name for _, group in GROUPS for _, names in group for name in names]
    assert sorted(effects) == sorted(v.EFFECTS)
    assert sorted(names) == sorted(PARAMETERS)


def test_sliders_show_units_and_absence(chip: Chip) -> None:
    controls = ParameterControls(State.from_chip(chip))
    lumped = controls.widgets["lumped_resistance"]
    assert (lumped.label, lumped.value) == ("Lumped resistance [kΩ]", 0.5)
    assert controls.widgets["dead_time"].value == pytest.approx(2.0)
    bare = ParameterControls(State.from_chip(am.synthetic_chip(4, 3)))
    clamped = bare.widgets["capacitance"]
    assert (clamped.label, clamped.show_value) == ("Bit-line capacitance, clamped", False)


def test_a_moved_slider_sets_the_state_in_si(chip: Chip) -> None:
    state = State.from_chip(chip)
    controls = ParameterControls(state)
    controls.widgets["capacitance"].value = 2.5
    assert state.chip.bit_line.capacitance == pytest.approx(2.5e-12)
    controls.switches["droop"].value = False
    assert "droop" not in state.chip.effects
    assert controls.widgets["capacitance"].disabled
    assert state.wire_resistance is None  # showing a value is not choosing it


def test_a_value_beyond_the_slider_widens_it_while_it_is_in_force(chip: Chip) -> None:
    strong = chip.replace(bit_line=chip.bit_line.replace(wire_resistance=900.0))
    state = State.from_chip(strong)
    slider = ParameterControls(state).widgets["wire_resistance"]
    assert (slider.value, slider.start, slider.end) == (900.0, 0.0, 1800.0)
    state.wire_resistance = 50.0
    assert (slider.value, slider.start, slider.end) == (50.0, 0.0, 1800.0)
    state.show(chip)
    assert (slider.value, slider.start, slider.end) == (3.0, 0.0, 200.0)
    # A link's choice beyond it; the slider does not shrink under a drag back.
    state.wire_resistance = 5000.0
    slider.value = 1000.0
    assert state.chip.bit_line.wire_resistance == 1000.0
    assert (slider.value, slider.end) == (1000.0, 10_000.0)
    state.reset_parameters()
    assert (slider.value, slider.end) == (3.0, 200.0)


# What the calibration of the bundled measurement finds, beside what a laboratory's may.
CALIBRATED = {
    "specific_current": 8.14e-7,
    "wire_resistance": 1829.554,
    "lumped_resistance": 9781.855,
    "drain_sensitivity": 0.1,
    "dead_time": 1.632e-9,
    "lsb": 4e-8,
}
FAR_OFF = {
    "specific_current": 4e-6,
    "wire_resistance": 25e3,
    "lumped_resistance": 60e3,
    "drain_sensitivity": 3.0,
    "capacitance": 20e-12,
    "dead_time": 35e-9,
    "lsb": 0.5e-9,
    "bits": 14,
    "readout_bits": 18,
    "full_scale": 2e-9,
}


@pytest.mark.parametrize("own", [CALIBRATED, FAR_OFF])
def test_what_a_calibrated_chip_has_can_be_chosen_linked_undone(own: dict[str, float]) -> None:
    """Beside its own value, on both sides: by the slider, by a link, back again, for any part."""
    calibrated = modified_chip(am.synthetic_chip(4, 3), own, v.EFFECTS)
    state = State.from_chip(calibrated)
    history, controls = History(state, clock=count(step=10.0).__next__), ParameterControls(state)
    for name, value in own.items():
        spec, widget = PARAMETERS[name], controls.widgets[name]
        assert widget.start < widget.value < widget.end
        for wanted in (0.9 * value, 1.1 * value):
            asked = round(wanted) if spec.integer else wanted
            widget.value = asked if spec.integer else asked / spec.factor
            assert values_of(state.chip)[name] == pytest.approx(asked)
            read, problems = links.read_query(links.query_of(state))
            assert problems == []
            assert read[name] == pytest.approx(asked)
            assert widget.start < widget.value < widget.end
            history.undo()
            assert state.chip == calibrated
            history.redo()
            assert values_of(state.chip)[name] == pytest.approx(asked)
            state.reset_parameters()
            assert state.chip == calibrated
            assert widget.value == pytest.approx(value / spec.factor, rel=1e-5)


def test_usual_values_can_be_chosen() -> None:
    for spec in PARAMETERS.values():
        if not spec.choices:
            assert spec.lower <= spec.usual[0] < spec.usual[1] <= spec.upper, spec.name
            assert spec.usual[0] <= spec.rest <= spec.usual[1], spec.name
