"""Array of another size or layout, with a chip's own cells, coupling strengths, lines."""

from __future__ import annotations

import numpy as np

from analog_model.chip.chip import Chip
from analog_model.chip.continuation import continued_chip
from analog_model.chip.coupling import CouplingByClass
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import ConfigurationError, nearest_name

# Cells of a longer array are drawn from those there are, always the same ones.
_SEED = 0


def with_word_lines(chip: Chip, n_word_lines: int) -> Chip:
    """The chip with so many word lines, as `continued_chip` has it.

    Its cells are the chip's as far as they go; those of further word lines are drawn from
    the chip's own currents on the same bit line, with a fixed seed. Errors of
    `continued_chip`.
    """
    if n_word_lines == chip.n_word_lines:
        return chip
    array = continued_chip(chip, n_word_lines, chip.n_bit_lines)
    n_more = max(n_word_lines - chip.n_word_lines, 0)
    generator = np.random.default_rng(_SEED)
    drawn = generator.integers(0, chip.n_word_lines, (n_more, chip.n_bit_lines))
    more = np.take_along_axis(chip.cell_current, drawn, axis=0)
    return array.with_weights(np.concatenate([chip.cell_current[:n_word_lines], more]))


def with_layout_rule(chip: Chip, rule: str) -> Chip:
    """The chip's array laid out by one of `LAYOUT_RULES`, with the strengths of its coupling.

    In every class of the chip one adjacent word line couples more strongly than the other.
    The means of both, over the cells, become the strong side's and the weak side's kappa of
    every new class; the strong side alternates from class to class. Neighbours further away
    keep their mean kappa. Raises ConfigurationError for an unknown rule, for coupling that
    is not stated by layout class.
    """
    if rule not in LAYOUT_RULES:
        raise ConfigurationError(
            "layout_rule",
            expected="a layout rule",
            got=repr(rule),
            advice=nearest_name(rule, LAYOUT_RULES),
        )
    layout = LAYOUT_RULES[rule](chip.n_word_lines, chip.n_bit_lines)
    layout = layout.replace(cell_pitch=chip.layout.cell_pitch)
    if chip.coupling is None:
        return chip.replace(layout=layout)
    coupling = _by_class(chip)
    n_cells = np.bincount(chip.layout.layout_class.ravel(), minlength=chip.layout.n_classes)
    share = n_cells / n_cells.sum()
    kappa = np.tile(share @ coupling.kappa, (layout.n_classes, 1))
    sides = [coupling.offsets.index(-1), coupling.offsets.index(1)]
    strong, weak = _strengths(coupling.kappa[:, sides], share)
    for number in range(layout.n_classes):
        strong_side = number % 2
        kappa[number, sides[strong_side]] = strong
        kappa[number, sides[1 - strong_side]] = weak
    return chip.replace(layout=layout, coupling=coupling.replace(kappa=kappa))


def _by_class(chip: Chip) -> CouplingByClass:
    coupling = chip.coupling
    if not isinstance(coupling, CouplingByClass) or not {-1, 1} <= set(coupling.offsets):
        raise ConfigurationError(
            "layout_rule",
            expected="a chip whose coupling to both adjacent word lines is known by class",
            got=f"{type(coupling).__name__}",
            advice="Take the shared chip of a calibration (`calibration.shared_chip`).",
        )
    return coupling


def _strengths(kappa: np.ndarray, share: np.ndarray) -> tuple[float, float]:
    """Means of the stronger, of the weaker of two kappas (class, side) over the cells."""
    order = np.argsort(np.abs(kappa), axis=1)
    weak, strong = np.take_along_axis(kappa, order, axis=1).T
    return float(share @ strong), float(share @ weak)
