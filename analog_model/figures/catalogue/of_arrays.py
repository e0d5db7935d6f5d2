"""Entries of figures that show an array: its cells, its pulses, its time slots."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.crosstalk import CROSSTALK_CURRENT, crosstalk_map
from analog_model.error_budget import select_patterns
from analog_model.errors import ConfigurationError
from analog_model.figures import crosstalk, story, timeline
from analog_model.figures.catalogue.entry import Choices, Entry, one_source
from analog_model.figures.catalogue.source import Source
from analog_model.simulation import current_shift, slot_timeline
from analog_model.synthetic import simulated_measurement

_SIDES = (v.WORD_LINE, v.BIT_LINE)


def _layout_classes(source: Source, _choices: Choices) -> Any:
    if source.kind == "layout":
        layout = source.dataset
        names = [str(name) for name in layout[v.LAYOUT_CLASS_NAME].values]
        classes = layout[v.LAYOUT_CLASS]
        sides = {dim: np.arange(classes.sizes[dim]) for dim in _SIDES}
        return crosstalk.layout_map(classes.assign_coords(sides), names)
    chip = source.chip(None)
    return crosstalk.layout_map(story.class_map(chip), chip.layout.class_names)


def _weights(source: Source, choices: Choices) -> Any:
    chip = source.chip(choices.weight_set)
    current = xr.DataArray(
        chip.cell_current,
        coords={dim: np.arange(n) for dim, n in zip(_SIDES, chip.cell_current.shape, strict=True)},
        name=v.CELL_CURRENT,
        attrs={"units": "A", "long_name": "cell current"},
    )
    return crosstalk.array_map(current, signed=False)


def _shift(source: Source, choices: Choices) -> Any:
    chip, slot = _chip_and_slot(source, choices)
    return crosstalk.array_map(current_shift(chip, slot)[v.CURRENT_SHIFT], signed=True)


def _drop(source: Source, choices: Choices) -> Any:
    chip, slot = _chip_and_slot(source, choices)
    return crosstalk.array_map(current_shift(chip, slot)[v.DROP], signed=False)


def _pulses(source: Source, choices: Choices) -> Any:
    chip = source.chip(choices.weight_set)
    slots = slot_timeline(chip, _pulse_width(source, choices))
    return timeline.pulse_timeline(slots, time_slot=choices.time_slot)


def _array(source: Source, choices: Choices) -> Any:
    width = _pulse_width(source, choices)
    return story.array_figure(source.calibration.chip, source.calibration.parameters, width)


def _slots(source: Source, choices: Choices) -> Any:
    chip = source.chip(choices.weight_set)
    bit_line = choices.bit_line
    if bit_line is None:
        bit_line = int(chip.cell_current.sum(axis=0).argmax())
    if not 0 <= bit_line < chip.n_bit_lines:
        raise ConfigurationError(
            "bit_line", expected=f"0 to {chip.n_bit_lines - 1}", got=str(bit_line)
        )
    return story.slots_figure(chip, _pulse_width(source, choices), bit_line=bit_line)


def _comparison(source: Source, choices: Choices) -> Any:
    chip = source.chip(choices.weight_set)
    kind, weight_set = choices.kind or "pair", source.weight_set(choices.weight_set)
    seen, simulated = (
        crosstalk_map(one, kind=kind, weight_set=weight_set)[CROSSTALK_CURRENT]
        for one in (source.measurement, simulated_measurement(chip, source.measurement))
    )
    return crosstalk.crosstalk_comparison(seen, simulated)


def _pulse_width(source: Source, choices: Choices) -> np.ndarray:
    """Pulse widths [s] of the pattern asked for, else the test pattern with most pulses.

    A chip without a measurement gets every pulse of another width.
    """
    if source.kind == "chip":
        chip = source.chip(None)
        _refuse_pattern(choices)
        longest = (2**chip.pulse.bits - 1) * chip.pulse.lsb if chip.pulse.bits else 1e-6
        return np.linspace(1.0, 1.0 / chip.n_word_lines, chip.n_word_lines) * longest
    patterns = select_patterns(source.measurement, weight_set=source.weight_set(choices.weight_set))
    width = patterns[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    if choices.pattern is not None:
        if not 0 <= choices.pattern < len(width):
            raise ConfigurationError(
                "pattern", expected=f"0 to {len(width) - 1}", got=str(choices.pattern)
            )
        return np.asarray(width[choices.pattern])
    # Patterns of many distinct widths show most time slots.
    distinct = [np.unique(one[one > 0]).size for one in width]
    return np.asarray(width[int(np.argmax(distinct))])


def _refuse_pattern(choices: Choices) -> None:
    if choices.pattern is not None:
        raise ConfigurationError(
            "pattern", expected="a measurement to choose it from", got="a chip alone"
        )


def _chip_and_slot(source: Source, choices: Choices) -> tuple[Chip, np.ndarray]:
    """The chip, with the word lines that are high in a time slot; all of them by default."""
    chip = source.chip(choices.weight_set)
    if choices.time_slot is None and choices.pattern is None:
        return chip, np.ones(chip.n_word_lines)
    slots = slot_timeline(chip, _pulse_width(source, choices))
    number = choices.time_slot or 0
    if not 0 <= number < slots.sizes[v.TIME_SLOT]:
        raise ConfigurationError(
            "time_slot", expected=f"0 to {slots.sizes[v.TIME_SLOT] - 1}", got=str(number)
        )
    return chip, slots[v.ACTIVATION_PATTERN].values[number].astype(float)


_SLOT = ("weight_set", "pattern", "time_slot")
ENTRIES = (
    Entry(
        "array",
        "story 1: scheme, layout classes, coupling by class",
        "calibration",
        one_source(_array),
        ("pattern",),
    ),
    Entry(
        "slots",
        "story 2: pulses cut into time slots, current of a bit line in each",
        "chip",
        one_source(_slots),
        ("weight_set", "pattern", "bit_line"),
    ),
    Entry(
        "crosstalk",
        "story 3: crosstalk measured, simulated, their difference",
        "measurement",
        one_source(_comparison),
        ("weight_set", "kind"),
    ),
    Entry("layout-classes", "layout class of every cell", "layout", one_source(_layout_classes)),
    Entry("weights", "current of every cell", "chip", one_source(_weights), ("weight_set",)),
    Entry("current-shift", "what crosstalk does to every cell", "chip", one_source(_shift), _SLOT),
    Entry("drop", "voltage drop at every cell", "chip", one_source(_drop), _SLOT),
    Entry("pulses", "pulses and time slots of an operation", "chip", one_source(_pulses), _SLOT),
)
