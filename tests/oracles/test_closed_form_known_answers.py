"""Answers computed by hand that the closed form gives exactly, since no expansion is cut off.

Each stands with its derivation in `test_known_answers`, worked out slot by slot.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import analog_model as am
from analog_model.physics import closed_form
from analog_model.physics.closed_form import Expansion
from analog_model.tensors import array_tensors
from tests.oracles.test_known_answers import NS, UNIT, array_of_six, one_cell, pair

DROOP = am.BitLine(capacitance=1e-12, drain_sensitivity=0.5)
SIX_BY_MAP = am.CouplingMap(victim=[1, 1], aggressor=[2, 0], kappa=[[0.2, 0.2], [0.1, 0.1]])
CASES: dict[str, tuple[am.Chip, list[float], list[float]]] = {
    "one cell": (one_cell(), [50.0], [150.0]),
    "two cells": (pair(), [50.0, 20.0], [175.16636541094565]),
    "trailing": (pair(pulse=am.Pulse(alignment="trailing")), [50.0, 20.0], [175.16636541094565]),
    "centred": (pair(pulse=am.Pulse(alignment="centred")), [50.0, 20.0], [175.16636541094565]),
    "droop": (pair(coupling=None, bit_line=DROOP), [100.0, 0.0], [199.003325016638929]),
    "dead time": (pair(coupling=None, pulse=am.Pulse(dead_time=5 * NS)), [50.0, 4.0], [90.0]),
    "codes": (pair(coupling=None, pulse=am.Pulse(lsb=NS, bits=4)), [3.4, 2.5], [12.0]),
    "readout": (one_cell(readout=am.Readout(bits=2, full_scale=90 * UNIT)), [14.9], [30.0]),
    "two classes": (array_of_six(), [10.0, 30.0, 20.0], [213.672219349834191, 282.140275816016983]),
    "two neighbours": (
        array_of_six().replace(coupling=SIX_BY_MAP),
        [10.0, 10.0, 10.0],
        [100.49576422728009, 133.99435230304012],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_answer_is_exact(case: str) -> None:
    chip, width, expected = CASES[case]
    array, given = array_tensors(chip), torch.tensor(np.array(width) * NS)
    found = closed_form.charge(array, given, Expansion()).numpy() / UNIT
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("chip", "width", "expected"),
    [
        # Moderate inversion: between the nodes the interpolation errs, by less each time.
        (pair(cell_law=am.EKV(specific_current=2e-7)), [50.0, 20.0], [168.850176467320270]),
        # Drop of 6 %, self-consistent, from 53/1.0653 and 60/1.02 in test_known_answers.
        (
            pair(
                coupling=None,
                bit_line=am.BitLine(
                    wire_resistance=1e5, lumped_resistance=1e5, drain_sensitivity=0.5
                ),
            ),
            [50.0, 20.0],
            [153.257022324559224],
        ),
    ],
)
def test_answer_is_met_within_the_tolerance(chip: am.Chip, width: Any, expected: Any) -> None:
    for tolerance in (1e-2, 1e-3):
        charge = am.simulate(chip, np.array(width) * NS, method="closed_form", tolerance=tolerance)
        np.testing.assert_allclose(charge / UNIT, expected, rtol=tolerance)
