"""A flipped sign, a swapped neighbour or a reversed ladder anywhere is caught.

Each mutant changes one tensor between chip and simulator. It must leave the oracle, by far
more than rounding, and in the direction that physics says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import analog_model as am
from analog_model.physics import reference, slots
from analog_model.physics.array import ArrayTensors
from analog_model.tensors import array_tensors
from tests.properties.chips import TICK

WIDTH = np.array([[90.0, 40.0, 70.0], [20.0, 60.0, 50.0]]) * TICK


def full_chip(alignment: str = "staggered", solution: str = "self_consistent") -> am.Chip:
    """All drops of some per cent; kappa positive, largest from the word line above."""
    return am.Chip(
        name="signs",
        cell_current=np.array([[3.0, 1.0], [0.5, 4.0], [2.0, 2.0]]) * 1e-7,
        layout=am.Layout.mirrored_columns(3, 2),
        cell_law=am.EKV(specific_current=2e-7),
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[0.05, 0.2], [0.02, 0.1]]),
        bit_line=am.BitLine(
            wire_resistance=1e5,
            lumped_resistance=1e5,
            capacitance=1e-12,
            drain_sensitivity=0.5,
            segments_to_sense=[1.0, 2.0, 5.0],
            solution=solution,
        ),
        pulse=am.Pulse(
            alignment=alignment,
            stagger=np.array([0.0, 30.0, 55.0]) * TICK if alignment == "staggered" else None,
            dead_time=3e-9,
        ),
    )


def negated(name: str) -> Callable[[ArrayTensors], ArrayTensors]:
    return lambda array: replace(array, **{name: -getattr(array, name)})


# Mutant -> sign of the change of every charge, 0 where it differs between charges.
MUTANTS: dict[str, tuple[Callable[[ArrayTensors], ArrayTensors], int]] = {
    "kappa negated": (negated("kappa"), -1),
    "drain sensitivity negated": (negated("drain_sensitivity"), +1),
    "resistance negated": (negated("segment_resistance"), +1),
    "capacitance negated": (negated("bit_line_capacitance"), +1),
    "dead time negated": (negated("dead_time"), +1),
    "stagger negated": (negated("stagger"), 0),
    "victim and aggressor swapped": (lambda a: replace(a, kappa=a.kappa.flip(0)), 0),
    "bit lines' kappa swapped": (lambda a: replace(a, kappa=a.kappa.flip(2)), 0),
    "ladder reversed": (lambda a: replace(a, ladder_order=a.ladder_order.flip(0)), 0),
    "no coupling": (lambda a: replace(a, kappa=None), -1),
    "no drop": (lambda a: replace(a, drain_sensitivity=None), +1),
    "weak inversion": (lambda a: replace(a, specific_current=None), +1),
    "other solution": (lambda a: replace(a, self_consistent=not a.self_consistent), 0),
}


@pytest.mark.parametrize("solution", ["self_consistent", "first_order"])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_leaves_the_oracle(mutant: str, solution: str) -> None:
    chip = full_chip(solution=solution)
    mutate, direction = MUTANTS[mutant]
    expected = reference.simulate(chip, WIDTH)
    healthy = slots.simulate(array_tensors(chip), torch.tensor(WIDTH)).charge.numpy()
    np.testing.assert_allclose(healthy, expected, rtol=1e-12)
    changed = slots.simulate(mutate(array_tensors(chip)), torch.tensor(WIDTH)).charge.numpy()
    change = changed / expected - 1
    assert np.abs(change).max() > 1e-4
    if direction:
        assert (direction * change > 1e-6).all()


@pytest.mark.parametrize("method", ["slots", "reference"])
def test_parameters_push_the_charge_the_right_way(method: str) -> None:
    chip = full_chip()
    line, pulse, coupling = chip.bit_line, chip.pulse, chip.coupling
    assert isinstance(coupling, am.CouplingByClass)
    base = am.simulate(chip, WIDTH, method=method)
    rising = {
        "more current": chip.with_weights(chip.cell_current * 1.05),
        "more coupling": chip.replace(coupling=coupling.replace(kappa=coupling.kappa * 1.05)),
        "weaker inversion": chip.replace(cell_law=am.EKV(specific_current=2.2e-7)),
        "less wire": chip.replace(bit_line=line.replace(wire_resistance=9e4)),
        "less series resistance": chip.replace(bit_line=line.replace(lumped_resistance=9e4)),
        "larger integrator": chip.replace(bit_line=line.replace(capacitance=1.1e-12)),
        "stiffer drain": chip.replace(bit_line=line.replace(drain_sensitivity=0.45)),
        "faster edges": chip.replace(pulse=pulse.replace(dead_time=2.5e-9)),
    }
    for what, better in rising.items():
        assert (am.simulate(better, WIDTH, method=method) > base * (1 + 1e-6)).all(), what


@pytest.mark.parametrize("method", ["slots", "reference"])
def test_pulses_that_never_meet_have_no_crosstalk(method: str) -> None:
    chip = full_chip().with_effects(["crosstalk"])
    apart = chip.replace(pulse=am.Pulse(alignment="staggered", stagger=[0.0, 1e-6, 2e-6]))
    together = chip.replace(pulse=am.Pulse())
    product = WIDTH @ chip.cell_current
    np.testing.assert_allclose(am.simulate(apart, WIDTH, method=method), product, rtol=1e-9)
    assert (am.simulate(together, WIDTH, method=method) > product * 1.005).all()
