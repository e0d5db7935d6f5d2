"""Figures of the array: maps over its cells."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL, DIVERGING, INK, SEQUENTIAL
from analog_model.figures.units import unit_for

MATPLOTLIB = "matplotlib"
_SIDES = [hv.Dimension(v.BIT_LINE, label="bit line"), hv.Dimension(v.WORD_LINE, label="word line")]


def array_map(
    values: xr.DataArray, *, signed: bool, limit: float | None = None, title: str = ""
) -> hv.Image:
    """Map of a quantity of every cell, word line 0 at the top.

    `values` (word_line, bit_line) with `units` and `long_name`; shifts without a unit are
    shown in percent. A signed map is symmetric around a white zero. `limit` [unit of the
    values] fixes the end of the scale. NaN cells stay grey.
    """
    data = values.transpose(v.WORD_LINE, v.BIT_LINE)
    si = str(data.attrs.get("units", ""))
    end = limit or float(np.nanmax(np.abs(data.values))) or 1.0
    symbol, factor = ("%", 0.01) if si in ("", "1") else _unit(end, si)
    name = str(data.attrs.get("long_name", data.name)).replace("_", " ")
    quantity = hv.Dimension(str(data.name), label=f"{name} [{symbol}]")
    scale = (-end / factor, end / factor) if signed else (0.0, end / factor)
    return _image(data / factor, quantity).opts(
        backend=MATPLOTLIB,
        cmap=DIVERGING if signed else SEQUENTIAL,
        clim=scale,
        clipping_colors={"NaN": "#bbbbbb"},
        aspect="equal",
        invert_yaxis=True,
        title=title,
    )


def crosstalk_comparison(
    measured: xr.DataArray, simulated: xr.DataArray, *, difference: bool = True
) -> hv.Layout:
    """Measured beside simulated crosstalk, their difference, all on one colour scale.

    Both (word_line, bit_line) as `crosstalk_map` gives them.
    """
    aligned = simulated.transpose(*measured.dims)
    limit = float(np.nanmax(np.abs([measured.values, aligned.values])))
    maps = [(measured, "measured"), (aligned, "simulated")]
    if difference:
        maps.append((measured - aligned, "difference"))
    # The titles say what the maps show; one short label fits beside a narrow column.
    label = {"units": measured.attrs.get("units", "A"), "long_name": "crosstalk current"}
    panels = [
        array_map(
            values.rename(measured.name).assign_attrs(label),
            signed=True,
            limit=limit,
            title=title,
        )
        for values, title in maps
    ]
    return hv.Layout(panels)


def layout_map(
    layout_class: xr.DataArray, class_names: Sequence[str], *, bar: bool = True
) -> hv.Image:
    """Map of the layout class of every cell, in as many colours as there are classes.

    Without a `bar` another panel has to say which colour is which class.
    """
    count = len(class_names)
    colours = [CATEGORICAL[k % len(CATEGORICAL)] for k in range(count)]
    data = layout_class.transpose(v.WORD_LINE, v.BIT_LINE).astype(float)
    return _image(data, hv.Dimension(v.LAYOUT_CLASS, label="layout class")).opts(
        backend=MATPLOTLIB,
        cmap=colours,
        clim=(-0.5, count - 0.5),
        cbar_ticks=list(enumerate(class_names)),
        colorbar=bar,
        aspect="equal",
        invert_yaxis=True,
    )


def map_with_cell(image: hv.Image, word_line: int, bit_line: int) -> hv.Overlay:
    """A map with one cell framed."""
    frame = hv.Rectangles(
        [(bit_line - 0.5, word_line - 0.5, bit_line + 0.5, word_line + 0.5)],
        kdims=[*image.kdims, "x1", "y1"],
    )
    frame = frame.opts(backend=MATPLOTLIB, facecolor="none", edgecolor=INK, linewidth=1.0)
    return image * frame.opts(backend=MATPLOTLIB, show_legend=False)


def _unit(end: float, si: str) -> tuple[str, float]:
    unit = unit_for(end, si)
    return unit.symbol, unit.factor


def _image(data: xr.DataArray, quantity: hv.Dimension) -> hv.Image:
    rows, columns = (np.asarray(data[dim].values, dtype=float) for dim in data.dims)
    sides = [
        hv.Dimension(v.BIT_LINE, label="bit line"),
        hv.Dimension(v.WORD_LINE, label="word line"),
    ]
    return hv.Image((columns, rows, data.values), kdims=sides, vdims=[quantity])
