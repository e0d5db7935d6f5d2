"""Figures of a calibration: how well each model predicts, what its parameters are."""

from __future__ import annotations

import re
from typing import Any

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import DataError
from analog_model.figures.colours import CATEGORICAL, DIVERGING, INK, KIND_COLOURS
from analog_model.figures.units import unit_for
from analog_model.figures.wording import MODEL_LABELS
from analog_model.metrics import decibel

MATPLOTLIB = "matplotlib"
ALL_KINDS = "all"
# Bars of one row share this part of it.
FILLED = 0.8
_KAPPA = re.compile(r"^kappa\[(?P<group>.*), (?P<offset>[+-]\d+)\]$")
_HELD_TO = {"one_hot": "held to one-hot reads", "nothing": "patterns alone"}


def ser_ladder(report: xr.Dataset, *, split: str = v.TEST) -> hv.Overlay:
    """SER of every model as bars in dB, one colour a kind of pattern.

    `report` as `Calibration.report` gives it. A line across a bar's place marks the SER that
    read noise allows, where it is known.
    """
    table = _present(report, split)
    ratios = table["signal_to_error_ratio"].transpose("model", v.KIND).values
    ceiling = table["ceiling"].transpose("model", v.KIND).values if "ceiling" in table else None
    names = [MODEL_LABELS.get(str(name), _words(name)) for name in table["model"].values]
    return _grouped_rows(names, list(map(str, table[v.KIND].values)), ratios, ceiling)


def extraction_bars(
    comparison: xr.Dataset, *, model: str = "ideal", split: str = v.TEST
) -> hv.Overlay:
    """SER of every extraction method's weights as bars in dB, one colour a kind of pattern.

    `comparison` as `compare_extractions` gives it; `model` "ideal" or "full".
    """
    if model not in comparison["model"].values:
        raise DataError(
            "extraction comparison",
            expected=f"one of the models {', '.join(map(str, comparison['model'].values))}",
            got=repr(model),
        )
    table = _present(comparison.sel(model=model), split)
    counts = table["n_measurements"].values
    names = [
        f"{_words(name)} ({count})"
        for name, count in zip(table["extraction"].values, counts, strict=True)
    ]
    ratios = table["signal_to_error_ratio"].transpose("extraction", v.KIND).values
    return _grouped_rows(names, list(map(str, table[v.KIND].values)), ratios, None)


def extraction_effort_curve(effort: xr.Dataset, *, kind: str = "random") -> hv.Overlay:
    """SER of the ideal product against the number of measurements, with its spread.

    `effort` as `extraction_effort` gives it. Bands run from the worst to the best draw. The
    solid line is the SER of the one-hot reads, the dashed one twice that.
    """
    table = effort.sel({v.KIND: kind})
    axes = (
        hv.Dimension("n_measurements", label="measurements"),
        hv.Dimension("decibel", label="SER [dB]"),
    )
    bands, curves = [], []
    for name, colour in zip(table["held_to"].values, CATEGORICAL, strict=False):
        one = table.sel(held_to=name)
        x = one["n_measurements"].values.astype(float)
        level = {key: _decibels(one[key].values) for key in ("lowest", "highest")}
        middle = _decibels(one["signal_to_error_ratio"].values)
        band = hv.Area((x, level["lowest"], level["highest"]), axes[0], [axes[1], "highest"])
        bands.append(band.opts(backend=MATPLOTLIB, facecolor=colour, alpha=0.2, linewidth=0))
        curve = hv.Curve((x, middle), *axes, label=_HELD_TO.get(str(name), str(name)))
        curves.append(curve.opts(backend=MATPLOTLIB, color=colour, linewidth=1.0))
    goal = _goal(table, axes)
    middle, lowest = (_decibels(table[name].values) for name in ("signal_to_error_ratio", "lowest"))
    low, high = float(lowest.min()), float(middle.max())
    return hv.Overlay([*bands, *curves, *goal]).opts(
        backend=MATPLOTLIB,
        logx=True,
        # Room for the legend below the curves.
        ylim=(low - 0.3 * (high - low), high + 0.15 * (high - low)),
        xticks=[(at, str(at)) for at in (1, 10, 100, 1000, 10000)],
        legend_position="bottom_right",
        title=f"ideal product, {_words(kind)} patterns",
        xlabel=axes[0].label,
        ylabel=axes[1].label,
    )


def _goal(table: xr.Dataset, axes: tuple[hv.Dimension, hv.Dimension]) -> list[Any]:
    """Lines at the SER of the one-hot reads, at twice that, with what they are."""
    one_hot = decibel(float(table["one_hot_ratio"]))
    heights = [one_hot, one_hot + decibel(2.0)]
    lines = [
        hv.HLine(at).opts(backend=MATPLOTLIB, color=INK, linewidth=0.6, linestyle=style)
        for at, style in zip(heights, ("-", "--"), strict=True)
    ]
    left = [float(table["n_measurements"].min())] * 2
    names = hv.Labels((left, heights, [" one-hot reads", " twice their SER"]), kdims=list(axes))
    return [
        *lines,
        names.opts(
            backend=MATPLOTLIB,
            horizontalalignment="left",
            verticalalignment="bottom",
            color="black",
        ),
    ]


def kappa_intervals(parameters: xr.Dataset) -> hv.Overlay:
    """kappa of every layout class over the neighbour's offset, with 95 % intervals.

    `parameters` as `Calibration.parameters`. Points of one offset stand side by side;
    without an interval (not identified) there is none.
    """
    found = [_KAPPA.match(str(name)) for name in parameters["parameter"].values]
    groups = list(dict.fromkeys(match["group"] for match in found if match))
    if not groups:
        raise DataError("calibration parameters", expected="couplings", got="none")
    axes = (
        hv.Dimension("offset", label="offset [word lines]"),
        hv.Dimension("kappa", label="κ [nU_T]"),
    )
    pieces = []
    for k, name in enumerate(groups):
        places = [p for p, match in enumerate(found) if match and match["group"] == name]
        offset = np.array([float(m["offset"]) for m in found if m and m["group"] == name])
        value = parameters["value"].values[places]
        ends = parameters["interval"].transpose("parameter", "bound").values[places]
        x = offset + 0.12 * (k - (len(groups) - 1) / 2)
        known = np.isfinite(value) & np.isfinite(ends).all(axis=1)
        x, value, ends = x[known], value[known], ends[known]
        colour = CATEGORICAL[k % len(CATEGORICAL)]
        bars = hv.ErrorBars((x, value, value - ends[:, 0], ends[:, 1] - value), axes[0], [
            axes[1], "below", "above",
        ])  # fmt: skip
        points = hv.Scatter((x, value), *axes, label=name)
        pieces += [
            bars.opts(backend=MATPLOTLIB, edgecolor=colour, elinewidth=0.8, capsize=1.5),
            points.opts(backend=MATPLOTLIB, color=colour, s=6),
        ]
    zero = hv.HLine(0).opts(backend=MATPLOTLIB, color=INK, linewidth=0.5)
    offsets = sorted({int(match["offset"]) for match in found if match})
    return hv.Overlay([zero, *pieces]).opts(
        backend=MATPLOTLIB,
        **legend_above(min(len(groups), 2)),
        xticks=[(at, f"{at:+d}".replace("-", "−")) for at in offsets],
        xlabel=axes[0].label,
        ylabel=axes[1].label,
    )


def residual_map(measured: xr.DataArray, predicted: xr.DataArray, *, title: str = "") -> hv.Image:
    """Predicted minus measured charge of every pattern on each bit line.

    Both (pattern, bit_line) [C], patterns in their order, the first at the top; a colour
    scale symmetric around a white zero.
    """
    data = measured.transpose(v.PATTERN, v.BIT_LINE)
    error = predicted.transpose(v.PATTERN, v.BIT_LINE).values - data.values
    unit = unit_for(error, "C")
    end = float(np.abs(error).max(initial=0.0)) / unit.factor or 1.0
    sides = [hv.Dimension(v.BIT_LINE, label="bit line"), hv.Dimension(v.PATTERN, label="pattern")]
    quantity = hv.Dimension("residual", label=f"predicted − measured charge [{unit.symbol}]")
    axes = (np.arange(error.shape[1], dtype=float), np.arange(error.shape[0], dtype=float))
    image = hv.Image((*axes, unit.scaled(error)), kdims=sides, vdims=[quantity])
    return image.opts(
        backend=MATPLOTLIB,
        cmap=DIVERGING,
        clim=(-end, end),
        aspect="auto",
        invert_yaxis=True,
        title=title,
    )


def legend_above(n_columns: int) -> dict[str, Any]:
    """Options of a legend above the plot, from its right end.

    Its entries may reach over the names of rows on the left. HoloViews' own legend on top is
    as wide as the plot, however much it has to hold.
    """
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
    return {"legend_position": "inner", "legend_opts": {**place, "ncol": n_columns}}


def _present(table: xr.Dataset, split: str) -> xr.Dataset:
    """The table of one split, kinds without patterns left out; "all" only if alone."""
    if split not in table[v.SPLIT].values:
        raise DataError(
            "splits of a figure",
            expected=f"one of {', '.join(map(str, table[v.SPLIT].values))}",
            got=repr(split),
        )
    chosen = table.sel({v.SPLIT: split})
    chosen = chosen.isel({v.KIND: chosen["n_patterns"].values > 0})
    named = chosen[v.KIND].values != ALL_KINDS
    return chosen.isel({v.KIND: named}) if named.any() else chosen


def _grouped_rows(
    names: list[str], kinds: list[str], ratios: np.ndarray, ceiling: np.ndarray | None
) -> hv.Overlay:
    """Rows (name) of bars (kind) of SER in dB, the first row at the top."""
    level = _decibels(ratios)
    rows = np.arange(len(names))[::-1].astype(float)
    step = FILLED / len(kinds)
    axes = [hv.Dimension("SER [dB]"), hv.Dimension("row", label=" "), "x1", "y1"]
    right = 1.04 * max(10.0, float(level.max(initial=0.0)))
    pieces, limited = [], False
    for k, kind in enumerate(kinds):
        top = rows + FILLED / 2 - k * step
        sides = (np.minimum(level[:, k], 0.0), top - step, np.maximum(level[:, k], 0.0), top)
        bars = hv.Rectangles(sides, kdims=axes, label=_words(kind))
        colour = KIND_COLOURS.get(kind, CATEGORICAL[0])
        pieces.append(bars.opts(backend=MATPLOTLIB, facecolor=colour, edgecolor="none"))
        # Patches have no legend of their own: an empty series in their colour has.
        mark = hv.Scatter(([], []), axes[0], axes[1], label=_words(kind))
        pieces.append(mark.opts(backend=MATPLOTLIB, color=colour, marker="s", s=12))
        if ceiling is not None and np.isfinite(ceiling[:, k]).any():
            at = _decibels(ceiling[:, k])
            right = max(right, 1.04 * float(at.max()))
            line = hv.Segments((at, top - step, at, top), kdims=axes)
            pieces.append(line.opts(backend=MATPLOTLIB, color=INK, linewidth=0.8))
            limited = True
    if limited:
        # Below the rows, out of sight: only its entry in the legend is wanted.
        limit = hv.Curve(([0.0, 1.0], [-9.0, -9.0]), axes[0], axes[1], label="read noise")
        pieces.append(limit.opts(backend=MATPLOTLIB, color=INK, linewidth=0.8))
    left = min(0.0, float(level.min(initial=0.0)))
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB,
        xlim=(left, right),
        ylim=(-0.6, len(names) - 0.4),
        yticks=list(zip(rows, names, strict=True)),
        **legend_above(len(kinds) + limited),
        show_legend=len(kinds) + limited > 1,
        xlabel="SER [dB]",
        ylabel="",
    )


def _decibels(ratios: np.ndarray) -> np.ndarray:
    flat = [decibel(float(r)) if np.isfinite(r) and r > 0 else 0.0 for r in np.ravel(ratios)]
    return np.array(flat).reshape(np.shape(ratios))


def _words(name: object) -> str:
    return str(name).replace("_", " ")
