"""Figures of the error of predicted charge."""

from __future__ import annotations

import math

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.error_budget import SWITCHED
from analog_model.errors import DataError
from analog_model.figures.colours import CATEGORICAL, INK, KIND_COLOURS, WAY_COLOURS
from analog_model.figures.units import unit_for
from analog_model.metrics import decibel

MATPLOTLIB = "matplotlib"


def ser_label(ratio: float) -> str:
    """SER in dB with the ratio, as figures print it."""
    if math.isnan(ratio):
        return "no patterns"
    return "no error" if math.isinf(ratio) else f"{decibel(ratio):.1f} dB (×{ratio:.3g})"


def charge_scatter(true: xr.DataArray, judged: xr.DataArray) -> hv.Overlay:
    """Judged against true charge, a point per pattern on each bit line, identity line.

    Both (pattern, bit_line) [C]; their names label the axes. Points take the colour of
    their kind of pattern.
    """
    unit = unit_for(true.values, "C")
    axes = (_dimension(true, unit.symbol), _dimension(judged, unit.symbol))
    x, y = unit.scaled(true.values), unit.scaled(_values(judged, true))
    pieces = [_points(x[chosen], y[chosen], axes, name) for name, chosen in _kinds(true)]
    legend = {
        "legend_position": "top_left",
        "legend_opts": {"markerscale": 3},
        "show_legend": len(pieces) > 1,
    }
    span = _padded(np.concatenate([x.ravel(), y.ravel()]))
    identity = hv.Slope(1, 0).opts(backend=MATPLOTLIB, color=INK, linewidth=0.6)
    overlay = hv.Overlay([*pieces, identity])
    return overlay.opts(backend=MATPLOTLIB, xlim=span, ylim=span, **_titles(axes), **legend)


def error_scatter(true: xr.DataArray, judged: xr.DataArray) -> hv.Overlay:
    """Error over true charge; arguments as in `charge_scatter`."""
    error = _values(judged, true) - true.values
    unit, error_unit = unit_for(true.values, "C"), unit_for(error, "C")
    label = f"{_adjective(judged)} − {_adjective(true)} charge [{error_unit.symbol}]"
    axes = (_dimension(true, unit.symbol), hv.Dimension("error", label=label))
    x, y = unit.scaled(true.values), error_unit.scaled(error)
    pieces = [_points(x[chosen], y[chosen], axes, name) for name, chosen in _kinds(true)]
    zero = hv.HLine(0).opts(backend=MATPLOTLIB, color=INK, linewidth=0.6)
    overlay = hv.Overlay([*pieces, zero])
    return overlay.opts(backend=MATPLOTLIB, show_legend=False, **_titles(axes))


def bit_line_bars(by_bit_line: xr.Dataset) -> hv.Overlay:
    """Relative rms error of each bit line, from `error_by_bit_line` of one split."""
    table = _one_split(by_bit_line)
    lines = table[v.BIT_LINE].values.astype(float)
    percent = np.nan_to_num(100 / table["signal_to_error_ratio"].values, posinf=0.0)
    spacing = float(np.diff(lines).min()) if lines.size > 1 else 1.0
    bars = hv.Rectangles(
        (lines - 0.4 * spacing, np.zeros_like(lines), lines + 0.4 * spacing, percent),
        kdims=[hv.Dimension("bit line"), hv.Dimension("rms error / signal [%]"), "x1", "y1"],
    )
    return hv.Overlay(
        [
            bars.opts(
                backend=MATPLOTLIB,
                facecolor=CATEGORICAL[0],
                edgecolor="none",
                xlim=(lines[0] - 0.7 * spacing, lines[-1] + 0.7 * spacing),
                ylim=(0, 1.08 * (float(percent.max()) or 1.0)),
            )
        ]
    )


def kind_bars(by_kind: xr.Dataset) -> hv.Overlay:
    """SER over the patterns of each kind, from `error_by_kind` of one split."""
    table = _one_split(by_kind)
    kinds = [str(name) for name in table[v.KIND].values]
    ratios = table["signal_to_error_ratio"].values
    counts = table["n_patterns"].values
    return _rows(
        [f"{kind.replace('_', ' ')} ({n})" for kind, n in zip(kinds, counts, strict=True)],
        ratios,
        [KIND_COLOURS[kind] for kind in kinds],
    )


def effect_bars(contributions: xr.Dataset, *, ser: str = "ser_of_ideal") -> hv.Overlay:
    """SER of every case of `effect_contributions`, of one split.

    `ser` names the variable: "ser_of_ideal" (what the effects cost) or "ser_of_model" (what
    they explain of the measured charge).
    """
    table = _one_split(contributions)
    if ser not in table:
        raise DataError("effect contributions", expected=f"the variable {ser}", got="none")
    ways, names = table[SWITCHED].values, table["effects"].values
    shown = [k for k, way in enumerate(ways) if way != "none" or ser == "ser_of_model"]
    return _rows(
        [_case(str(ways[k]), str(names[k])) for k in shown],
        table[ser].values[shown],
        [WAY_COLOURS[str(ways[k])] for k in shown],
    )


def _case(way: str, names: str) -> str:
    fixed = {"none": "none (ideal)", "together": "all together"}
    return fixed.get(way, names.replace("_", " ").replace("+", " + "))


def _rows(labels: list[str], ratios: np.ndarray, colours: list[str]) -> hv.Overlay:
    """Horizontal bars of SER in dB, labelled, the first at the top."""
    level = np.array([decibel(r) if np.isfinite(r) and r > 0 else 0.0 for r in ratios])
    rows = np.arange(len(labels))[::-1].astype(float)
    sides = [hv.Dimension("SER [dB]"), hv.Dimension("row", label=" "), "x1", "y1"]
    right = 1.6 * max(10.0, float(level.max(initial=0.0)))
    pieces = []
    for row, value, colour in zip(rows, level, colours, strict=True):
        box = [(min(value, 0.0), row - 0.32, max(value, 0.0), row + 0.32)]
        bar = hv.Rectangles(box, kdims=sides)
        pieces.append(
            bar.opts(
                backend=MATPLOTLIB,
                facecolor=colour,
                edgecolor="none",
                yticks=list(zip(rows, labels, strict=True)),
                xlim=(min(0.0, float(level.min(initial=0.0))), right),
                ylim=(-0.6, len(labels) - 0.4),
            )
        )
    at = np.maximum(level, 0.0) + 0.01 * right
    text = hv.Labels((at, rows, [ser_label(float(r)) for r in ratios]), kdims=sides[:2])
    pieces.append(text.opts(backend=MATPLOTLIB, horizontalalignment="left", size=6, color="black"))
    return hv.Overlay(pieces)


def _points(x: np.ndarray, y: np.ndarray, axes: tuple[hv.Dimension, ...], kind: str) -> hv.Scatter:
    label = kind.replace("_", " ")
    scatter = hv.Scatter((x.ravel(), y.ravel()), kdims=axes[0], vdims=axes[1], label=label)
    return scatter.opts(backend=MATPLOTLIB, s=2.2, color=KIND_COLOURS[kind], alpha=0.7, linewidth=0)


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    # Zero belongs into the picture unless all values are far from it.
    low = min(low, 0.0) if low < 0.5 * high else low
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin


def _titles(axes: tuple[hv.Dimension, ...]) -> dict[str, str]:
    # An overlay would take its titles from whichever element comes first.
    return {"xlabel": axes[0].label, "ylabel": axes[1].label}


def _kinds(charge: xr.DataArray) -> list[tuple[str, np.ndarray]]:
    """(kind, its patterns) for every kind that occurs."""
    if v.KIND not in charge.coords:
        return [("unnamed", np.ones(charge.sizes[v.PATTERN], dtype=bool))]
    kind = charge[v.KIND].values
    return [(name, kind == name) for name in v.KINDS if (kind == name).any()]


def _values(judged: xr.DataArray, true: xr.DataArray) -> np.ndarray:
    return judged.transpose(*true.dims).values


def _adjective(charge: xr.DataArray) -> str:
    return str(charge.name).removesuffix("_charge").replace("_", " ")


def _dimension(charge: xr.DataArray, unit: str) -> hv.Dimension:
    return hv.Dimension(str(charge.name), label=f"{_adjective(charge)} charge [{unit}]")


def _one_split(table: xr.Dataset) -> xr.Dataset:
    if v.SPLIT in table.dims:
        if table.sizes[v.SPLIT] != 1:
            raise DataError(
                "splits of a figure",
                expected="one, calibration patterns are not drawn with test patterns",
                got=", ".join(map(str, table[v.SPLIT].values)),
                advice="Choose with .sel(split=['test']).",
            )
        return table.isel({v.SPLIT: 0})
    return table
