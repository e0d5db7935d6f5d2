"""The simulator agrees with ngspice, a circuit simulator that knows no time slots.

Pulses have edges of 0.1 ps, 5e-6 of a pulse; what the lift does during a rising edge is
undone to first order by the falling one. Between edges all currents are constant, or
decay slowly with the droop, so that ngspice's trapezoidal rule is nearly exact and its
convergence (reltol 1e-7) sets the accuracy: 1e-6 is asked for, a few 1e-8 is typical.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analog_model as am
from tests.oracles.netlist import charges, netlist

pytestmark = pytest.mark.ngspice

NS = 1e-9
RNG = np.random.default_rng(7)
CURRENT = RNG.uniform(0.02, 1.0, (8, 2)) * 0.8e-6
WIDTH = np.array([97.0, 41.0, 0.0, 68.0, 41.0, 12.0, 83.0, 55.0]) * NS
EKV = am.EKV(specific_current=2e-7)
NEIGHBOURS = am.CouplingByClass(
    offsets=(-2, -1, 1, 2),
    kappa=RNG.uniform(-0.05, 0.2, (4, 4)),
)
WIRE = {"wire_resistance": 2e3, "drain_sensitivity": 0.5}


def array(**parts: Any) -> am.Chip:
    fields: dict[str, Any] = {
        "name": "8x2",
        "cell_current": CURRENT,
        "layout": am.Layout.mirrored_columns_and_row_pairs(8, 2),
        "cell_law": EKV,
    }
    return am.Chip(**{**fields, **parts})


STAGGER = np.array([0.0, 35.0, 10.0, 60.0, 22.0, 71.0, 5.0, 48.0]) * NS
ALL_TOGETHER: dict[str, Any] = {
    "coupling": NEIGHBOURS,
    "bit_line": am.BitLine(
        **WIRE,
        lumped_resistance=1e4,
        capacitance=1e-12,
        segments_to_sense=[8.0, 1.0, 3.0, 2.0, 6.0, 5.0, 4.0, 7.0],
    ),
}
CHIPS = {
    "ideal": array(),
    "crosstalk, EKV": array(coupling=NEIGHBOURS),
    "crosstalk, weak inversion": array(coupling=NEIGHBOURS, cell_law=am.WeakInversion()),
    "crosstalk, far pairs": array(
        coupling=am.CouplingMap(
            victim=[0, 7, 3], aggressor=[7, 0, 6], kappa=[[0.3, 0.1], [-0.2, 0.2], [0.1, 0.0]]
        )
    ),
    "wire": array(bit_line=am.BitLine(**WIRE)),
    "wire, large drop": array(bit_line=am.BitLine(wire_resistance=2e4, drain_sensitivity=0.5)),
    "series resistance": array(bit_line=am.BitLine(lumped_resistance=2e4, drain_sensitivity=0.5)),
    "droop": array(bit_line=am.BitLine(capacitance=1e-12, drain_sensitivity=0.5)),
    "all": array(**ALL_TOGETHER),
    "all, trailing": array(**ALL_TOGETHER, pulse=am.Pulse(alignment="trailing")),
    "all, centred": array(**ALL_TOGETHER, pulse=am.Pulse(alignment="centred")),
    "all, staggered": array(**ALL_TOGETHER, pulse=am.Pulse(alignment="staggered", stagger=STAGGER)),
}
STARTS = {
    "leading": np.zeros(8),
    "trailing": WIDTH.max() - WIDTH,
    "centred": (WIDTH.max() - WIDTH) / 2,
    "staggered": STAGGER,
}


def circuit(
    ngspice: Path, folder: Path, chip: am.Chip, start: np.ndarray, width: np.ndarray, **options: Any
) -> np.ndarray:
    """Charge [C] of the chip's circuit."""
    unit = float(am.ideal_charge(chip, width).max())
    deck = netlist(chip, start, width, charge_unit=unit, **options)
    return unit * charges(ngspice, deck, folder, chip.n_bit_lines)


@pytest.mark.parametrize("name", CHIPS)
def test_charges_are_those_of_the_circuit(
    name: str, require_tool: Callable[[str], Path], tmp_path: Path
) -> None:
    chip = CHIPS[name]
    start = STARTS[chip.pulse.alignment]
    expected = circuit(require_tool("ngspice"), tmp_path, chip, start, WIDTH, edge=1e-13)
    simulated = am.simulate(chip, WIDTH)
    np.testing.assert_allclose(simulated, expected, rtol=1e-6)
    # The agreement means something: the effects move the charge by far more than that.
    if chip.effects:
        assert np.abs(simulated / am.ideal_charge(chip, WIDTH) - 1).min() > 3e-4


def test_first_order_misses_the_circuit_by_the_square_of_the_loss(
    require_tool: Callable[[str], Path], tmp_path: Path
) -> None:
    chip = CHIPS["wire, large drop"]
    exact = circuit(require_tool("ngspice"), tmp_path, chip, np.zeros(8), WIDTH, edge=1e-13)
    line = chip.bit_line.replace(solution="first_order")
    first = am.simulate(chip.replace(bit_line=line), WIDTH)
    ideal = am.ideal_charge(chip, WIDTH)
    loss, miss = 1 - exact / ideal, (exact - first) / ideal
    assert (loss > 0.03).all()
    assert (miss > 0.3 * loss**2).all()
    assert (miss < 3 * loss**2).all()


# Finite edges: the floating gate follows its own word line, by K = 25 n U_T from off to on
# (11 decades in weak inversion, 4 or so less in a cell as strong as these).
OWN_GATE, EDGE = 25.0, 3 * NS


def lost_time(current: float, law: am.EKV) -> float:
    """Dead time [s] of one cell by quadrature over its two linear edges.

    A pulse is as wide as its half-height points are apart; each edge reaches EDGE/2 beyond
    and EDGE/2 within them, so a cell that followed its gate linearly would lose nothing:
    lost = EDGE - 2 integral over an edge of I/I_hot.
    """
    u = 2 * np.log(np.expm1(np.sqrt(current / law.specific_current)))
    level = (np.arange(20000) + 0.5) / 20000
    relative = (
        law.specific_current / current * np.log1p(np.exp((u - OWN_GATE * (1 - level)) / 2)) ** 2
    )
    return EDGE * (1 - 2 * float(relative.mean()))


def test_one_edge_costs_most_of_itself(require_tool: Callable[[str], Path], tmp_path: Path) -> None:
    chip = am.Chip(name="1x1", cell_current=[[4e-7]], layout=am.Layout.uniform(1, 1), cell_law=EKV)
    width = np.array([60 * NS])
    charge = circuit(
        require_tool("ngspice"), tmp_path, chip, np.zeros(1), width, edge=EDGE, own_gate=OWN_GATE
    )
    dead_time = width[0] - charge[0] / 4e-7
    np.testing.assert_allclose(dead_time, lost_time(4e-7, EKV), rtol=2e-3)
    # "About 0.9 of an edge".
    assert 0.75 < dead_time / EDGE < 0.95


@pytest.mark.parametrize("alignment", ["leading", "staggered"])
def test_dead_time_removes_most_of_the_error_of_finite_edges(
    alignment: str, require_tool: Callable[[str], Path], tmp_path: Path
) -> None:
    # One dead time for the whole array, that of a middling cell; cells differ by 50 to 1.
    stagger = STAGGER if alignment == "staggered" else None
    chip = array(
        coupling=NEIGHBOURS,
        bit_line=am.BitLine(**WIRE),
        pulse=am.Pulse(alignment=alignment, stagger=stagger),
    )
    exact = circuit(
        require_tool("ngspice"),
        tmp_path,
        chip,
        STARTS[alignment],
        WIDTH,
        edge=EDGE,
        own_gate=OWN_GATE,
    )
    dead_time = lost_time(float(np.median(CURRENT)), EKV)
    without = am.simulate(chip, WIDTH) / exact - 1
    dead = chip.replace(pulse=chip.pulse.replace(dead_time=dead_time))
    with_dead_time = am.simulate(dead, WIDTH) / exact - 1
    assert (without > 0.02).all()
    assert (np.abs(with_dead_time) < without / 10).all()
