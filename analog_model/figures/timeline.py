"""Figure of one operation: its pulses with the time slots that their edges cut."""

from __future__ import annotations

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL, INK
from analog_model.figures.units import unit_for

MATPLOTLIB = "matplotlib"


def pulse_timeline(timeline: xr.Dataset, *, time_slot: int | None = None) -> hv.Overlay:
    """Pulses as a bar per word line, slot edges as vertical lines, one slot shaded.

    `timeline` as `slot_timeline` gives it; word line 0 at the top.
    """
    start, width = timeline[v.PULSE_START].values, timeline[v.PULSE_WIDTH].values
    begin, duration = timeline[v.SLOT_START].values, timeline[v.SLOT_DURATION].values
    end = float((begin + duration).max(initial=0.0)) or 1e-9
    unit = unit_for(end, "s")
    lines = timeline[v.WORD_LINE].values.astype(float)
    time = hv.Dimension("time", label=f"time [{unit.symbol}]")
    sides = [time, hv.Dimension(v.WORD_LINE, label="word line"), "x1", "y1"]
    first, last = unit.scaled(start).astype(float), unit.scaled(start + width).astype(float)
    high = width > 0
    bars = hv.Rectangles(
        (first[high], lines[high] - 0.35, last[high], lines[high] + 0.35),
        kdims=sides,
    ).opts(backend=MATPLOTLIB, facecolor=CATEGORICAL[0], edgecolor="none")
    edges = unit.scaled(np.append(begin, end)).astype(float)
    floor, ceiling = lines[0] - 0.6, lines[-1] + 0.6
    cuts = hv.Segments(
        (edges, np.full_like(edges, floor), edges, np.full_like(edges, ceiling)),
        kdims=sides,
    ).opts(backend=MATPLOTLIB, color=INK, linewidth=0.3)
    pieces = [bars, cuts]
    if time_slot is not None and time_slot < begin.size:
        span = unit.scaled([begin[time_slot], begin[time_slot] + duration[time_slot]])
        box = [(float(span[0]), floor, float(span[1]), ceiling)]
        shade = hv.Rectangles(box, kdims=sides)
        pieces.insert(
            0, shade.opts(backend=MATPLOTLIB, facecolor=CATEGORICAL[1], alpha=0.3, edgecolor="none")
        )
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB,
        xlim=(0.0, 1.02 * float(unit.scaled(end))),
        ylim=(floor, ceiling),
        invert_yaxis=True,
        show_legend=False,
    )
