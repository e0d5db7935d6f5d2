"""Metrics of a charge against another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr

from analog_model.errors import SimulationError


def _numbers(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values, dtype=np.float64)


def _aligned(measured: Any, predicted: Any) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(measured, xr.DataArray) and isinstance(predicted, xr.DataArray):
        predicted = predicted.transpose(*measured.dims)
    signal, model = _numbers(measured), _numbers(predicted)
    if signal.shape != model.shape:
        raise SimulationError(
            "predicted", expected=f"the measured shape {signal.shape}", got=f"shape {model.shape}"
        )
    if not signal.size:
        raise SimulationError("measured", expected="at least one value", got="none")
    return signal, model


def signal_to_error_ratio(measured: Any, predicted: Any) -> float:
    """Signal-to-error ratio SER = rms(measured) / rms(measured - predicted).

    Arrays, tensors or DataArrays of one shape and unit, over all their elements; infinite
    for an exact prediction. Doubling SER is +6 dB, see `decibel`.
    """
    signal, model = _aligned(measured, predicted)
    error = math.sqrt(float(np.mean((signal - model) ** 2)))
    level = math.sqrt(float(np.mean(signal**2)))
    return math.inf if error == 0 else level / error


def decibel(ratio: float) -> float:
    """A ratio of amplitudes in dB, 20 log10."""
    if ratio == math.inf:
        return math.inf
    return 20 * math.log10(ratio) if ratio > 0 else -math.inf
