"""Colours that every figure shares, on screen as on paper.

Okabe and Ito's eight colours can be told apart with any colour vision
(https://jfly.uni-koeln.de/color/). The colour maps are perceptually uniform: Kovesi's
CET-D1A and CET-D6, cividis.
"""

from __future__ import annotations

import colorcet
from bokeh.palettes import Cividis256

CATEGORICAL = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#999999",
)
# Neutral ink for identity lines, slot edges.
INK = "#5a6577"

KIND_COLOURS = {
    "random": CATEGORICAL[0],
    "sparse": CATEGORICAL[1],
    "binary": CATEGORICAL[2],
    "mixed": CATEGORICAL[3],
    "leave_one_out": CATEGORICAL[4],
    "pair": CATEGORICAL[5],
    "single": CATEGORICAL[6],
    "all_on": CATEGORICAL[7],
    "unnamed": CATEGORICAL[0],
}
# How an effect is switched on.
WAY_COLOURS = {
    "none": CATEGORICAL[7],
    "alone": CATEGORICAL[4],
    "cumulative": CATEGORICAL[2],
    "together": CATEGORICAL[0],
}
# How a network was trained.
MODE_COLOURS = {
    "float": CATEGORICAL[7],
    "noise": CATEGORICAL[1],
    "straight_through": CATEGORICAL[2],
    "hardware_aware": CATEGORICAL[0],
}
# Signed values: blue below zero, white at zero, red above.
DIVERGING = list(colorcet.CET_D1A)
DIVERGING_ON_DARK = list(colorcet.CET_D6)
# Magnitudes: the strong end stands out from white paper.
SEQUENTIAL = list(Cividis256[::-1])
