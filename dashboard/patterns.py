"""Input of one operation: a pulse width on every word line.

Widths are whole input codes: width = code x lsb, with codes from 0 to 2^bits - 1. A chip
that leaves its code open takes the nominal one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.chip.changes import NOMINAL_BITS, NOMINAL_LSB

PATTERN_SOURCES = ("random", "all_on", "measured", "drawn")


@dataclass(frozen=True)
class CodeGrid:
    """Pulse widths that can be drawn: codes 0 to `highest`, `lsb` [s] each."""

    highest: int
    lsb: float

    @property
    def full_width(self) -> float:
        """Widest pulse [s]."""
        return self.highest * self.lsb


def code_grid(chip: Chip, measurement: xr.Dataset | None = None) -> CodeGrid:
    """Input codes of a chip, of its measurement where the chip leaves them open."""
    attributes = {} if measurement is None else measurement.attrs
    lsb = chip.pulse.lsb or float(attributes.get("pulse_lsb", NOMINAL_LSB))
    bits = chip.pulse.bits or int(attributes.get("bits", NOMINAL_BITS))
    return CodeGrid(highest=2**bits - 1, lsb=lsb)


def random_codes(grid: CodeGrid, n_word_lines: int, seed: int) -> np.ndarray:
    """Uniform codes; the same seed gives the same codes for the first word lines."""
    return np.random.default_rng(seed).integers(0, grid.highest + 1, n_word_lines)


def drawn_codes(grid: CodeGrid, n_word_lines: int, codes: Sequence[int]) -> np.ndarray:
    """Codes a user drew; word lines beyond those drawn stay low."""
    vector = np.zeros(n_word_lines, dtype=int)
    count = min(len(codes), n_word_lines)
    vector[:count] = np.minimum(codes[:count], grid.highest)
    return vector


def pulse_width_vector(
    chip: Chip,
    measurement: xr.Dataset | None,
    *,
    source: str,
    seed: int = 0,
    index: int = 0,
    codes: Sequence[int] = (),
) -> np.ndarray:
    """Pulse width (word_line,) [s] from one of `PATTERN_SOURCES`."""
    if source == "measured" and measurement is not None:
        return np.asarray(measurement[v.PULSE_WIDTH].values[index], dtype=float)
    grid, n_word_lines = code_grid(chip, measurement), chip.n_word_lines
    if source == "all_on":
        return np.full(n_word_lines, grid.full_width)
    if source == "drawn":
        return drawn_codes(grid, n_word_lines, codes) * grid.lsb
    return random_codes(grid, n_word_lines, seed) * grid.lsb


def nearest_codes(chip: Chip, measurement: xr.Dataset | None, width: np.ndarray) -> tuple[int, ...]:
    """Codes nearest to given pulse widths [s]: where drawing starts from."""
    grid = code_grid(chip, measurement)
    return tuple(np.clip(np.rint(width / grid.lsb), 0, grid.highest).astype(int).tolist())
