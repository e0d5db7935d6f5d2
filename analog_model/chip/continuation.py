"""Continuation of a chip to an array of another size.

The cell, its law, the coupling of each layout class belong to a cell's neighbourhood: they
carry over. The layout map goes on with its period, the wire with its resistance per pitch.
A smaller array is the part of the map that begins at word line 0, bit line 0.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from analog_model.chip.chip import Chip
from analog_model.chip.coupling import CouplingByClass
from analog_model.chip.layout import Layout
from analog_model.errors import ConfigurationError


def _period(layout: Layout, axis: int) -> int:
    name = ("word line", "bit line")[axis]
    cells = np.moveaxis(layout.layout_class, axis, 0)
    for period in range(1, cells.shape[0] // 2 + 1):
        if (cells[period:] == cells[:-period]).all():
            return period
    raise ConfigurationError(
        f"Layout.layout_class along the {name}s",
        expected="a map that repeats itself at least once",
        got=f"no period within {cells.shape[0]} {name}s",
        advice="Pass the layout of the larger array.",
    )


def period_of(layout: Layout) -> tuple[int, int]:
    """Smallest periods (word lines, bit lines) with which the layout map repeats itself.

    At least two periods must lie within the map: one that is seen once may be anything.
    Raises ConfigurationError where a direction has none.
    """
    return _period(layout, 0), _period(layout, 1)


def continued_layout(layout: Layout, n_word_lines: int, n_bit_lines: int) -> Layout:
    """The layout map of another size, continued with its periods where it is larger."""
    cells = layout.layout_class
    for axis, size in enumerate((n_word_lines, n_bit_lines)):
        line = np.arange(size)
        if size > cells.shape[axis]:
            line %= _period(layout, axis)
        cells = np.take(cells, line, axis=axis)
    return layout.replace(layout_class=cells)


def continued_segments(chip: Chip, n_word_lines: int) -> np.ndarray | None:
    """Pitches to the sense end, continued; None for the usual count."""
    pitches = chip.bit_line.segments_to_sense
    if pitches is None:
        return None
    step = np.diff(pitches)
    if pitches.size < 2 or not np.allclose(step, step[0]):
        raise ConfigurationError(
            "BitLine.segments_to_sense",
            expected="word lines at equal distances",
            got=f"steps from {step.min(initial=0):g} to {step.max(initial=0):g} pitches",
            advice="Set segments_to_sense of the larger chip yourself.",
        )
    # The sense end stays where it is: before the first word line or behind the last.
    line = np.arange(n_word_lines)
    if step[0] > 0:
        return np.asarray(pitches[0] + step[0] * line)
    return np.asarray(pitches[-1] - step[0] * line[::-1])


def continued_chip(
    chip: Chip,
    n_word_lines: int,
    n_bit_lines: int,
    *,
    capacitance: Literal["per_pitch", "fixed"] = "per_pitch",
) -> Chip:
    """The empty array of another size with this chip's cells, layout rule, lines.

    All cell currents are 0 until `with_weights`. `capacitance` says how the capacitance of
    an integrating bit line scales. Raises ConfigurationError where the layout map has no
    period to continue, or what the chip states cell by cell, line by line has no rule.
    """
    size = (n_word_lines, n_bit_lines)
    if min(size) < 1:
        raise ConfigurationError(
            "array shape", expected="at least one word line, one bit line", got=repr(size)
        )
    if size == chip.layout.layout_class.shape:
        return chip.with_weights(np.zeros(size))
    for where, stated, advice in (
        (
            "Chip.coupling",
            chip.coupling is not None and not isinstance(chip.coupling, CouplingByClass),
            "Take a chip with coupling by layout class, such as chips['shared'] of a calibration.",
        ),
        ("Pulse.stagger", chip.pulse.stagger is not None, "Take an alignment without stagger."),
    ):
        if stated:
            raise ConfigurationError(
                where,
                expected=f"a rule that holds on an array of {n_word_lines}x{n_bit_lines}",
                got=f"values for each line of {chip.n_word_lines}x{chip.n_bit_lines}",
                advice=advice,
            )
    farads = chip.bit_line.capacitance
    if farads is not None and capacitance == "per_pitch":
        farads = farads * n_word_lines / chip.n_word_lines
    segments = continued_segments(chip, n_word_lines)
    return chip.replace(
        name=f"{chip.name} continued to {n_word_lines}x{n_bit_lines}",
        cell_current=np.zeros(size),
        layout=continued_layout(chip.layout, *size),
        bit_line=chip.bit_line.replace(capacitance=farads, segments_to_sense=segments),
    )
