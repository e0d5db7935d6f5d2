"""Figure of a bit line's current through the time slots of one operation."""

from __future__ import annotations

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL, INK
from analog_model.figures.units import unit_for

MATPLOTLIB = "matplotlib"


def bit_line_current(slots: xr.Dataset, cell_current: xr.DataArray) -> hv.Overlay:
    """Current of one bit line, slot by slot, beside that of an ideal array.

    `slots` as `slot_currents` gives it for one bit line; `cell_current` (word_line,) [A] are
    the weights of that bit line. The ideal current is the sum of the active cells' weights;
    what lies between the two lines is the error of the charge.
    """
    current = slots[v.CELL_CURRENT].isel({v.BIT_LINE: 0})
    simulated = current.sum(v.WORD_LINE).values
    weights = cell_current.values[None, :]
    active = slots[v.ACTIVATION_PATTERN].transpose(v.TIME_SLOT, v.WORD_LINE).values
    ideal = (active * weights).sum(axis=1)
    begin = slots[v.SLOT_START].values
    edges = np.append(begin, begin[-1] + slots[v.SLOT_DURATION].values[-1])
    time_unit, unit = unit_for(edges[-1], "s"), unit_for([simulated, ideal], "A")
    axes = (
        hv.Dimension("time", label=f"time [{time_unit.symbol}]"),
        hv.Dimension("current", label=f"bit-line current [{unit.symbol}]"),
    )
    time = np.repeat(time_unit.scaled(edges), 2)[1:-1]
    high, low = (np.repeat(unit.scaled(values), 2) for values in (simulated, ideal))
    band = hv.Area((time, low, high), axes[0], [axes[1], "upper"])
    lines = [
        hv.Curve((time, high), *axes, label="simulated").opts(
            backend=MATPLOTLIB, color=CATEGORICAL[0], linewidth=1.0
        ),
        hv.Curve((time, low), *axes, label="ideal").opts(
            backend=MATPLOTLIB, color=INK, linewidth=0.8, linestyle="--"
        ),
    ]
    band = band.opts(backend=MATPLOTLIB, facecolor=CATEGORICAL[1], alpha=0.35, linewidth=0)
    return hv.Overlay([band, *lines]).opts(
        backend=MATPLOTLIB,
        xlim=(0.0, 1.02 * float(time[-1])),
        ylim=(0.0, 1.1 * float(max(high.max(), low.max())) or 1.0),
        legend_position="top_right",
        title=f"bit line {int(current[v.BIT_LINE])}",
        xlabel=axes[0].label,
        ylabel=axes[1].label,
    )
