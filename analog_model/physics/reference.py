"""Slot-by-slot simulation in NumPy float64: plain loops, the oracle.

Reads like the physics and shares no code with the torch implementations: one vector, one
slot, one bit line at a time, the ladder by its resistance matrix, the cell law through
u(I). Slow on purpose.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from analog_model.chip import EKV, Chip, CouplingMap


def pulse_edges(chip: Chip, pulse_width: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """(start, end) [s] of each word line's pulse as the cells see it, (N, 2)."""
    pulse = chip.pulse
    edges = np.zeros((chip.n_word_lines, 2))
    for j, given in enumerate(pulse_width):
        width = float(given)
        if pulse.bits is not None and pulse.lsb is not None:
            # Half codes round to even, as IEEE 754 does.
            width = pulse.lsb * min(max(np.rint(width / pulse.lsb), 0), 2**pulse.bits - 1)
        if start is not None:
            begin = float(start[j])
        elif pulse.alignment == "leading":
            begin = 0.0
        elif pulse.alignment == "trailing":
            begin = -width
        elif pulse.alignment == "centred":
            begin = -width / 2
        else:
            assert pulse.stagger is not None
            begin = float(pulse.stagger[j])
        remaining = max(width - pulse.dead_time, 0.0)
        begin += pulse.dead_time / 2
        edges[j] = begin, begin + remaining
    return edges


def neighbours(chip: Chip, word_line: int, bit_line: int) -> list[tuple[int, float]]:
    """(aggressor, kappa) of every neighbour of one cell."""
    coupling = chip.coupling
    if coupling is None:
        return []
    if isinstance(coupling, CouplingMap):
        return [
            (int(aggressor), float(coupling.kappa[entry, bit_line]))
            for entry, (victim, aggressor) in enumerate(
                zip(coupling.victim, coupling.aggressor, strict=True)
            )
            if victim == word_line
        ]
    found = []
    for place, offset in enumerate(coupling.offsets):
        aggressor = word_line + offset
        if 0 <= aggressor < chip.n_word_lines:
            if coupling.kind == "by_class":
                kappa = coupling.kappa[chip.layout.layout_class[word_line, bit_line], place]
            else:
                kappa = coupling.kappa[place, word_line, bit_line]
            found.append((aggressor, float(kappa)))
    return found


def raised_current(chip: Chip, current: float, kappa: float) -> float:
    """Current [A] of one cell whose floating gate is lifted by kappa."""
    if current == 0.0:
        return 0.0
    if not isinstance(chip.cell_law, EKV):
        return current * math.exp(kappa)
    scale = chip.cell_law.specific_current
    root = math.sqrt(current / scale)
    u = 2 * (root + math.log(-math.expm1(-root)))
    half = (u + kappa) / 2
    softplus = max(half, 0.0) + math.log1p(math.exp(-abs(half)))
    return scale * softplus**2


def active_currents(chip: Chip, high: np.ndarray, bit_line: int) -> np.ndarray:
    """Current [A] of every cell of one bit line under an activation pattern, before drop."""
    currents = np.zeros(chip.n_word_lines)
    for j in range(chip.n_word_lines):
        if high[j]:
            kappa = sum(k for a, k in neighbours(chip, j, bit_line) if high[a])
            currents[j] = raised_current(chip, float(chip.cell_current[j, bit_line]), kappa)
    return currents


def with_drop(chip: Chip, currents: np.ndarray) -> np.ndarray:
    """The currents [A] of one bit line under the drop that they make."""
    line, segments = chip.bit_line, chip.segments_to_sense
    resistance = line.lumped_resistance + line.wire_resistance * np.minimum.outer(
        segments, segments
    )
    if line.solution == "first_order":
        return currents * (1 - line.drain_sensitivity * (resistance @ currents))
    matrix = np.eye(len(currents)) + line.drain_sensitivity * currents[:, None] * resistance
    return np.linalg.solve(matrix, currents)


def bit_line_charge(chip: Chip, edges: np.ndarray, bit_line: int) -> float:
    """Charge [C] that one bit line collects from one vector's pulses."""
    line = chip.bit_line
    rate = 0.0
    if line.capacitance is not None:
        rate = line.drain_sensitivity / line.capacitance
    instants = np.unique(edges)
    charge = undrooped = lost = 0.0
    for left, right in pairwise(instants):
        high = (edges[:, 0] <= left) & (edges[:, 1] >= right)
        alone = active_currents(chip, high, bit_line)
        current = float(np.sum(with_drop(chip, alone)))
        duration = right - left
        # Self-consistent, dQ/dt = J (1 - rate Q) within the slot; to first order, J rate Q0
        # is lost, where Q0(t) = undrooped + t J grows linearly within the slot.
        if rate > 0:
            charge += (1 / rate - charge) * -math.expm1(-rate * current * duration)
        else:
            charge += current * duration
        lost += rate * current * (undrooped * duration + current * duration**2 / 2)
        undrooped += current * duration
    if line.solution == "first_order":
        return undrooped - lost
    return charge


def read_out(chip: Chip, charge: float) -> float:
    """Charge [C] of one bit line as the readout reports it."""
    full_scale, bits = chip.readout.full_scale, chip.readout.bits
    if full_scale is None:
        return charge
    charge = min(max(charge, 0.0), full_scale)
    if bits is None:
        return charge
    step = full_scale / (2**bits - 1)
    return float(step * np.rint(charge / step))


def simulate(
    chip: Chip, pulse_width: np.ndarray, pulse_start: np.ndarray | None = None
) -> np.ndarray:
    """Charge [C] on every bit line, (patterns, M), for pulses (patterns, N) [s]."""
    charge = np.zeros((len(pulse_width), chip.n_bit_lines))
    for pattern, widths in enumerate(pulse_width):
        start = None if pulse_start is None else pulse_start[pattern]
        edges = pulse_edges(chip, widths, start)
        for i in range(chip.n_bit_lines):
            charge[pattern, i] = read_out(chip, bit_line_charge(chip, edges, i))
    return charge
