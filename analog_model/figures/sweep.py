"""Figures of a sweep: a curve over one parameter, a map over two."""

from __future__ import annotations

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model.errors import DataError
from analog_model.figures.colours import CATEGORICAL, SEQUENTIAL

MATPLOTLIB = "matplotlib"
# What is drawn unless another variable is named: the first that a sweep holds.
_USUAL = ("decibel", "accuracy")


def sweep_figure(found: xr.Dataset, *, quantity: str | None = None) -> hv.Element | hv.Overlay:
    """Curve or map of one variable of a sweep, as `am.sweep` gives it.

    Accuracies are shown in percent; a curve of those after retraining has those before
    beside it. Values of a map's axes are evenly spaced, whatever their distance.
    """
    name = quantity or next((one for one in _USUAL if one in found), "")
    if name not in found:
        raise DataError(
            "sweep", expected=f"one of {', '.join(map(str, found.data_vars))}", got=repr(name)
        )
    return _curve(found, name) if found[name].ndim == 1 else _map(found, name)


def _curve(found: xr.Dataset, name: str) -> hv.Overlay:
    (axis,) = found[name].dims
    x = hv.Dimension(str(axis), label=_label(found[axis]))
    y = hv.Dimension(name, label=_label(found[name]))
    both = name == "accuracy" and "undefended_accuracy" in found
    pieces = []
    for one, colour in zip(
        (name, "undefended_accuracy") if both else (name,), CATEGORICAL, strict=False
    ):
        points = (_texts(found[axis]), _scaled(found[one]))
        label = str(found[one].attrs["long_name"]).partition(", ")[2] if both else ""
        pieces.append(hv.Curve(points, x, y, label=label).opts(backend=MATPLOTLIB, color=colour))
        pieces.append(hv.Scatter(points, x, y).opts(backend=MATPLOTLIB, color=colour, s=10))
    return hv.Overlay(pieces).opts(
        backend=MATPLOTLIB, xlabel=x.label, ylabel=y.label, show_legend=both
    )


def _map(found: xr.Dataset, name: str) -> hv.HeatMap:
    first, second = found[name].dims
    numbers = _scaled(found[name])
    rows = [
        (x, y, numbers[i, j])
        for i, x in enumerate(_words(found[first]))
        for j, y in enumerate(_words(found[second]))
    ]
    sides = [hv.Dimension(str(dim), label=_label(found[dim])) for dim in (first, second)]
    return hv.HeatMap(rows, sides, hv.Dimension(name, label=_label(found[name]))).opts(
        backend=MATPLOTLIB, cmap=SEQUENTIAL, colorbar=True, aspect="auto"
    )


def _label(variable: xr.DataArray) -> str:
    unit = str(variable.attrs.get("units", ""))
    symbol = "%" if unit == "1" and "accuracy" in str(variable.name) else unit
    words = str(variable.attrs.get("long_name", variable.name))
    return words if symbol in ("", "1") else f"{words} [{symbol.replace('ohm', 'Ω')}]"


def _scaled(variable: xr.DataArray) -> np.ndarray:
    """Numbers as drawn; no error at all, infinitely many dB, has no place on an axis."""
    numbers = variable.values * (100.0 if "accuracy" in str(variable.name) else 1.0)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _texts(axis: xr.DataArray) -> list[str] | np.ndarray:
    return axis.values if axis.dtype.kind in "iuf" else _words(axis)


def _words(axis: xr.DataArray) -> list[str]:
    if axis.dtype.kind in "iuf":
        return [f"{value:.4g}" for value in axis.values.tolist()]
    return [str(value).replace("_", " ") for value in axis.values]
