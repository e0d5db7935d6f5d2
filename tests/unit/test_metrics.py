"""Signal-to-error ratio by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr

import analog_model as am
from analog_model.errors import SimulationError

MEASURED = np.array([[3.0, 4.0], [0.0, 5.0]])
# Errors 0.1, 0.1, 0.1, 0.1: rms(signal) = sqrt(50/4), rms(error) = 0.1.
PREDICTED = MEASURED + np.array([[0.1, -0.1], [-0.1, 0.1]])
RATIO = math.sqrt(12.5) / 0.1


def test_ratio_by_hand() -> None:
    assert am.signal_to_error_ratio(MEASURED, PREDICTED) == pytest.approx(RATIO, rel=1e-12)


def test_the_signal_is_the_measurement() -> None:
    # Not symmetric: rms(measured) over rms(difference).
    assert am.signal_to_error_ratio([2.0], [1.0]) == 2.0
    assert am.signal_to_error_ratio([1.0], [2.0]) == 1.0


def test_the_unit_does_not_matter() -> None:
    scaled = am.signal_to_error_ratio(MEASURED * 1e-15, PREDICTED * 1e-15)
    assert scaled == pytest.approx(RATIO, rel=1e-12)


def test_exact_prediction_and_no_signal() -> None:
    assert am.signal_to_error_ratio(MEASURED, MEASURED) == math.inf
    assert am.signal_to_error_ratio([0.0], [1.0]) == 0.0


def test_labels_align_dimensions() -> None:
    measured = xr.DataArray(MEASURED, dims=["pattern", "bit_line"])
    predicted = xr.DataArray(PREDICTED.T, dims=["bit_line", "pattern"])
    assert am.signal_to_error_ratio(measured, predicted) == pytest.approx(RATIO, rel=1e-12)


def test_tensors_with_gradient() -> None:
    predicted = torch.tensor(PREDICTED, requires_grad=True)
    assert am.signal_to_error_ratio(torch.tensor(MEASURED), predicted) == pytest.approx(RATIO)


def test_different_shapes_and_nothing_are_refused() -> None:
    with pytest.raises(SimulationError, match=r"expected the measured shape \(2, 2\), got shape"):
        am.signal_to_error_ratio(MEASURED, PREDICTED[0])
    with pytest.raises(SimulationError, match="at least one value"):
        am.signal_to_error_ratio([], [])


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, 0.0), (10.0, 20.0), (2.0, 6.020599913279624), (0.0, -math.inf), (math.inf, math.inf)],
)
def test_decibel_of_an_amplitude_ratio(ratio: float, expected: float) -> None:
    assert am.decibel(ratio) == pytest.approx(expected, rel=1e-14)
