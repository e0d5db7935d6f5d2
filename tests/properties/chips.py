"""Hypothesis strategies for chips, pulses.

Times lie on a grid of 2^-30 s (about 0.93 ns) mixed with arbitrary floats: the grid makes
edges coincide often, as quantised codes do, and lets a test shift or scale time exactly.

Structure is drawn by hypothesis. Numbers are too in one chip of four, which shrinks to
readable failures; in the others they come from a drawn seed, since hypothesis likes zeros
and repeats, of which a chip with several effects at work has few.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import analog_model as am
from analog_model.chip.layout import LAYOUT_RULES

TICK = 2.0**-30
LONGEST = 100 * TICK

ON_GRID = st.integers(0, 100).map(lambda ticks: ticks * TICK)
ANY_TIME = st.one_of(st.just(0.0), ON_GRID, st.floats(1e-12, LONGEST))
CURRENTS = st.one_of(st.just(0.0), st.floats(-14.0, -6.0).map(lambda power: 10.0**power))
KAPPA = st.floats(-0.5, 0.5)
ALIGNMENTS = ("leading", "trailing", "centred", "staggered")


@st.composite
def generators(draw: Any) -> np.random.Generator | None:
    """A seeded source of numbers; None: hypothesis draws them."""
    if draw(st.sampled_from([False, True, True, True])):
        return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return None


@st.composite
def currents(draw: Any, shape: tuple[int, int]) -> np.ndarray:
    """Cell currents over up to 8 decades with exact zeros [A]."""
    generator = draw(generators())
    if generator is None:
        return draw(hnp.arrays(np.float64, shape, elements=CURRENTS))
    decades = draw(st.sampled_from([0.5, 2.0, 8.0]))
    on = generator.uniform(size=shape) < draw(st.sampled_from([1.0, 0.8]))
    return on * 10 ** (-6 - generator.uniform(0, decades, shape))


@st.composite
def kappas(draw: Any, shape: tuple[int, ...]) -> np.ndarray:
    generator = draw(generators())
    if generator is None:
        return draw(hnp.arrays(np.float64, shape, elements=KAPPA))
    return generator.uniform(-0.5, 0.5, shape)


@st.composite
def times(draw: Any, shape: tuple[int, ...], *, grid: bool) -> np.ndarray:
    """Widths or starts up to the longest pulse, with zeros and coincidences [s]."""
    generator = draw(generators())
    if generator is None:
        return draw(hnp.arrays(np.float64, shape, elements=ON_GRID if grid else ANY_TIME))
    ticks = generator.integers(0, draw(st.sampled_from([5, 101])), shape) * TICK
    on_grid = grid | (generator.uniform(size=shape) < draw(st.sampled_from([0.0, 0.5, 1.0])))
    return np.where(on_grid, ticks, generator.uniform(0, LONGEST, shape))


@st.composite
def layouts(draw: Any, n_word_lines: int, n_bit_lines: int) -> am.Layout:
    rule = draw(st.sampled_from([*LAYOUT_RULES, "arbitrary"]))
    if rule != "arbitrary":
        return LAYOUT_RULES[rule](n_word_lines, n_bit_lines)
    layout_class = draw(
        hnp.arrays(np.int64, (n_word_lines, n_bit_lines), elements=st.integers(0, 2))
    )
    return am.Layout(layout_class=layout_class, class_names=("a", "b", "c"))


@st.composite
def couplings(draw: Any, layout: am.Layout) -> Any:
    n, m = layout.n_word_lines, layout.n_bit_lines
    kind = draw(st.sampled_from(["none", "by_class", "by_cell", "map"]))
    if kind == "none":
        return None
    if kind == "map":
        pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
        if not pairs:
            return None
        chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1, max_size=6))
        return am.CouplingMap(
            victim=[victim for victim, _ in chosen],
            aggressor=[aggressor for _, aggressor in chosen],
            kappa=draw(kappas((len(chosen), m))),
        )
    # Offsets beyond the array couple nothing and must be harmless.
    near_or_far = st.sampled_from([-9, -3, -2, -1, 1, 2, 3, 9])
    offsets = tuple(draw(st.lists(near_or_far, unique=True, min_size=1, max_size=4)))
    if kind == "by_class":
        shape: tuple[int, ...] = (layout.n_classes, len(offsets))
        kappa = draw(kappas(shape))
        return am.CouplingByClass(offsets=offsets, kappa=kappa)
    kappa = draw(kappas((len(offsets), n, m)))
    return am.CouplingByCell(offsets=offsets, kappa=kappa)


def largest_current(cell_current: np.ndarray, layout: am.Layout, coupling: Any) -> float:
    """No bit line can draw more, whatever is high [A]; 1 pA for an empty array."""
    top = np.asarray(cell_current)
    if coupling is not None:
        top = top * np.exp(np.abs(coupling.kappa_of_cells(layout)).sum(axis=0))
    return max(float(top.sum(axis=0).max()), 1e-12)


@st.composite
def bit_lines(draw: Any, n_word_lines: int, top: float) -> am.BitLine:
    """Drops chosen by the fraction of current they cost at most, so that all matter.

    To first order a fraction near 1 cancels the current and loses digits, hence 0.2 each.
    """
    solution = draw(st.sampled_from(["self_consistent", "first_order"]))
    most = 0.2 if solution == "first_order" else 3.0
    fraction = st.one_of(st.just(0.0), st.floats(1e-6, most))
    segments = draw(
        st.one_of(
            st.none(),
            st.permutations(range(1, n_word_lines + 1)),
            st.lists(st.integers(0, 9), min_size=n_word_lines, max_size=n_word_lines),
        )
    )
    farthest = max(*segments, 1) if segments is not None else n_word_lines
    g = draw(st.sampled_from([0.0, 0.1, 2.0]))
    per_volt = 1 / (g * top) if g else 1.0
    droop = draw(fraction)
    return am.BitLine(
        wire_resistance=draw(fraction) * per_volt / farthest,
        lumped_resistance=draw(fraction) * per_volt,
        capacitance=LONGEST * 3 / (droop * per_volt) if droop else None,
        drain_sensitivity=g,
        segments_to_sense=segments,
        solution=solution,
    )


@st.composite
def pulses(draw: Any, n_word_lines: int, *, grid: bool = False, quantised: bool = True) -> am.Pulse:
    alignment = draw(st.sampled_from(ALIGNMENTS))
    bits = draw(st.one_of(st.none(), st.integers(1, 7))) if quantised else None
    stagger = None
    if alignment == "staggered":
        stagger = draw(times((n_word_lines,), grid=grid))
    return am.Pulse(
        alignment=alignment,
        stagger=stagger,
        dead_time=draw(st.sampled_from([0.0, 2 * TICK, 8 * TICK] if grid else [0.0, 1.7e-9, 6e-9])),
        bits=bits,
        lsb=None if bits is None else LONGEST / (2**bits - 1),
    )


@st.composite
def chips(
    draw: Any, *, grid: bool = False, quantised: bool = True, readout: bool = True
) -> am.Chip:
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    layout = draw(layouts(n, m))
    cell_current = draw(currents((n, m)))
    coupling = draw(couplings(layout))
    top = largest_current(cell_current, layout, coupling)
    specific = draw(st.one_of(st.none(), st.floats(-10.0, -5.0)))
    read: dict[str, Any] = {}
    if readout and draw(st.booleans()):
        read["full_scale"] = top * LONGEST * draw(st.floats(0.2, 2.0))
        read["bits"] = draw(st.one_of(st.none(), st.integers(1, 10)))
    return am.Chip(
        name="drawn",
        cell_current=cell_current,
        layout=layout,
        cell_law=am.WeakInversion()
        if specific is None
        else am.EKV(specific_current=10.0**specific),
        coupling=coupling,
        bit_line=draw(bit_lines(n, top)),
        pulse=draw(pulses(n, grid=grid, quantised=quantised)),
        readout=am.Readout(**read),
    )


@st.composite
def widths(draw: Any, chip: am.Chip, *, grid: bool = False, patterns: int | None = None) -> Any:
    """Pulse widths (pattern, word_line) [s]."""
    count = draw(st.integers(1, 3)) if patterns is None else patterns
    shape = (count, chip.n_word_lines)
    return draw(times(shape, grid=grid))


@st.composite
def starts(draw: Any, width: np.ndarray, *, grid: bool = False) -> Any:
    """Start of each pulse [s], given or None: the chip's alignment."""
    return draw(st.one_of(st.none(), times(width.shape, grid=grid)))


@st.composite
def operations(
    draw: Any, *, grid: bool = False, quantised: bool = True, readout: bool = True
) -> tuple[am.Chip, np.ndarray, np.ndarray | None]:
    """A chip, pulse widths, pulse starts or None."""
    chip = draw(chips(grid=grid, quantised=quantised, readout=readout))
    width = draw(widths(chip, grid=grid))
    return chip, width, draw(starts(width, grid=grid))


def as_map(chip: am.Chip) -> am.CouplingMap | None:
    """Any coupling written out pair by pair, one kappa per bit line."""
    victim, aggressor, kappa = [], [], []
    if chip.coupling is not None:
        lines = chip.coupling.aggressors(chip.layout)
        values = chip.coupling.kappa_of_cells(chip.layout)
        for k, j in np.ndindex(lines.shape):
            if lines[k, j] < chip.n_word_lines:
                victim.append(j)
                aggressor.append(int(lines[k, j]))
                kappa.append(values[k, j])
    if not victim:
        return None
    shaped = np.reshape(kappa, (len(victim), chip.n_bit_lines))
    return am.CouplingMap(victim=victim, aggressor=aggressor, kappa=shaped)


def charge_scale(chip: am.Chip) -> float:
    """Largest charge the chip can collect in the longest pulse [C]."""
    return largest_current(chip.cell_current, chip.layout, chip.coupling) * LONGEST
