"""Chips with planted parameters, measured by simulation with read noise.

The truth is drawn at random, so that what a calibration returns can be held to it. Every
number is a plausible one of a lab; none is taken from the bundled chip.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import EKV, BitLine, Chip, CouplingByCell, Layout, Pulse, WeakInversion
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.simulation import simulate

OFFSETS = (-2, -1, 1, 2)
WIDEST = 1e-6
FULL_SCALE_NOISE, READING_NOISE = 2e-4, 1e-3
NOISE = f"sigma = hypot({FULL_SCALE_NOISE}*max(charge), {READING_NOISE}*charge)"


def planted_kappa(generator: np.random.Generator, n_classes: int, *, near: float) -> np.ndarray:
    """kappa (class, offset) of one sign, up to `near` for adjacent lines, a twentieth further."""
    kappa = generator.uniform(0.2, 1.0, (n_classes, len(OFFSETS))) * near
    kappa[:, [0, 3]] /= 20
    return kappa


def planted_chip(
    n_word_lines: int,
    n_bit_lines: int,
    seed: int,
    *,
    layout: Layout | str = "mirrored_columns",
    near: float = 0.12,
    kappa: np.ndarray | None = None,
    mismatch: float = 0.0,
    largest_current: float = 0.8e-6,
    specific_current: float | None = 0.3e-6,
    wire_resistance: float = 1000.0,
    lumped_resistance: float = 5000.0,
    drain_sensitivity: float = 0.1,
    capacitance: float | None = None,
    dead_time: float = 2e-9,
) -> Chip:
    """A chip with every effect; `mismatch` is the relative spread of single kappas."""
    generator = np.random.default_rng(seed)
    if isinstance(layout, str):
        layout = LAYOUT_RULES[layout](n_word_lines, n_bit_lines)
    if kappa is None:
        kappa = planted_kappa(generator, layout.n_classes, near=near)
    cells = np.moveaxis(kappa[layout.layout_class], -1, 0)
    cells = cells * (1 + mismatch * generator.standard_normal(cells.shape))
    line = np.arange(n_word_lines) + np.array(OFFSETS)[:, None]
    cells = np.where(((line >= 0) & (line < n_word_lines))[:, :, None], cells, 0.0)
    lossy = wire_resistance > 0 or lumped_resistance > 0 or capacitance is not None
    return Chip(
        name=f"planted-{n_word_lines}x{n_bit_lines}-{seed}",
        cell_current=generator.uniform(0.02, 1.0, (n_word_lines, n_bit_lines)) * largest_current,
        layout=layout,
        cell_law=WeakInversion()
        if specific_current is None
        else EKV(specific_current=specific_current),
        coupling=CouplingByCell(offsets=OFFSETS, kappa=cells),
        bit_line=BitLine(
            wire_resistance=wire_resistance,
            lumped_resistance=lumped_resistance,
            capacitance=capacitance,
            drain_sensitivity=drain_sensitivity if lossy else 0.0,
        ),
        pulse=Pulse(dead_time=dead_time),
        source="planted",
    )


def patterns(
    n_word_lines: int, generator: np.random.Generator, *, random: int, mixed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pulse widths (V, N) [s] of singles, all on, leave-one-outs, pairs, random, mixed; kinds."""
    eye = np.eye(n_word_lines)
    pair = (eye + np.roll(eye, 1, axis=1))[:-1]
    on = generator.random((mixed, n_word_lines)) < 0.5
    blocks = {
        "single": eye,
        "all_on": np.ones((1, n_word_lines)),
        "leave_one_out": 1 - eye,
        "pair": pair,
        "random": generator.uniform(0, 1, (random, n_word_lines)),
        "mixed": generator.uniform(0, 1, (mixed, n_word_lines)) * on,
    }
    kinds = np.concatenate([np.full(len(rows), kind) for kind, rows in blocks.items()])
    return np.concatenate(list(blocks.values())) * WIDEST, kinds


def read(charge: np.ndarray, generator: np.random.Generator, largest: float) -> np.ndarray:
    """The charge with the read noise that `NOISE` states."""
    sigma = np.hypot(FULL_SCALE_NOISE * largest, READING_NOISE * charge)
    return charge + sigma * generator.standard_normal(charge.shape)


def measured(
    chip: Chip,
    seed: int,
    *,
    random: int = 60,
    mixed: int = 20,
    test: int = 20,
    reads_error: float = 0.0,
) -> xr.Dataset:
    """Measurement of a chip: calibration patterns of all kinds, random ones to test on.

    `reads_error` is the relative error of the static one-hot reads.
    """
    generator = np.random.default_rng([seed, 1])
    n = chip.n_word_lines
    width, kind = patterns(n, generator, random=random, mixed=mixed)
    width = np.concatenate([width, generator.uniform(0, WIDEST, (test, n))])
    kind = np.concatenate([kind, np.full(test, "random")])
    split = np.full(width.shape[0], v.CALIBRATION)
    split[len(split) - test :] = v.TEST
    true = simulate(chip, width)
    current = chip.cell_current * (
        1 + reads_error * generator.standard_normal(chip.cell_current.shape)
    )
    return xr.Dataset(
        {
            v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), width, {"units": "s"}),
            v.CHARGE: (
                (v.PATTERN, v.BIT_LINE),
                read(true, generator, float(true.max())),
                {"units": "C"},
            ),
            v.CELL_CURRENT: (
                (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE),
                current[None],
                {"units": "A"},
            ),
            v.LAYOUT_CLASS: ((v.WORD_LINE, v.BIT_LINE), chip.layout.layout_class),
        },
        coords={
            v.PATTERN: np.arange(width.shape[0]),
            v.KIND: (v.PATTERN, kind),
            v.SPLIT: (v.PATTERN, split),
            v.WEIGHT_SET_OF_PATTERN: (v.PATTERN, np.zeros(width.shape[0], dtype=int)),
        },
        attrs={
            "schema": v.MEASUREMENT_SCHEMA,
            "chip": chip.name,
            "source": "simulated, with planted parameters",
            "alignment": "leading",
            "noise": NOISE,
        },
    )


def true_parameters(chip: Chip, kappa: np.ndarray) -> dict[str, float]:
    """The planted values under the names that `Calibration.parameters` gives them."""
    line, law = chip.bit_line, chip.cell_law
    g = line.drain_sensitivity
    names = [
        f"kappa[class {k}, {offset:+d}]" for k in range(chip.layout.n_classes) for offset in OFFSETS
    ]
    truth = dict(zip(names, map(float, kappa.ravel()), strict=True))
    if isinstance(law, EKV):
        truth["specific_current"] = law.specific_current
    truth["wire_loss"] = g * line.wire_resistance
    truth["lumped_loss"] = g * line.lumped_resistance
    truth["droop_loss"] = 0.0 if line.capacitance is None else g / line.capacitance
    truth["dead_time"] = chip.pulse.dead_time
    return truth
