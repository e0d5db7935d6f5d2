"""Accuracy of the closed form against the self-consistent slot simulation.

    python tests/benchmarks/closed_form_accuracy.py [--sizes 16 64] [--vectors 64]

For arrays of each size and four kinds of inputs, with EKV cells, two layout classes, +-1 and
+-2 neighbours, a wire drop: crosstalk and drop are set to the share of the charge that they
change, rms, with everything high at random. Printed are the error that the closed form
estimates of itself, its true error on all vectors, the expansion that it chose, the time of
that choice, of one run, of the slots. Exit code 1 if a true error misses its tolerance.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

import analog_model as am
from analog_model.physics import closed_form, probe, slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.tolerance import relative_error
from analog_model.tensors import array_tensors

LONGEST, CURRENT, N_BIT_LINES, SENSITIVITY = 100e-9, 1e-7, 32, 0.5
INPUTS = ("uniform", "relu", "sparse", "binary")
# (crosstalk, drop, tolerance): the last is the tightest that is asked for.
LEVELS = ((0.04, 0.01, 1e-3), (0.2, 0.1, 1e-3), (0.2, 0.01, 1e-5))


@dataclass(frozen=True)
class Row:
    size: int
    inputs: str
    crosstalk: float
    drop: float
    tolerance: float
    estimated: float
    true: float
    expansion: closed_form.Expansion
    seconds: tuple[float, float, float]


def pulse_widths(inputs: str, n_vectors: int, size: int) -> np.ndarray:
    generator = np.random.default_rng(size)
    drawn = generator.uniform(0, 1, (n_vectors, size))
    if inputs == "relu":
        drawn = np.clip(generator.normal(0, 0.4, drawn.shape), 0, 1)
    elif inputs == "sparse":
        drawn = drawn * (generator.uniform(0, 1, drawn.shape) < 0.1)
    elif inputs == "binary":
        drawn = np.round(drawn)
    return drawn * LONGEST


def chip_of(size: int, kappa: float, wire: float) -> am.Chip:
    generator = np.random.default_rng(size)
    pattern = [[0.10, 0.50, 0.40, 0.08], [0.12, 0.35, 0.50, 0.06]]
    return am.Chip(
        name="accuracy",
        cell_current=generator.uniform(0, CURRENT, (size, N_BIT_LINES)),
        layout=am.Layout.mirrored_columns(size, N_BIT_LINES),
        cell_law=am.EKV(specific_current=CURRENT),
        coupling=am.CouplingByClass(offsets=(-2, -1, 1, 2), kappa=np.array(pattern) * kappa),
        bit_line=am.BitLine(wire_resistance=wire, drain_sensitivity=SENSITIVITY),
    )


def change(chip: am.Chip, effect: str, width: np.ndarray) -> float:
    """Relative rms change of the charge by one effect alone."""
    with_it = torch.tensor(am.simulate(chip.with_effects([effect]), width))
    return relative_error(with_it, torch.tensor(am.ideal_charge(chip, width)))


def calibrated_chip(size: int, crosstalk: float, drop: float) -> am.Chip:
    """The chip whose effects change charges by what is asked, found by secant steps."""
    width = pulse_widths("uniform", 8, size)
    kappa, wire = crosstalk, drop * 12 / (SENSITIVITY * CURRENT * size**2)
    for _ in range(4):
        chip = chip_of(size, kappa, wire)
        kappa *= crosstalk / change(chip, "crosstalk", width)
        wire *= drop / change(chip, "wire", width)
    return chip_of(size, kappa, wire)


def measured(
    array: ArrayTensors, width: torch.Tensor, tolerance: float
) -> tuple[float, float, closed_form.Expansion, tuple[float, float, float]]:
    marks = [time.perf_counter()]
    choice = probe.Probe(array, width).choose(tolerance)
    marks.append(time.perf_counter())
    found = closed_form.charge(array, width, choice.expansion)
    marks.append(time.perf_counter())
    exact = slots.simulate(array, width).charge
    marks.append(time.perf_counter())
    took = (marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[2])
    return choice.error, relative_error(found, exact), choice.expansion, took


def printed(row: Row) -> str:
    e = row.expansion
    chosen = f"Q{e.n_nodes} S{e.overlap_order} P{e.n_space} R{e.n_time} q{e.n_modal_nodes}"
    chosen += "".join(
        mark
        for mark, on in (
            (" lifted", e.lifted_modes),
            (" own", e.own_apart),
            (" whole", e.whole_feedback and e.n_space * e.n_time > 1),
        )
        if on
    )
    choosing, running, exact = row.seconds
    return (
        f"| {row.size} | {row.inputs} | {row.crosstalk:.0%} | {row.drop:.0%} | {row.tolerance:.0e} "
        f"| {row.estimated:.1e} | {row.true:.1e} | {chosen} "
        f"| {choosing:.2f} | {running:.3f} | {exact:.2f} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Accuracy of the closed form.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 64, 128, 256])
    parser.add_argument("--vectors", type=int, default=48)
    options = parser.parse_args()
    print(
        "Q nodes, S largest neighbour set, P space by R time modes, q nodes in them\n\n"
        "| word lines | inputs | crosstalk | drop | tolerance | estimated | true | expansion "
        "| choice [s] | run [s] | slots [s] |\n|" + "---|" * 11
    )
    missed = 0
    with torch.no_grad():
        for crosstalk, drop, tolerance in LEVELS:
            for size in options.sizes:
                array = array_tensors(calibrated_chip(size, crosstalk, drop))
                for inputs in INPUTS:
                    width = torch.tensor(pulse_widths(inputs, options.vectors, size))
                    found = measured(array, width, tolerance)
                    row = Row(size, inputs, crosstalk, drop, tolerance, *found)
                    print(printed(row), flush=True)
                    missed += row.true > row.tolerance
    if missed:
        print(f"{missed} errors above their tolerance", file=sys.stderr)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
