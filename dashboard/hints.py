"""Hints: one sentence, with its unit, for everything of the sidebar that can be changed."""

from __future__ import annotations

from dashboard.parameters import PARAMETERS, ParameterSpec

EFFECT_HINTS = {
    "crosstalk": "Neighbours that are on lift a cell's floating gate, and with it its current.",
    "wire": "The current lowers the voltage along the metal of its bit line.",
    "lumped": "The whole current of a bit line drops over what lies between it and the sense node.",
    "droop": "The charge collected so far lowers the voltage of a bit line that nothing clamps.",
    "dead_time": "The edges shorten every pulse by the same time.",
    "input_bits": "Pulse widths are whole multiples of one code.",
    "readout": "The converter rounds charges to its steps and saturates at full scale.",
}
SOURCE_HINTS = {
    "Programmed weights": "Which of the measured sets of cell currents the chip carries.",
    "Word lines": "Rows of the array, each of which takes one input as a pulse width.",
    "Bit lines": "Columns of the array, each of which collects one charge.",
    "Layout": "Which cells are alike, and so share their coupling coefficients.",
    "Seed of the weights": "The same number draws the same cell currents again.",
}


def parameter_hint(spec: ParameterSpec) -> str:
    """What a parameter is, with the unit that it is shown in."""
    return spec.explain if not spec.unit else f"{spec.explain.removesuffix('.')} [{spec.unit}]."


def hints(effect_labels: dict[str, str]) -> dict[str, str]:
    """Hints by the label that a control has, in any of its states."""
    found = dict(SOURCE_HINTS)
    found |= {label: EFFECT_HINTS[name] for name, label in effect_labels.items()}
    for spec in PARAMETERS.values():
        labels = (spec.label,) if spec.choices else (spec.title, spec.absent_title)
        found |= dict.fromkeys(labels, parameter_hint(spec))
    return found
