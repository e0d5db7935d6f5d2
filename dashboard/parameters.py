"""Chip parameters that a user can change.

One row of `PARAMETERS` says everything about one parameter: its unit, its bounds, how a
chip holds it. State, sidebar and link read this table; `analog_model.chip.changes` applies
values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analog_model import vocabulary as v
from analog_model.chip import EKV, Chip


@dataclass(frozen=True)
class ParameterSpec:
    """How one chip parameter is shown and bounded.

    From `lower` to `upper` is what anybody may choose, in a link too: whatever chips can have,
    with the resistances that a calibration finds. The slider spans `usual`, in which chips as
    they are designed lie.

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
    usual: tuple[float, float] = (0.0, 1.0)
    step: float = 0.01
    unit: str = ""
    factor: float = 1.0
    effect: str | None = None
    integer: bool = False
    choices: tuple[str, ...] | None = None
    absent: str = "none"
    rest: float = 0.0
    explain: str = ""

    @property
    def title(self) -> str:
        """Label of a number, with its unit."""
        return f"{self.label} [{self.unit}]"

    @property
    def absent_title(self) -> str:
        """Label where the chip leaves it open."""
        return f"{self.label}, {self.absent}"


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
            upper=20.0,
            usual=(0.0, 5.0),
            step=0.05,
            unit="×",
            effect="crosstalk",
            explain="Multiplies every coupling coefficient kappa of the chip.",
        ),
        ParameterSpec(
            "specific_current",
            "Specific current",
            _specific_current,
            lower=1e-12,
            upper=1e-3,
            usual=(5e-9, 2e-6),
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
            upper=1e5,
            usual=(0.0, 200.0),
            step=0.5,
            unit="Ω/pitch",
            effect="wire",
            explain="Bit-line metal from one cell to the next.",
        ),
        ParameterSpec(
            "lumped_resistance",
            "Lumped resistance",
            lambda chip: chip.bit_line.lumped_resistance,
            upper=1e6,
            usual=(0.0, 20e3),
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
            upper=10.0,
            usual=(0.0, 2.0),
            step=0.01,
            unit="1/V",
            explain="Relative current lost per volt of drop; every drop acts through it.",
        ),
        ParameterSpec(
            "capacitance",
            "Bit-line capacitance",
            lambda chip: chip.bit_line.capacitance,
            lower=1e-15,
            upper=1e-9,
            usual=(0.05e-12, 10e-12),
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
            upper=1e-6,
            usual=(0.0, 20e-9),
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
            upper=10e-6,
            usual=(0.0, 200e-9),
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
            upper=16,
            usual=(1, 12),
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
            lower=1e-12,
            upper=10e-6,
            usual=(1e-9, 200e-9),
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
            upper=24,
            usual=(1, 16),
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
            lower=1e-17,
            upper=1e-6,
            usual=(0.01e-12, 1e-9),
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


def widened(
    span: tuple[float, float], value: float | None, bounds: tuple[float, float]
) -> tuple[float, float]:
    """A span with a value inside, and room beyond a value that lay outside."""
    lower, upper = span
    if value is None or lower <= value <= upper:
        return span
    if value > upper:
        return lower, max(value, min(float(f"{2 * value:.2g}"), bounds[1]))
    return min(value, max(float(f"{value / 2:.2g}"), bounds[0])), upper


def values_of(chip: Chip) -> dict[str, Any]:
    """The value each parameter has on a chip; None where the chip leaves it open."""
    return {name: spec.read(chip) for name, spec in PARAMETERS.items()}
