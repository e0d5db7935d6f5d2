"""Chip parameters that a user can change.

One row of `PARAMETERS` says everything about one parameter: its unit, its bounds, how a
chip holds it. State, sidebar and link read this table. `modified_chip` applies values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analog_model import vocabulary as v
from analog_model.chip import EKV, Chip

# Where a source leaves a value open: one code of the reference chip's input, one edge's delay.
NOMINAL_LSB = 40e-9
NOMINAL_BITS = 5


@dataclass(frozen=True)
class ParameterSpec:
    """How one chip parameter is shown and bounded.

    `unit` is the unit shown to the user, `factor` its size in SI. `choices` makes the
    parameter a selection. `effect` names the effect that the parameter belongs to.
    `read` gives the value a chip has, None where the chip leaves it open; the slider then
    says `absent` and rests at `rest`, the end where the effect is weakest.
    """

    name: str
    label: str
    read: Callable[[Chip], Any]
    lower: float = 0.0
    upper: float = 1.0
    step: float = 0.01
    unit: str = ""
    factor: float = 1.0
    effect: str | None = None
    integer: bool = False
    choices: tuple[str, ...] | None = None
    absent: str = "none"
    rest: float = 0.0
    explain: str = ""


def _stagger_step(chip: Chip) -> float | None:
    stagger = chip.pulse.stagger
    if stagger is None or stagger.size < 2:
        return None
    return float(stagger[1] - stagger[0])


def _specific_current(chip: Chip) -> float | None:
    return chip.cell_law.specific_current if isinstance(chip.cell_law, EKV) else None


PARAMETERS: dict[str, ParameterSpec] = {
    spec.name: spec
    for spec in (
        ParameterSpec(
            "coupling_scale",
            "Coupling, relative",
            lambda _chip: 1.0,
            upper=5.0,
            step=0.05,
            unit="×",
            effect="crosstalk",
            explain="Multiplies every coupling coefficient kappa of the chip.",
        ),
        ParameterSpec(
            "specific_current",
            "Specific current",
            _specific_current,
            lower=5e-9,
            upper=2e-6,
            step=5e-9,
            unit="nA",
            factor=1e-9,
            effect="crosstalk",
            absent="weak inversion",
            rest=2e-6,
            explain="EKV specific current: cells well below it feel their neighbours in full.",
        ),
        ParameterSpec(
            "wire_resistance",
            "Wire resistance",
            lambda chip: chip.bit_line.wire_resistance,
            upper=200.0,
            step=0.5,
            unit="Ω/pitch",
            effect="wire",
            explain="Bit-line metal from one cell to the next.",
        ),
        ParameterSpec(
            "lumped_resistance",
            "Lumped resistance",
            lambda chip: chip.bit_line.lumped_resistance,
            upper=20e3,
            step=50.0,
            unit="kΩ",
            factor=1e3,
            effect="lumped",
            explain="Column switch or clamp between the bit line and the sense node.",
        ),
        ParameterSpec(
            "drain_sensitivity",
            "Drain sensitivity",
            lambda chip: chip.bit_line.drain_sensitivity,
            upper=2.0,
            step=0.01,
            unit="1/V",
            explain="Relative current lost per volt of drop; every drop acts through it.",
        ),
        ParameterSpec(
            "capacitance",
            "Bit-line capacitance",
            lambda chip: chip.bit_line.capacitance,
            lower=0.05e-12,
            upper=10e-12,
            step=0.05e-12,
            unit="pF",
            factor=1e-12,
            effect="droop",
            absent="clamped",
            rest=10e-12,
            explain="An integrating, unclamped bit line droops by charge over capacitance.",
        ),
        ParameterSpec(
            "dead_time",
            "Dead time",
            lambda chip: chip.pulse.dead_time,
            upper=20e-9,
            step=0.1e-9,
            unit="ns",
            factor=1e-9,
            effect="dead_time",
            explain="What the edges cost each pulse; about 0.9 of one edge.",
        ),
        ParameterSpec(
            "alignment",
            "Pulse alignment",
            lambda chip: chip.pulse.alignment,
            choices=v.ALIGNMENTS,
            explain="How the pulses of one operation sit relative to each other.",
        ),
        ParameterSpec(
            "stagger_step",
            "Stagger per word line",
            _stagger_step,
            upper=200e-9,
            step=1e-9,
            unit="ns",
            factor=1e-9,
            explain="Delay of each word line after the one before it; staggered pulses only.",
        ),
        ParameterSpec(
            "bits",
            "Input code",
            lambda chip: chip.pulse.bits,
            lower=1,
            upper=12,
            step=1,
            unit="bit",
            effect="input_bits",
            integer=True,
            absent="continuous",
            rest=12,
            explain="Pulse widths are rounded to whole codes.",
        ),
        ParameterSpec(
            "lsb",
            "Width of one code",
            lambda chip: chip.pulse.lsb,
            lower=1e-9,
            upper=200e-9,
            step=1e-9,
            unit="ns",
            factor=1e-9,
            absent="continuous",
            rest=40e-9,
            explain="Pulse width of one input code.",
        ),
        ParameterSpec(
            "readout_bits",
            "Readout resolution",
            lambda chip: chip.readout.bits,
            lower=1,
            upper=16,
            step=1,
            unit="bit",
            effect="readout",
            integer=True,
            absent="exact",
            rest=16,
            explain="The converter rounds the charge to this many bits of full scale.",
        ),
        ParameterSpec(
            "full_scale",
            "Readout full scale",
            lambda chip: chip.readout.full_scale,
            lower=0.01e-12,
            upper=1e-9,
            step=0.01e-12,
            unit="pC",
            factor=1e-12,
            effect="readout",
            absent="unlimited",
            rest=100e-12,
            explain="The integrator saturates at this charge.",
        ),
        ParameterSpec(
            "solution",
            "Drop solution",
            lambda chip: chip.bit_line.solution,
            choices=("self_consistent", "first_order"),
            explain="Whether the drop lowers the current that makes it.",
        ),
    )
}


def values_of(chip: Chip) -> dict[str, Any]:
    """The value each parameter has on a chip; None where the chip leaves it open."""
    return {name: spec.read(chip) for name, spec in PARAMETERS.items()}


def nominal_full_width(chip: Chip) -> float:
    """Widest pulse [s] of the chip's input code, of the nominal code where it is open."""
    lsb, bits = chip.pulse.lsb or NOMINAL_LSB, chip.pulse.bits or NOMINAL_BITS
    return lsb * (2**bits - 1)


def nominal_full_scale(chip: Chip) -> float:
    """Charge [C] of the strongest bit line with every word line on for a full pulse."""
    return float(chip.cell_current.sum(axis=0).max() * nominal_full_width(chip)) or 1e-12


def modified_chip(source: Chip, values: Mapping[str, Any], effects: Iterable[str]) -> Chip:
    """The source chip with some parameters set and only the named effects left on.

    `values` maps parameter names to SI values; None leaves what the source has. With
    nothing changed the source itself comes back, so that caches recognise it.
    """
    given = {name: value for name, value in values.items() if value is not None}
    changes = {**_cells(source, given), **_lines(source, given)}
    # The parts are validated; cells and layout stay, and checking a million of them again
    # would cost more than simulating them.
    chip = source.model_copy(update=changes) if changes else source
    return chip if set(chip.effects) <= set(effects) else chip.with_effects(effects)


def _cells(source: Chip, given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    scale = given.get("coupling_scale", 1.0)
    if scale != 1.0 and source.coupling is not None:
        changes["coupling"] = source.coupling.replace(kappa=source.coupling.kappa * scale)
    if "specific_current" in given:
        changes["cell_law"] = EKV(specific_current=given["specific_current"])
    return changes


def _lines(source: Chip, given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    line = {
        name: given[name]
        for name in (
            "wire_resistance",
            "lumped_resistance",
            "drain_sensitivity",
            "capacitance",
            "solution",
        )
        if name in given
    }
    if line:
        changes["bit_line"] = source.bit_line.replace(**line)
    pulse: dict[str, Any] = {
        name: given[name] for name in ("dead_time", "lsb", "bits") if name in given
    }
    if "bits" in pulse:
        # Fewer bits mean coarser codes over the same range, not a shorter range.
        pulse.setdefault("lsb", nominal_full_width(source) / (2 ** pulse["bits"] - 1))
    pulse |= _alignment(source, given)
    if pulse:
        changes["pulse"] = source.pulse.replace(**pulse)
    readout = {}
    if "readout_bits" in given:
        readout = {"bits": given["readout_bits"]}
        if source.readout.full_scale is None:
            readout["full_scale"] = nominal_full_scale(source)
    if "full_scale" in given:
        readout["full_scale"] = given["full_scale"]
    if readout:
        changes["readout"] = source.readout.replace(**readout)
    return changes


def _alignment(source: Chip, given: dict[str, Any]) -> dict[str, Any]:
    alignment = given.get("alignment", source.pulse.alignment)
    if alignment != "staggered":
        return {"alignment": alignment, "stagger": None} if "alignment" in given else {}
    if "stagger_step" in given or source.pulse.stagger is None:
        step = given.get("stagger_step", NOMINAL_LSB)
        stagger = step * np.arange(source.n_word_lines)
        return {"alignment": "staggered", "stagger": stagger}
    return {}
