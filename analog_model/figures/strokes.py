"""Strokes of a drawn panel: line widths, marks, text in the sizes of a preset."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from analog_model.figures.preset import Preset


def scale_strokes(place: Axes, preset: Preset) -> None:
    """Bring what HoloViews drew, in sizes for a journal's column, to those of the preset."""
    factor = preset.stroke
    for text in place.texts:
        # Subscripts shrink once more.
        text.set_fontsize(preset.text if "$" in text.get_text() else preset.small)
    if factor == 1.0:
        return
    legend = place.get_legend()
    marks = [*place.lines, *place.collections, *place.patches]
    if legend is not None:
        marks += [mark for mark in legend.legend_handles if mark is not None]
    for mark in marks:
        _scale(mark, factor)


def _scale(mark: Any, factor: float) -> None:
    if hasattr(mark, "set_linewidths"):
        mark.set_linewidths([factor * width for width in mark.get_linewidths()])
    else:
        mark.set_linewidth(factor * mark.get_linewidth())
    if hasattr(mark, "set_sizes") and len(mark.get_sizes()):
        mark.set_sizes(factor**2 * mark.get_sizes())
    if hasattr(mark, "set_markersize"):
        mark.set_markersize(factor * mark.get_markersize())
