"""The torch simulator agrees with the NumPy loops to rounding, on anything that can be drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings

import analog_model as am
from tests.properties.chips import operations


def away_from_half_codes(chip: am.Chip, width: np.ndarray, start: np.ndarray | None) -> bool:
    """Whether no charge lies on the edge between two codes of the converter.

    Two implementations whose charges differ in the last digit may round such a charge to
    different codes, both rightly. Input codes need no such care: both divide the same
    numbers, and ties go to even in both.
    """
    full_scale, bits = chip.readout.full_scale, chip.readout.bits
    if full_scale is None or bits is None:
        return True
    analog = chip.replace(readout=am.Readout())
    charge = am.simulate(analog, width, method="reference", pulse_start=start)
    codes = np.clip(charge / full_scale, 0, 1) * (2**bits - 1)
    return bool((np.abs(codes - np.floor(codes) - 0.5) > 1e-9).all())


@given(operations())
@settings(max_examples=300)
def test_slots_equal_reference(operation: tuple[am.Chip, np.ndarray, np.ndarray | None]) -> None:
    chip, width, start = operation
    assume(away_from_half_codes(chip, width, start))
    fast = am.simulate(chip, width, pulse_start=start)
    slow = am.simulate(chip, width, method="reference", pulse_start=start)
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=0)
