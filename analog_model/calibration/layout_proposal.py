"""Layout proposed from measured coupling."""

from __future__ import annotations

import xarray as xr

from analog_model.calibration.observations import ReadNoise
from analog_model.chip import Layout


def propose_layout(
    measurement: xr.Dataset, *, weight_set: int = 0, noise: ReadNoise | None = None
) -> Layout:
    """Layout classes found by clustering cells by their measured coupling."""
    raise NotImplementedError
