"""Parameters: what the sliders show is what the chip has."""

from __future__ import annotations

import pytest

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import BitLine, Chip, Pulse, Readout
from analog_model.chip.changes import modified_chip
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
    assert (slider.value, slider.start, slider.end) == (900.0, 0.0, 900.0)
    state.wire_resistance = 50.0
    assert (slider.value, slider.start, slider.end) == (50.0, 0.0, 200.0)
    state.reset_parameters()
    assert (slider.value, slider.end) == (900.0, 900.0)
