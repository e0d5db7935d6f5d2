"""Schematic of an array's corner: pulses on word lines, cells, charges of bit lines."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL, INK

MATPLOTLIB = "matplotlib"
_AXES = [hv.Dimension("across"), hv.Dimension("down"), "x1", "y1"]
# A cell's half width; where pulses begin, how wide the widest is, how high they are.
_HALF, _PULSE_FROM, _PULSE_WIDTH, _PULSE_HEIGHT = 0.27, -1.6, 0.8, 0.36


def array_schematic(
    layout_class: xr.DataArray, pulse_width: Sequence[float], *, n_lines: int = 4
) -> hv.Overlay:
    """The first `n_lines` word lines, bit lines of an array, cells coloured by layout class.

    `layout_class` (word_line, bit_line); `pulse_width` [s] of every word line is drawn to
    scale on the left. A cell's neighbours along its bit line are those that couple to it.
    """
    classes = layout_class.transpose(v.WORD_LINE, v.BIT_LINE).values[:n_lines, :n_lines]
    n_down, n_across = classes.shape
    down, across = (np.asarray(one) for one in np.indices(classes.shape))
    pieces = [_lines(n_down, n_across), _pulses(np.asarray(pulse_width, dtype=float)[:n_down])]
    for k in np.unique(classes):
        here = classes == k
        x, y = across[here], down[here]
        cells = hv.Rectangles((x - _HALF, y - _HALF, x + _HALF, y + _HALF), kdims=_AXES)
        colour = CATEGORICAL[int(k) % len(CATEGORICAL)]
        pieces.append(cells.opts(backend=MATPLOTLIB, facecolor=colour, edgecolor="none"))
    return hv.Overlay([*pieces, *_names(n_down, n_across)]).opts(
        backend=MATPLOTLIB,
        xaxis=None,
        yaxis=None,
        show_legend=False,
        invert_yaxis=True,
        aspect="equal",
        xlim=(-2.3, n_across - 0.2),
        ylim=(-0.6, n_down + 0.5),
    )


def _lines(n_down: int, n_across: int) -> hv.Segments:
    """Word lines across, bit lines down."""
    rows, columns = np.arange(n_down), np.arange(n_across)
    bottom, right = n_down - 0.4, n_across - 0.4
    sides = np.concatenate(
        [
            [(_PULSE_FROM + 1.0, j, right, j) for j in rows],
            [(i + 0.40, -0.5, i + 0.40, bottom) for i in columns],
            [(i + _HALF, j, i + 0.40, j) for j in rows for i in columns],
        ]
    )
    lines = hv.Segments(tuple(sides.T), kdims=_AXES)
    return lines.opts(backend=MATPLOTLIB, color=INK, linewidth=0.6)


def _pulses(width: np.ndarray) -> hv.Segments:
    """One pulse a word line: up, across, down."""
    length = _PULSE_WIDTH * width / (width.max(initial=0.0) or 1.0)
    pieces = []
    for j, end in enumerate(length.tolist()):
        high, low, left = j - _PULSE_HEIGHT, j, _PULSE_FROM
        pieces += [
            (left, low, left, high),
            (left, high, left + end, high),
            (left + end, high, left + end, low),
            (left + end, low, left + 1.0, low),
        ]
    lines = hv.Segments(tuple(np.array(pieces).T), kdims=_AXES)
    return lines.opts(backend=MATPLOTLIB, color="black", linewidth=0.8)


def _names(n_down: int, n_across: int) -> list[hv.Labels]:
    """t_j on the left, Q_i below."""
    rows, columns = np.arange(n_down), np.arange(n_across)
    times = [f"$t_{j}$" for j in rows]
    charges = [f"$Q_{i}$" for i in columns]
    left = hv.Labels((np.full(n_down, _PULSE_FROM - 0.35), rows - 0.1, times), kdims=_AXES[:2])
    below = hv.Labels((columns + 0.40, np.full(n_across, n_down + 0.1), charges), kdims=_AXES[:2])
    return [one.opts(backend=MATPLOTLIB, color="black") for one in (left, below)]
