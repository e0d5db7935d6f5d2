"""Figures of a deployment: its arrays, what an inference costs, how it was programmed."""

from __future__ import annotations

import json

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.deployment.result import Deployment
from analog_model.deployment.targets import layer_map_of
from analog_model.errors import DataError, nearest_name
from analog_model.figures.colours import CATEGORICAL, INK
from analog_model.figures.tiling import MATPLOTLIB, class_map
from analog_model.figures.units import unit_for

FILLED = 0.7
_LEGEND_ABOVE = {"frameon": False}
_READINGS = ("single", "in_context", "patterns_only", "regression", "leave_one_out")
_QUANTITIES = {
    "residual": "rms error of the current / full scale [%]",
    "reading_error": "rms error of a reading / full scale [%]",
}


def array_map(deployment: Deployment, *, layer: str | None = None) -> hv.Overlay:
    """Arrays of one layer: cells in use in the colour of their layout class, the rest grey."""
    mapped = layer_map_of(deployment.arrays, deployment.layers)
    names = json.loads(deployment.arrays.attrs["layout_class_names"])
    return class_map(mapped, deployment.arrays[v.LAYOUT_CLASS].values, names, layer=layer)


def energy_bars(cost: xr.Dataset) -> hv.Overlay:
    """Energy of one inference by layer, in bit lines and in word lines."""
    parts = {
        "bit-line charge": cost["energy_bit_line"].values,
        "word-line pulses": cost["energy_word_line"].values,
    }
    return _stacked_rows(_names(cost), parts, quantity="energy", si="J")


def latency_bars(cost: xr.Dataset) -> hv.Overlay:
    """Time of one inference by layer."""
    parts = {"latency": cost["latency"].values}
    return _stacked_rows(_names(cost), parts, quantity="latency", si="s")


def reading_curves(comparison: xr.Dataset, *, quantity: str = "residual") -> hv.Overlay:
    """Error over read noise, a line for each way of reading.

    `comparison` is what `compare_readings` gives; `quantity` "residual", the error of the
    programmed currents, or "reading_error", that of one more reading of them.
    """
    if quantity not in _QUANTITIES or quantity not in comparison:
        raise DataError(
            "comparison of readings",
            expected=f"one of {', '.join(_QUANTITIES)}",
            got=repr(quantity),
            advice=nearest_name(quantity, _QUANTITIES),
        )
    axes = [hv.Dimension("read noise / full scale [%]"), hv.Dimension(_QUANTITIES[quantity])]
    noise = 100 * comparison["read_noise"].values
    pieces = []
    for k, reading in enumerate(_READINGS):
        error = 100 * comparison[quantity].sel(reading=reading).values
        colour, name = CATEGORICAL[k], reading.replace("_", " ")
        line = hv.Curve((noise, error), axes[0], axes[1], label=name)
        pieces.append(line.opts(backend=MATPLOTLIB, color=colour, linewidth=1.2))
        points = hv.Scatter((noise, error), axes[0], axes[1])
        pieces.append(points.opts(backend=MATPLOTLIB, color=colour, s=12))
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB,
        logx=True,
        xlim=(0.8 * float(noise.min()), 1.25 * float(noise.max())),
        logy=True,
        xlabel=axes[0].label,
        ylabel=axes[1].label,
        legend_position="top",
        legend_cols=2,
        legend_opts=_LEGEND_ABOVE,
    )


def _names(cost: xr.Dataset) -> list[str]:
    return [str(name) for name in cost[v.LAYER].values]


def _stacked_rows(
    names: list[str], parts: dict[str, np.ndarray], *, quantity: str, si: str
) -> hv.Overlay:
    """A row for each name, its parts end to end, its total behind; the first row at the top."""
    total = np.sum(list(parts.values()), axis=0)
    unit = unit_for(total, si)
    rows = np.arange(len(names))[::-1].astype(float)
    axes = [hv.Dimension(f"{quantity} [{unit.symbol}]"), hv.Dimension("layer", label=" ")]
    left = np.zeros(len(names))
    pieces = []
    for k, (name, values) in enumerate(parts.items()):
        right = left + np.asarray(values) / unit.factor
        sides = (left, rows - FILLED / 2, right, rows + FILLED / 2)
        bars = hv.Rectangles(sides, kdims=[*axes, "x1", "y1"], label=name)
        pieces.append(bars.opts(backend=MATPLOTLIB, facecolor=CATEGORICAL[k], edgecolor="none"))
        # Patches have no legend of their own: an empty series in their colour has.
        mark = hv.Scatter(([], []), axes[0], axes[1], label=name)
        pieces.append(mark.opts(backend=MATPLOTLIB, color=CATEGORICAL[k], marker="s", s=12))
        left = right
    numbers = [f" {value:.3g}" for value in total / unit.factor]
    text = hv.Labels((left, rows, numbers), kdims=axes, vdims=["total"])
    pieces.append(text.opts(backend=MATPLOTLIB, color=INK, size=6, horizontalalignment="left"))
    overlay = hv.Overlay(pieces)
    return overlay.opts(
        backend=MATPLOTLIB,
        yticks=list(zip(rows.tolist(), names, strict=True)),
        ylim=(-0.6, len(names) - 0.4),
        xlim=(0, 1.16 * float(left.max()) or 1.0),
        xlabel=axes[0].label,
        ylabel="",
        show_legend=len(parts) > 1,
        legend_position="top",
        legend_cols=len(parts),
        legend_opts=_LEGEND_ABOVE,
    )
