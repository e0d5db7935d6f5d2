"""One-hot reads: the cell currents before any fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.observations import choose


@dataclass(frozen=True)
class OneHotReads:
    """Cell currents (N, M) [A] of one weight set and where they come from.

    static: the file's `cell_current`; single: charge over pulse width of the patterns with
    one active word line, to which the dead time is owed; none: least squares of the ideal
    product over all patterns, no reads at all.
    """

    current: np.ndarray
    source: Literal["static", "single", "none"]
    read_at_width: np.ndarray | None = None

    def corrected(self, dead_time: float) -> np.ndarray:
        """Currents [A] once the dead time [s] is known: I = Q / (t - t_dead)."""
        if self.read_at_width is None:
            return self.current
        return self.current / (1 - dead_time / self.read_at_width[:, None])


def one_hot_reads(measurement: xr.Dataset, *, weight_set: int = 0) -> OneHotReads:
    """Reads of one weight set from the best source in the file; never negative."""
    if v.CELL_CURRENT in measurement and weight_set < measurement.sizes[v.WEIGHT_SET]:
        current = measurement[v.CELL_CURRENT].isel({v.WEIGHT_SET: weight_set})
        return OneHotReads(current.transpose(v.WORD_LINE, v.BIT_LINE).values.clip(min=0), "static")
    chosen = choose(measurement, split=v.CALIBRATION, weight_set=weight_set)
    width = chosen[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    charge = chosen[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values
    single = (width > 0).sum(axis=1) == 1
    time = width[single]
    if time.size and (time > 0).any(axis=0).all():
        square = (time**2).sum(axis=0)
        current = (time.T @ charge[single]) / square[:, None]
        return OneHotReads(current.clip(min=0), "single", square / time.sum(axis=0))
    # The shortest weights that explain the charges where patterns are fewer than lines.
    current = np.linalg.lstsq(width, charge, rcond=None)[0]
    return OneHotReads(current.clip(min=0), "none")
