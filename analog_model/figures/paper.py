"""Paper figure of a HoloViews element.

Widths are those of printed columns; fonts are embedded; the same element gives the same
bytes on every run. Matplotlib's state machine (pyplot) is not used: each figure has a
canvas of its own, so that several sessions of a server can save at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import holoviews as hv
import holoviews.plotting.mpl  # registers the matplotlib backend, which `.opts` needs
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analog_model.errors import ConfigurationError, nearest_name

INCH = 0.0254  # [m]
# Widths of printed figures [m].
# IEEE Author Center, "Resolution and Size": 3.5 in and 7.16 in.
# Nature, "Preparing figures": 89 mm and 183 mm.
WIDTHS: dict[str, float] = {
    "ieee_one_column": 3.5 * INCH,
    "ieee_two_columns": 7.16 * INCH,
    "nature_one_column": 0.089,
    "nature_two_columns": 0.183,
}
FORMATS = ("pdf", "svg", "png")
PNG_DPI = 600
# Above this width panels stand side by side, below it one under the other [m].
STACK_BELOW = 0.13

_POINTS = 7.0
_RC: dict[str, Any] = {
    # Ships with matplotlib, so a figure looks the same on every machine.
    "font.family": "DejaVu Sans",
    "font.size": _POINTS,
    "axes.labelsize": _POINTS,
    "axes.titlesize": _POINTS,
    "axes.titleweight": "normal",
    "axes.linewidth": 0.5,
    "axes.axisbelow": True,
    "xtick.labelsize": _POINTS - 1,
    "ytick.labelsize": _POINTS - 1,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": _POINTS - 1,
    "legend.frameon": False,
    "lines.linewidth": 0.8,
    "patch.linewidth": 0.0,
    # TrueType outlines, which stay text in the PDF and which publishers accept.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Glyphs as outlines: an SVG shows the same on machines without the font.
    "svg.fonttype": "path",
    # Without a salt the ids in an SVG are drawn at random.
    "svg.hashsalt": "analog-model",
    "savefig.dpi": PNG_DPI,
}
# Dates would differ from run to run.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}
# HoloViews and rc_context change matplotlib's process-wide settings while they draw.
_drawing = threading.RLock()


def save_figure(
    element: hv.core.Dimensioned,
    target: str | Path | IO[bytes],
    *,
    format: str | None = None,  # noqa: A002 - the word everybody uses
    width: str | float = "ieee_one_column",
    height: float | None = None,
) -> None:
    """Write an element, overlay or layout as PDF, SVG or PNG.

    `width` names one of `WIDTHS` or is in metres, `height` is in metres (default: what the
    panels need). The page is exactly that large. `format` defaults to the suffix of a path.
    Panels of a layout stand side by side from `STACK_BELOW` up, else one under the other.
    Raises ConfigurationError for another format or width.
    """
    chosen = _format(target, format)
    metres = _width(width)
    with _drawing, mpl.rc_context(_RC):
        figure = _draw(element, metres, height)
        # A path only replaces what was there once the figure is complete.
        figure.savefig(
            target,
            format=chosen,
            metadata=_METADATA[chosen],
            dpi=PNG_DPI,
            facecolor="white",
        )


def _format(target: Any, given: str | None) -> str:
    found = given
    if found is None and isinstance(target, str | Path):
        found = Path(target).suffix.lstrip(".").lower()
    if found not in FORMATS:
        raise ConfigurationError(
            "format",
            expected="pdf, svg or png",
            got=repr(found),
            advice="Give the format, or a path that ends in one.",
        )
    return found


def _width(width: str | float) -> float:
    if isinstance(width, str):
        if width not in WIDTHS:
            raise ConfigurationError(
                "width",
                expected="a column width",
                got=repr(width),
                advice=nearest_name(width, WIDTHS),
            )
        return WIDTHS[width]
    if not 0.02 <= width <= 1.0:
        raise ConfigurationError("width", expected="0.02 m to 1 m", got=f"{width:g} m")
    return float(width)


def _draw(element: Any, width: float, height: float | None) -> Figure:
    """Every panel into axes of one figure."""
    panels = list(element) if isinstance(element, hv.Layout) else [element]
    n_columns = len(panels) if width >= STACK_BELOW else 1
    n_rows = -(-len(panels) // n_columns)
    if height is None:
        panel_width = min(width / n_columns, 0.6 * width if len(panels) == 1 else width)
        if width < STACK_BELOW:
            panel_width = width
        height = n_rows * panel_width * max(_proportion(panel) for panel in panels)
    # "compressed" keeps maps, whose proportions are fixed, close to their colour bar.
    layout = "compressed" if any(_has_image(panel) for panel in panels) else "constrained"
    figure = Figure(figsize=(width / INCH, height / INCH), layout=layout)
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for panel, place in zip(panels, axes, strict=False):
        _draw_panel(panel, figure, place)
    _add_colour_bars(figure, panels, list(axes))
    return figure


def _draw_panel(panel: Any, figure: Figure, place: Axes) -> None:
    renderer = hv.Store.renderers["matplotlib"]
    current = hv.Store.current_backend
    hv.Store.set_current_backend("matplotlib")
    try:
        renderer.get_plot(panel, fig=figure, axis=place)
    finally:
        hv.Store.set_current_backend(current)
    if not place.images:
        # HoloViews makes axes square, which wastes the width of a chart.
        place.set_aspect("auto")
    for side in ("top", "right"):
        place.spines[side].set_visible(bool(place.images))


def _add_colour_bars(figure: Figure, panels: list[Any], axes: list[Axes]) -> None:
    """A bar beside every map; one for all of them where they share scale, unit, colours."""
    drawn = [
        (place.images[0], place, _image(panel))
        for panel, place in zip(panels, axes, strict=False)
        if place.images
    ]
    if not drawn:
        return
    scales = {
        (image.get_clim(), image.get_cmap().name, element.vdims[0].pprint_label)
        for image, _, element in drawn
    }
    groups = [drawn] if len(scales) == 1 else [[one] for one in drawn]
    for group in groups:
        image, _, element = group[0]
        bar = figure.colorbar(
            image, ax=[place for _, place, _ in group], shrink=0.9, aspect=24, pad=0.015
        )
        bar.outline.set_linewidth(0.4)
        bar.set_label(element.vdims[0].pprint_label)
        ticks = hv.Store.lookup_options("matplotlib", element, "plot").kwargs.get("cbar_ticks")
        if ticks:
            bar.set_ticks([at for at, _ in ticks], labels=[text for _, text in ticks])


def _elements(panel: Any) -> Iterator[Any]:
    yield from panel if isinstance(panel, hv.Overlay) else [panel]


def _has_image(panel: Any) -> bool:
    return any(isinstance(part, hv.Image) for part in _elements(panel))


def _image(panel: Any) -> Any:
    return next(part for part in _elements(panel) if isinstance(part, hv.Image))


def _proportion(panel: Any) -> float:
    """Height over width that suits what the panel shows."""
    for part in _elements(panel):
        if isinstance(part, hv.Image):
            rows, columns = np.shape(part.dimension_values(2, flat=False))
            return float(np.clip(0.85 * rows / columns, 0.25, 1.4))
        if isinstance(part, hv.Slope):
            return 0.9
        if isinstance(part, hv.Labels):
            # Rows of bars: as high as their number asks for.
            return float(np.clip(0.16 + 0.07 * len(part), 0.25, 1.2))
    return 0.55
