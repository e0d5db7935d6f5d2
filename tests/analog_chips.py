"""Chips for analog layers, in any number of effects."""

from __future__ import annotations

from typing import Any

import numpy as np

import analog_model as am

FULL_SCALE = 1e-7
"""Current [A] of every cell of these chips, hence their full scale."""


def ideal_chip(n_word_lines: int = 16, n_bit_lines: int = 8, **parts: Any) -> am.Chip:
    """Arrays on which nothing acts, with two layout classes."""
    fields: dict[str, Any] = {
        "name": "ideal",
        "cell_current": np.full((n_word_lines, n_bit_lines), FULL_SCALE),
        "layout": am.Layout.mirrored_columns(n_word_lines, n_bit_lines),
    }
    return am.Chip(**{**fields, **parts})


def physical_chip(n_word_lines: int = 16, n_bit_lines: int = 8, **parts: Any) -> am.Chip:
    """Arrays with crosstalk from two neighbours on either side, drop and dead time."""
    fields: dict[str, Any] = {
        "name": "physical",
        "cell_law": am.EKV(specific_current=2 * FULL_SCALE),
        "coupling": am.CouplingByClass(
            offsets=(-2, -1, 1, 2), kappa=[[0.01, 0.03, 0.08, 0.005], [-0.01, 0.06, -0.02, 0.02]]
        ),
        "bit_line": am.BitLine(wire_resistance=5e3, lumped_resistance=1e4, drain_sensitivity=0.1),
        "pulse": am.Pulse(lsb=1e-9, bits=8, dead_time=2e-9),
    }
    return ideal_chip(n_word_lines, n_bit_lines, **{**fields, **parts})
