"""Changes of a chip: some parameters set, everything else kept.

Dashboard, sweeps, scripts set a parameter by its name here, in SI units, so that the same name
means the same chip everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from analog_model.chip.chip import Chip
from analog_model.chip.parts import EKV

# Where a source leaves a value open: one code of the reference chip's input, one edge's delay.
NOMINAL_LSB = 40e-9
NOMINAL_BITS = 5


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
