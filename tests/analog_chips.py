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
