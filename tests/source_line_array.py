"""Array with resistive source lines, solved as a circuit in NumPy.

Independent of our physics, with effects that it has no term for: a transistor whose
velocity saturates, in its triode region as well; source lines that lift the sources of the
cells they carry (which weak cells feel most), grounded at the end far from the sense nodes;
bit-line wires; routed feeders, one bit line with couplings of its own sign and size.
Every slot's currents and node voltages are iterated to agreement.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from tests.planted import NOISE, WIDEST, patterns, read

THERMAL = 0.02585
SPECIFIC, SATURATION, EARLY = 0.25e-6, 0.1, 0.15
OFFSETS = (-2, -1, 1, 2)
# kappa (class, offset): even bit lines, odd ones, the feeder's.
KAPPA = np.array([[0.05, 0.4, 1.0, 0.05], [0.05, 1.0, 0.4, 0.05], [0.05, 0.7, 0.9, -0.1]])
SETTLED, ROUNDS = 1e-14, 100


@dataclass(frozen=True)
class SourceLineArray:
    """N x M cells; resistances in ohm, `source_wire` and `bit_wire` per pitch."""

    n_word_lines: int
    n_bit_lines: int
    seed: int
    source_wire: float
    near: float = 0.1
    mismatch: float = 0.04
    bit_wire: float = 50.0
    bit_switch: float = 500.0
    dead_time: float = 2e-9
    largest_current: float = 0.8e-6

    @property
    def layout_class(self) -> np.ndarray:
        """Class of every cell (N, M)."""
        row = np.arange(self.n_bit_lines) % 2
        row[self.n_bit_lines // 3] = 2
        return np.tile(row, (self.n_word_lines, 1))

    @cached_property
    def kappa(self) -> np.ndarray:
        """kappa (K, N, M) of every neighbour; 0 beyond the edge."""
        generator = np.random.default_rng([self.seed, 1])
        cells = np.moveaxis(self.near * KAPPA[self.layout_class], -1, 0)
        cells = cells * (1 + self.mismatch * generator.standard_normal(cells.shape))
        line = np.arange(self.n_word_lines) + np.array(OFFSETS)[:, None]
        return np.where(((line >= 0) & (line < self.n_word_lines))[:, :, None], cells, 0.0)

    @cached_property
    def gate(self) -> np.ndarray:
        """Gate drive u (N, M) at which each cell draws its programmed current, by bisection."""
        generator = np.random.default_rng([self.seed, 2])
        shape = (self.n_word_lines, self.n_bit_lines)
        target = generator.uniform(0.02, 1.0, shape) * self.largest_current
        low, high = np.full(shape, -40.0), np.full(shape, 60.0)
        for _ in range(80):
            middle = (low + high) / 2
            above = self.law(middle, np.zeros(()), np.ones(())) > target
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2

    @staticmethod
    def law(gate: np.ndarray, source: np.ndarray, drain: np.ndarray) -> np.ndarray:
        """Current [A] at source, drain voltages [V]: forward less reverse, saturating."""
        forward = np.log1p(np.exp((gate - source / THERMAL) / 2))
        reverse = np.log1p(np.exp((gate - drain / THERMAL) / 2))
        part = forward**2 / (1 + SATURATION * forward) - reverse**2 / (1 + SATURATION * reverse)
        return SPECIFIC * part * (1 + EARLY * (drain - source)) / (1 + EARLY)

    def current(self, high: np.ndarray) -> np.ndarray:
        """Currents [A] at the sense nodes (P, M) with word lines `high` (P, N)."""
        n = self.n_word_lines
        extended = np.concatenate([high, np.zeros((len(high), 2))], axis=1)
        lift = sum(
            np.roll(extended, -offset, axis=1)[:, :n, None] * self.kappa[k]
            for k, offset in enumerate(OFFSETS)
        )
        near, far = np.arange(1.0, n + 1), np.arange(float(n), 0, -1)
        bit = self.bit_switch + self.bit_wire * np.minimum(near[:, None], near)
        source = self.source_wire * np.minimum(far[:, None], far)
        cells = np.zeros(lift.shape)
        for _ in range(ROUNDS):
            before = cells
            lifted, dropped = (
                np.einsum("jk,pkm->pjm", matrix, cells, optimize=True) for matrix in (source, bit)
            )
            cells = high[:, :, None] * self.law(self.gate + lift, lifted, 1 - dropped)
            if np.abs(cells - before).max(initial=0.0) < SETTLED:
                return np.asarray(cells.sum(axis=1))
        raise AssertionError("the circuit does not settle")

    def charge(self, width: np.ndarray) -> np.ndarray:
        """Charge [C] (V, M) for pulses (V, N) [s] with a common leading edge."""
        width = np.clip(width - self.dead_time, 0, None)
        edge = np.sort(np.concatenate([np.zeros((len(width), 1)), width], axis=1), axis=1)
        charge = np.zeros((len(width), self.n_bit_lines))
        for begin, end in zip(edge.T[:-1], edge.T[1:], strict=True):
            lasts = end > begin
            high = (width > begin[:, None])[lasts].astype(float)
            charge[lasts] += (end - begin)[lasts, None] * self.current(high)
        return charge

    def measured(self, *, random: int, mixed: int, test: int, reads_error: float) -> xr.Dataset:
        """Measurement with read noise; `test` patterns each of three kinds."""
        generator = np.random.default_rng([self.seed, 3])
        n = self.n_word_lines
        width, kind = patterns(n, generator, random=random, mixed=mixed)
        learnt = len(width)
        judged = {
            "random": generator.random((test, n)),
            "sparse": generator.random((test, n)) < 0.25,
            "binary": generator.random((test, n)) < 0.5,
        }
        width = np.concatenate([width, *(WIDEST * rows.astype(float) for rows in judged.values())])
        kind = np.concatenate([kind, np.repeat(list(judged), test)])
        charge = self.charge(width)
        reads = self.charge(np.eye(n) * WIDEST) / (WIDEST - self.dead_time)
        reads = reads * (1 + reads_error * generator.standard_normal(reads.shape))
        split = np.where(np.arange(len(width)) < learnt, v.CALIBRATION, v.TEST)
        return xr.Dataset(
            {
                v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), width, {"units": "s"}),
                v.CHARGE: (
                    (v.PATTERN, v.BIT_LINE),
                    read(charge, generator, float(charge.max())),
                    {"units": "C"},
                ),
                v.CELL_CURRENT: (
                    (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE),
                    reads[None],
                    {"units": "A"},
                ),
                v.LAYOUT_CLASS: ((v.WORD_LINE, v.BIT_LINE), self.layout_class),
            },
            coords={
                v.PATTERN: np.arange(len(width)),
                v.KIND: (v.PATTERN, kind),
                v.SPLIT: (v.PATTERN, split),
                v.WEIGHT_SET_OF_PATTERN: (v.PATTERN, np.zeros(len(width), dtype=int)),
            },
            attrs={
                "schema": v.MEASUREMENT_SCHEMA,
                "chip": "source lines",
                "source": "circuit solved in NumPy",
                "alignment": "leading",
                "noise": NOISE,
            },
        )
