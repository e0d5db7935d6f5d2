"""Continuation of any chip to an array of another size."""

from __future__ import annotations

import numpy as np
import pytest

import analog_model as am
from analog_model.chip.continuation import continued_chip, continued_layout
from analog_model.errors import ConfigurationError
from tests.analog_chips import ideal_chip

COUPLING = am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.2], [0.3, -0.1]])


def wired_chip(segments: object = None) -> am.Chip:
    line = am.BitLine(
        wire_resistance=5.0,
        drain_sensitivity=0.1,
        capacitance=1e-12,
        segments_to_sense=segments,
    )
    return ideal_chip(4, 6, coupling=COUPLING, bit_line=line)


def test_a_larger_array_keeps_cells_and_rule_and_is_empty() -> None:
    large = continued_chip(wired_chip(), 12, 9)
    assert large.cell_current.shape == (12, 9)
    assert not large.cell_current.any()
    assert (large.layout.layout_class == np.arange(9) % 2).all()
    assert large.coupling == COUPLING
    assert large.bit_line.wire_resistance == 5.0
    # Three times the word lines: three times the bit line's capacitance.
    assert large.bit_line.capacitance == pytest.approx(3e-12)
    fixed = continued_chip(wired_chip(), 12, 9, capacitance="fixed")
    assert fixed.bit_line.capacitance == 1e-12


def test_the_own_size_changes_nothing_but_the_weights() -> None:
    chip = wired_chip()
    assert continued_chip(chip, 4, 6) == chip.with_weights(np.zeros((4, 6)))


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6]),
        ([9, 7, 5, 3], [13, 11, 9, 7, 5, 3]),
    ],
)
def test_the_sense_end_stays_where_it_is(segments: list[float], expected: list[float]) -> None:
    large = continued_chip(wired_chip(segments), 6, 6)
    assert large.segments_to_sense.tolist() == expected


def test_a_smaller_array_needs_no_period() -> None:
    lonely = am.Layout.routed_feeders(6, 6, feeder_bit_line=2)
    assert continued_layout(lonely, 3, 4).layout_class.tolist() == [[0, 0, 1, 0]] * 3
    with pytest.raises(ConfigurationError, match="no period within 6 bit lines"):
        continued_layout(lonely, 3, 7)


def test_what_is_stated_cell_by_cell_has_no_rule() -> None:
    kappa = np.full((1, 4, 6), 0.1)
    by_cell = ideal_chip(4, 6, coupling=am.CouplingByCell(offsets=(1,), kappa=kappa))
    assert continued_chip(by_cell, 4, 6).coupling == by_cell.coupling
    with pytest.raises(
        ConfigurationError, match=r"Chip\.coupling: .*8x6.*coupling by layout class"
    ):
        continued_chip(by_cell, 8, 6)
    staggered = am.Pulse(alignment="staggered", stagger=[0.0, 1e-9, 2e-9, 3e-9])
    with pytest.raises(ConfigurationError, match=r"Pulse\.stagger"):
        continued_chip(ideal_chip(4, 6, pulse=staggered), 8, 6)


def test_no_array_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"array shape.*\(0, 4\)"):
        continued_chip(ideal_chip(4, 6), 0, 4)
