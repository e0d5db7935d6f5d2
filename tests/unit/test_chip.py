"""The chip as data: frozen, validated with one-line messages, the same after YAML."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.vocabulary import EFFECTS
from tests.properties.chips import chips


def full_chip(**parts: Any) -> am.Chip:
    fields: dict[str, Any] = {
        "name": "full",
        "cell_current": [[1e-7, 2e-7], [3e-7, 0.0], [1e-12, 4e-7]],
        "layout": am.Layout.mirrored_columns(3, 2),
        "cell_law": am.EKV(specific_current=2e-7),
        "coupling": am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.2], [-0.1, 0.3]]),
        "bit_line": am.BitLine(
            wire_resistance=5.0,
            lumped_resistance=100.0,
            capacitance=1e-12,
            drain_sensitivity=0.1,
            segments_to_sense=[3, 1, 2],
        ),
        "pulse": am.Pulse(
            alignment="staggered", stagger=[0.0, 1e-9, 2e-9], dead_time=2e-9, lsb=1e-9, bits=6
        ),
        "readout": am.Readout(bits=8, full_scale=1e-13),
        "v_word_line": 2.0,
        "v_bit_line": 1.0,
        "temperature_celsius": 85,
        "source": "a test: line 1\nline 2, µ",
    }
    return am.Chip(**{**fields, **parts})


# YAML -------------------------------------------------------------------------------------------


@given(chips(), st.text(), st.floats(-273.0, 1000.0))
def test_yaml_gives_back_the_same_chip(chip: am.Chip, source: str, temperature: float) -> None:
    chip = chip.replace(source=source, temperature_celsius=temperature)
    back = am.Chip.from_yaml(chip.to_yaml())
    assert back == chip
    assert back.fingerprint() == chip.fingerprint()
    assert back.to_yaml() == chip.to_yaml()
    np.testing.assert_array_equal(back.cell_current, chip.cell_current)


def test_yaml_is_plain_data_with_si_numbers() -> None:
    data = yaml.safe_load(full_chip().to_yaml())
    assert data["cell_current"] == [[1e-7, 2e-7], [3e-7, 0.0], [1e-12, 4e-7]]
    assert data["cell_law"] == {"kind": "ekv", "specific_current": 2e-7}
    assert data["coupling"]["offsets"] == [-1, 1]
    assert data["pulse"]["alignment"] == "staggered"


def test_yaml_by_hand() -> None:
    chip = am.Chip.from_yaml(
        """
        name: by hand
        cell_current: [[1.0e-7], [2.0e-7]]
        layout: {layout_class: [[0], [0]], class_names: [cell]}
        coupling: {kind: map, victim: [0], aggressor: [1], kappa: [[0.1]]}
        """
    )
    assert chip == am.Chip(
        name="by hand",
        cell_current=[[1e-7], [2e-7]],
        layout=am.Layout.uniform(2, 1),
        coupling=am.CouplingMap(victim=[0], aggressor=[1], kappa=[[0.1]]),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "chip YAML: expected a mapping of chip fields, got list"),
        ("name: [", "chip YAML: expected valid YAML, got "),
        ("!!python/object/apply:os.system ['true']", "chip YAML: expected valid YAML, got "),
        ("name: x", "Chip.cell_current: expected a value, got nothing"),
    ],
)
def test_broken_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        am.Chip.from_yaml(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


# Frozen -----------------------------------------------------------------------------------------


def test_nothing_can_be_assigned() -> None:
    chip = full_chip()
    for record, field in (
        (chip, "name"),
        (chip.bit_line, "wire_resistance"),
        (chip.layout, "cell_pitch"),
    ):
        with pytest.raises(Exception, match="frozen"):
            setattr(record, field, 1.0)


@pytest.mark.parametrize("source", [np.array, list])
def test_arrays_are_read_only_copies(source: Any) -> None:
    given = source([[1e-7], [2e-7]])
    chip = am.Chip(name="x", cell_current=given, layout=am.Layout.uniform(2, 1))
    given[0][0] = 5.0
    assert chip.cell_current[0, 0] == 1e-7
    with pytest.raises(ValueError, match="read-only"):
        chip.cell_current[0, 0] = 1.0
    full = full_chip()
    for array in (
        full.coupling.kappa,
        full.layout.layout_class,
        full.bit_line.segments_to_sense,
        full.pulse.stagger,
    ):
        assert array.flags.writeable is False


def test_replace_validates_anew_and_leaves_the_original() -> None:
    chip = full_chip()
    renamed = chip.replace(name="other")
    assert (chip.name, renamed.name) == ("full", "other")
    assert renamed.replace(name="full") == chip
    with pytest.raises(ConfigurationError, match=r"Chip\.cell_current"):
        chip.replace(cell_current=[[1e-7]])
    with pytest.raises(ConfigurationError, match=r"Chip\.nmae"):
        chip.replace(nmae="x")


def test_with_weights_changes_the_weights_only() -> None:
    chip = full_chip()
    programmed = chip.with_weights(np.full((3, 2), 1e-8))
    assert (programmed.cell_current == 1e-8).all()
    assert programmed.with_weights(chip.cell_current) == chip
    with pytest.raises(ConfigurationError, match="one current per cell"):
        chip.with_weights(np.ones((2, 2)))


# Fingerprint ------------------------------------------------------------------------------------

CHANGES: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "a current": {"cell_current": [[1e-7, 2e-7], [3e-7, 0.0], [1e-12, 4.0000000001e-7]]},
    "law": {"cell_law": am.WeakInversion()},
    "no coupling": {"coupling": None},
    "a kappa": {"coupling": am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.2], [0.1, 0.3]])},
    "an offset": {"coupling": am.CouplingByClass(offsets=(-1, 2), kappa=[[0.1, 0.2], [-0.1, 0.3]])},
    "bit line": {"bit_line": am.BitLine()},
    "temperature": {"temperature_celsius": 27.0},
    "layout": {"layout": am.Layout.mirrored_row_pairs(3, 2)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_fingerprint_sees_every_change(change: str) -> None:
    chip = full_chip()
    other = chip.replace(**CHANGES[change])
    assert other != chip
    assert other.fingerprint() != chip.fingerprint()
    assert len(chip.fingerprint()) == 64


def test_equal_chips_are_one_key() -> None:
    assert full_chip() == full_chip()
    assert len({full_chip(), full_chip()}) == 1
    assert full_chip() != "full"
    # Kinds of parts differ even where their numbers agree.
    assert am.WeakInversion() != am.Readout()


# Effects ----------------------------------------------------------------------------------------


def test_effects_of_a_full_and_an_empty_chip() -> None:
    assert full_chip().effects == EFFECTS
    bare = am.Chip(name="bare", cell_current=[[1e-7]], layout=am.Layout.uniform(1, 1))
    assert bare.effects == ()


@pytest.mark.parametrize("effect", EFFECTS)
def test_with_effects_keeps_exactly_the_named(effect: str) -> None:
    chip = full_chip()
    assert chip.with_effects([effect]).effects == (effect,)
    others = [name for name in EFFECTS if name != effect]
    assert chip.with_effects(others).effects == tuple(others)
    # What an effect needs stays: switching on again would need the original chip.
    assert chip.with_effects(EFFECTS) == chip


def test_with_effects_changes_neither_weights_nor_placement() -> None:
    ideal = full_chip().with_effects(())
    assert ideal.effects == ()
    np.testing.assert_array_equal(ideal.cell_current, full_chip().cell_current)
    assert ideal.pulse.alignment == "staggered"
    # Naming an effect that the chip lacks adds nothing.
    assert ideal.with_effects(EFFECTS).effects == ()


@pytest.mark.parametrize(
    ("parts", "off"),
    [
        ({"coupling": am.CouplingByClass(offsets=(1,), kappa=[[0.0], [0.0]])}, {"crosstalk"}),
        (
            {"bit_line": am.BitLine(wire_resistance=5.0, lumped_resistance=1.0, capacitance=1e-12)},
            {"wire", "lumped", "droop"},
        ),
        ({"bit_line": am.BitLine(drain_sensitivity=0.1)}, {"wire", "lumped", "droop"}),
        ({"pulse": am.Pulse(lsb=1e-9)}, {"dead_time", "input_bits"}),
        ({"readout": am.Readout()}, {"readout"}),
    ],
)
def test_an_effect_without_consequence_is_off(parts: dict[str, Any], off: set[str]) -> None:
    assert set(EFFECTS) - set(full_chip(**parts).effects) == off


def test_unknown_effect_is_named_with_its_neighbour() -> None:
    with pytest.raises(ConfigurationError, match=r"got 'cross_talk'\. Did you mean 'crosstalk'\?"):
        full_chip().with_effects(["cross_talk"])


# Refusals ---------------------------------------------------------------------------------------


def refusal(action: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        action()
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        (
            full_chip,
            "nmae",
            "x",
            "Chip.nmae: expected a known key, got 'nmae'. Did you mean 'name'?",
        ),
        (full_chip, "quux", 1, "Valid names: bit_line, cell_current, cell_law, coupling"),
        (am.BitLine, "wire_resistence", 1.0, "Did you mean 'wire_resistance'?"),
        (am.Pulse, "aligment", "leading", "Did you mean 'alignment'?"),
        (full_chip, "name", 3, "Chip.name: expected a valid string, got 3"),
        (full_chip, "cell_current", [[1.0], [2.0, 3.0]], "a rectangular array of numbers"),
        (full_chip, "cell_current", "abc", "a rectangular array of numbers"),
        (full_chip, "cell_current", [[1.0, np.nan]], "finite numbers are needed, index (0, 1)"),
        (
            full_chip,
            "cell_current",
            np.ones((2, 3)),
            "one current per cell of the layout (3, 2), got shape (2, 3)",
        ),
        (
            full_chip,
            "cell_current",
            [[1e-7, 1e-7], [1e-7, -2e-9], [0, 0]],
            "Chip.cell_current[word_line=1, bit_line=1]: expected a current of 0 A or more, "
            "got -2e-09 A. Set an unprogrammed cell to 0.",
        ),
        (full_chip, "temperature_celsius", -300.0, "greater than -273.15, got -300.0"),
        (full_chip, "v_word_line", 0.0, "Chip.v_word_line: expected greater than 0"),
        (full_chip, "cell_law", {"kind": "bsim"}, "Chip.cell_law"),
        (
            full_chip,
            "coupling",
            am.CouplingByClass(offsets=(1,), kappa=[[0.1]]),
            "CouplingByClass.kappa: expected shape (2, 1) (layout class, offset), got shape (1, 1)",
        ),
        (
            full_chip,
            "bit_line",
            am.BitLine(segments_to_sense=[1, 2]),
            "BitLine.segments_to_sense: expected one value per word line (3), got shape (2,)",
        ),
        (
            full_chip,
            "pulse",
            am.Pulse(alignment="staggered", stagger=[0.0]),
            "Pulse.stagger: expected one value per word line (3), got shape (1,)",
        ),
        (am.EKV, "specific_current", 0.0, "EKV.specific_current: expected greater than 0"),
        (am.EKV, "specific_current", "much", "EKV.specific_current: expected a valid number"),
        (am.BitLine, "wire_resistance", -1.0, "greater than or equal to 0, got -1.0"),
        (am.BitLine, "lumped_resistance", -1.0, "BitLine.lumped_resistance"),
        (am.BitLine, "drain_sensitivity", -0.1, "BitLine.drain_sensitivity"),
        (am.BitLine, "capacitance", 0.0, "BitLine.capacitance: expected greater than 0"),
        (
            am.BitLine,
            "segments_to_sense",
            [1.0, -1.0],
            "one number of pitches, 0 or more, per word line",
        ),
        (am.BitLine, "segments_to_sense", [[1.0]], "got shape (1, 1)"),
        (am.BitLine, "solution", "exact", "'self_consistent' or 'first_order', got 'exact'"),
        (
            am.Pulse,
            "alignment",
            "left",
            "'leading', 'trailing', 'centred' or 'staggered', got 'left'",
        ),
        (am.Pulse, "alignment", "staggered", "one delay per word line with alignment 'staggered'"),
        (am.Pulse, "stagger", [0.0], "one delay per word line with alignment 'staggered'"),
        (am.Pulse, "dead_time", -1e-9, "Pulse.dead_time"),
        (am.Pulse, "bits", 4, "Pulse.lsb: expected the width of one code when bits is given"),
        (am.Pulse, "lsb", 0.0, "Pulse.lsb: expected greater than 0"),
        (am.Readout, "bits", 8, "Readout.full_scale: expected the charge at full scale"),
        (am.Readout, "full_scale", -1.0, "Readout.full_scale: expected greater than 0"),
    ],
)
def test_a_bad_value_is_refused(part: Any, field: str, value: Any, message: str) -> None:
    assert message in refusal(lambda: part(**{field: value}))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("part", "field"),
    [
        (am.EKV, "specific_current"),
        (am.BitLine, "wire_resistance"),
        (am.BitLine, "lumped_resistance"),
        (am.BitLine, "drain_sensitivity"),
        (am.BitLine, "capacitance"),
        (am.Pulse, "dead_time"),
        (am.Pulse, "lsb"),
        (am.Readout, "full_scale"),
        (full_chip, "temperature_celsius"),
        (full_chip, "v_word_line"),
    ],
)
def test_no_number_is_infinite_or_undefined(part: Any, field: str, value: float) -> None:
    assert field in refusal(lambda: part(**{field: value}))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: am.CouplingByClass(offsets=(0, 1), kappa=[[0.1, 0.1]]),
            "distinct word-line offsets other than 0",
        ),
        (
            lambda: am.CouplingByClass(offsets=(1, 1), kappa=[[0.1, 0.1]]),
            "distinct word-line offsets",
        ),
        (lambda: am.CouplingByClass(offsets=(), kappa=[[]]), "distinct word-line offsets"),
        (
            lambda: full_chip(coupling=am.CouplingByCell(offsets=(1,), kappa=np.zeros((1, 2, 3)))),
            "CouplingByCell.kappa: expected shape (1, 3, 2) (offset, word line, bit line)",
        ),
        (
            lambda: am.CouplingMap(victim=[], aggressor=[], kappa=[]),
            "CouplingMap.victim: expected at least one entry, got none",
        ),
        (
            lambda: am.CouplingMap(victim=[0, 1], aggressor=[1], kappa=[[0.1]]),
            "CouplingMap.aggressor",
        ),
        (
            lambda: am.CouplingMap(victim=[0, 0], aggressor=[1, 1], kappa=[[0.1]] * 2),
            "distinct (victim, aggressor) pairs",
        ),
        (
            lambda: am.CouplingMap(victim=[1], aggressor=[1], kappa=[[0.1]]),
            "two different word lines",
        ),
        (
            lambda: am.CouplingMap(victim=[0.5], aggressor=[1], kappa=[[0.1]]),
            "an array of whole numbers",
        ),
        (
            lambda: full_chip(
                coupling=am.CouplingMap(victim=[3], aggressor=[1], kappa=[[0.1, 0.1]])
            ),
            "CouplingMap.victim: expected word lines 0 to 2, got 3 to 3",
        ),
        (
            lambda: full_chip(
                coupling=am.CouplingMap(victim=[0], aggressor=[-1], kappa=[[0.1, 0.1]])
            ),
            "CouplingMap.aggressor: expected word lines 0 to 2, got -1 to -1",
        ),
        (
            lambda: full_chip(coupling=am.CouplingMap(victim=[0], aggressor=[1], kappa=[[0.1]])),
            "CouplingMap.kappa: expected shape (1, 2) (entry, bit line), got shape (1, 1)",
        ),
    ],
)
def test_an_impossible_coupling_is_refused(build: Any, message: str) -> None:
    assert message in refusal(build)
