"""Accuracy dots: a row for each treatment, a dot for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
from matplotlib.ticker import MaxNLocator

_MATPLOTLIB = "matplotlib"


class Dots(NamedTuple):
    """One row: its label, its colour, the accuracy [%] of each run."""

    label: str
    colour: str
    values: np.ndarray


def accuracy_dots(rows: Sequence[Dots], *, title: str = "") -> hv.Overlay:
    """A dot for each run, a line at the mean of a row, the first row on top.

    The number beside them is the mean, with the standard deviation over seeds where there
    are several runs.
    """
    axes = [hv.Dimension("accuracy", label="test accuracy [%]"), hv.Dimension("row", label=" ")]
    heights = np.arange(len(rows))[::-1].astype(float)
    every = np.concatenate([row.values for row in rows])
    span = max(float(np.ptp(every)), 1.0)
    low, high = float(every.min()) - 0.1 * span, float(every.max()) + 0.1 * span
    # Room on the right for the numbers, whatever the range.
    end = high + 0.55 * (high - low)
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, min(high, 100.0))
    pieces = []
    for height, row in zip(heights, rows, strict=True):
        points = hv.Scatter((row.values, np.full(row.values.size, height)), *axes)
        mean = float(row.values.mean())
        line = hv.Segments([(mean, height - 0.3, mean, height + 0.3)], kdims=[*axes, "x1", "y1"])
        pieces += [
            line.opts(backend=_MATPLOTLIB, color=row.colour, linewidth=1.2),
            points.opts(backend=_MATPLOTLIB, color=row.colour, s=8),
        ]
    numbers = [_number(row.values) for row in rows]
    text = hv.Labels((np.full(heights.size, high), heights, numbers), axes)
    text = text.opts(backend=_MATPLOTLIB, horizontalalignment="left", color="black")
    return hv.Overlay([*pieces, text]).opts(
        backend=_MATPLOTLIB,
        title=title,
        xlim=(low, end),
        xticks=[(at, f"{at:g}") for at in ticks.tolist() if low <= at <= min(high, 100.0)],
        ylim=(-0.6, heights.size - 0.4),
        yticks=[(height, row.label) for height, row in zip(heights, rows, strict=True)],
        xlabel=axes[0].label,
        ylabel="",
        show_legend=False,
    )


def _number(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.2f}" if values.size > 1 else ""
    return f"{values.mean():.2f}{spread} %"
