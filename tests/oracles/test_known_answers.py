"""Answers computed by hand for arrays of 1, 2 and 6 cells; both implementations give them.

Charges are in units of 0.1 fC = 1e-7 A x 1 ns, the product of the units used below.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import analog_model as am
from analog_model.physics import slots
from analog_model.tensors import array_tensors

NS, UNIT_CURRENT = 1e-9, 1e-7
UNIT = NS * UNIT_CURRENT


@pytest.fixture(params=["slots", "reference"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def one_cell(**parts: Any) -> am.Chip:
    return am.Chip(
        name="1x1", cell_current=[[3 * UNIT_CURRENT]], layout=am.Layout.uniform(1, 1), **parts
    )


def pair(**parts: Any) -> am.Chip:
    """2 x 1 with I = (2, 3); word line 1 lifts cell 0 by 0.2, word line 0 lifts cell 1 by 0.1."""
    parts.setdefault("coupling", am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.2]]))
    return am.Chip(
        name="2x1",
        cell_current=[[2 * UNIT_CURRENT], [3 * UNIT_CURRENT]],
        layout=am.Layout.uniform(2, 1),
        **parts,
    )


def charge(chip: am.Chip, width_ns: list[float], method: str, **options: Any) -> np.ndarray:
    return am.simulate(chip, np.array(width_ns) * NS, method=method, **options) / UNIT


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=0)


def test_one_cell_gives_current_times_time(method: str) -> None:
    close(charge(one_cell(), [50.0], method), [150.0])  # 3 x 50
    assert charge(one_cell(), [0.0], method) == [0.0]


def test_one_cell_couples_to_nobody(method: str) -> None:
    coupling = am.CouplingByClass(offsets=(-1, 1), kappa=[[0.5, 0.5]])
    close(charge(one_cell(coupling=coupling), [50.0], method), [150.0])


def test_two_cells_in_weak_inversion(method: str) -> None:
    # 20 ns both: 20 (2 e^0.2 + 3 e^0.1) = 115.16636541094565; 30 ns cell 0 alone: 60.
    close(charge(pair(), [50.0, 20.0], method), [175.16636541094565])


def test_negative_lift_lowers_the_current(method: str) -> None:
    chip = pair(coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[-0.1, 0.0]]))
    # 20 (2 + 3 e^-0.1) = 94.29024508215758; 60 alone.
    close(charge(chip, [50.0, 20.0], method), [154.29024508215758])


def test_two_cells_in_moderate_inversion(method: str) -> None:
    chip = pair(cell_law=am.EKV(specific_current=2 * UNIT_CURRENT))
    # u = 2 ln(e^sqrt(I/I_S) - 1), I' = I_S ln^2(1 + e^((u + kappa)/2)), in 30 digits:
    # I = 2, kappa = 0.2: 2.26574213752992177; I = 3, kappa = 0.1: 3.17676668583609171.
    # 20 x 5.44250882336601348 + 60 = 168.850176467320270.
    close(charge(chip, [50.0, 20.0], method), [168.85017646732027])


@pytest.mark.parametrize(
    ("ratio", "kappa", "lifted"),
    [
        # The formula above in 30 digits, I_S = 1. Weak: e^-0.3 = 0.7408 almost in full;
        # strong: sqrt(I) = 20 grows by kappa/2, (20.15)^2 = 406.0225 almost exactly.
        (1e-6, -0.3, 0.740921389530531686e-6),
        (400.0, 0.3, 406.022499988429779),
    ],
)
def test_ends_of_the_cell_law(method: str, ratio: float, kappa: float, lifted: float) -> None:
    chip = am.Chip(
        name="2x1",
        cell_current=[[ratio * 1e-9], [0.0]],
        layout=am.Layout.uniform(2, 1),
        cell_law=am.EKV(specific_current=1e-9),
        coupling=am.CouplingByClass(offsets=(1,), kappa=[[kappa]]),
    )
    result = am.simulate(chip, np.full(2, 1e-8), method=method)
    np.testing.assert_allclose(result, [lifted * 1e-17], rtol=1e-13)


# r = R_lumped = 100 kohm, d = (1, 2): R_jk = R_lumped + r min(d_j, d_k) = [[2, 2], [2, 3]] e5.
LADDER = {"wire_resistance": 1e5, "lumped_resistance": 1e5, "drain_sensitivity": 0.5}


def test_first_order_drop(method: str) -> None:
    chip = pair(coupling=None, bit_line=am.BitLine(**LADDER, solution="first_order"))
    # Both: V = (0.2 + 0.3 = 0.1 V, 2e5 x 2e-7 + 3e5 x 3e-7 = 0.13 V);
    # I = 2 (1 - 0.05) + 3 (1 - 0.065) = 4.705; 20 ns.
    # Alone: V = 0.04 V, I = 2 (1 - 0.02) = 1.96; 30 ns. 94.1 + 58.8.
    close(charge(chip, [50.0, 20.0], method), [152.9])


def test_self_consistent_drop(method: str) -> None:
    chip = pair(coupling=None, bit_line=am.BitLine(**LADDER))
    # Both: (1 + g I_0 R_00) J_0 + g I_0 R_01 J_1 = I_0 and likewise for J_1:
    # [1.02 0.02; 0.03 1.045] J = (2, 3), determinant 1.0653, J = (2.03, 3.00)/1.0653.
    # Alone: 2/1.02. 20 x 5.03/1.0653 + 60/1.02 = 153.257022324559224.
    close(charge(chip, [50.0, 20.0], method), [153.257022324559224])


def test_far_cell_first(method: str) -> None:
    # Word line 0 at the far end, d = (2, 1): R = [[3, 2], [2, 2]] e5; first order, both:
    # V = (3e5 x 2e-7 + 2e5 x 3e-7 = 0.12, 0.10), I = 2 x 0.94 + 3 x 0.95 = 4.73; alone:
    # V = 0.06, 2 x 0.97 = 1.94. 20 x 4.73 + 30 x 1.94 = 94.6 + 58.2.
    line = am.BitLine(**LADDER, solution="first_order", segments_to_sense=[2, 1])
    close(charge(pair(coupling=None, bit_line=line), [50.0, 20.0], method), [152.8])


def test_wire_alone_and_series_resistance_alone(method: str) -> None:
    # Wire: R = [[1, 1], [1, 2]] e5, V = (0.05, 0.08): 2 x 0.975 + 3 x 0.96 = 4.83.
    wire = am.BitLine(wire_resistance=1e5, drain_sensitivity=0.5, solution="first_order")
    close(charge(pair(coupling=None, bit_line=wire), [20.0, 20.0], method), [96.6])
    # Series: V = 1e5 x 5e-7 = 0.05 for both: 5 x 0.975 = 4.875; self-consistent 5/1.025.
    lumped = {"lumped_resistance": 1e5, "drain_sensitivity": 0.5}
    first = am.BitLine(**lumped, solution="first_order")
    close(charge(pair(coupling=None, bit_line=first), [20.0, 20.0], method), [97.5])
    exact = am.BitLine(**lumped)
    close(charge(pair(coupling=None, bit_line=exact), [20.0, 20.0], method), [97.5609756097561])


def test_droop_of_an_integrating_line(method: str) -> None:
    # Q0 = 2 x 100 = 200 units = 20 fC, C = 1 pF, g = 0.5: y = g Q0/C = 0.01.
    # Q = (C/g)(1 - e^-0.01) = 2e-12 x 0.00995016625083189 C; first order Q0 (1 - y/2).
    integrator = {"capacitance": 1e-12, "drain_sensitivity": 0.5}
    chip = pair(coupling=None, bit_line=am.BitLine(**integrator))
    close(charge(chip, [100.0, 0.0], method), [199.003325016638929])
    first = pair(coupling=None, bit_line=am.BitLine(**integrator, solution="first_order"))
    close(charge(first, [100.0, 0.0], method), [199.0])


def test_droop_does_not_ask_when_charge_came(method: str) -> None:
    # 80 x 2 + 40/3 x 3 = 200 units again, in two slots.
    chip = pair(coupling=None, bit_line=am.BitLine(capacitance=1e-12, drain_sensitivity=0.5))
    close(charge(chip, [80.0, 40.0 / 3], method), [199.003325016638929])


def test_each_pulse_loses_its_dead_time(method: str) -> None:
    chip = pair(coupling=None, pulse=am.Pulse(dead_time=5 * NS))
    close(charge(chip, [50.0, 20.0], method), [135.0])  # 2 x 45 + 3 x 15
    close(charge(chip, [50.0, 4.0], method), [90.0])  # shorter than the dead time: nothing
    assert charge(chip, [5.0, 0.0], method) == [0.0]


@pytest.mark.parametrize("alignment", ["leading", "trailing", "centred"])
def test_nested_pulses_overlap_for_the_shorter(method: str, alignment: str) -> None:
    # All three overlap for 20 ns, so the answer is that of the leading edge.
    chip = pair(pulse=am.Pulse(alignment=alignment))
    np.testing.assert_allclose(charge(chip, [50.0, 20.0], method), [175.16636541094565], rtol=1e-13)


def test_staggered_pulses_overlap_by_their_delays(method: str) -> None:
    # [0, 50] and [40, 60] ns share 10 ns: 2 (40 + 10 e^0.2) + 3 (10 + 10 e^0.1).
    stagger = [0.0, 40 * NS]
    chip = pair(pulse=am.Pulse(alignment="staggered", stagger=stagger))
    np.testing.assert_allclose(
        charge(chip, [50.0, 20.0], method), [167.583182705472825], rtol=1e-13
    )
    # Dead time 4 ns, half at each end: [2, 48] and [42, 58] ns share 6 ns:
    # 2 (40 + 6 e^0.2) + 3 (10 + 6 e^0.1).
    chip = pair(pulse=am.Pulse(alignment="staggered", stagger=stagger, dead_time=4 * NS))
    np.testing.assert_allclose(
        charge(chip, [50.0, 20.0], method), [144.549909623283695], rtol=1e-13
    )


def test_given_starts_override_the_alignment(method: str) -> None:
    starts = np.array([0.0, 40.0]) * NS
    result = charge(pair(), [50.0, 20.0], method, pulse_start=starts)
    np.testing.assert_allclose(result, [167.583182705472825], rtol=1e-13)


def test_widths_become_whole_codes(method: str) -> None:
    # 1 ns codes of 4 bits; half codes round to even: 3.4 -> 3, 2.5 -> 2, 3.5 -> 4, 15.4 -> 15.
    chip = pair(coupling=None, pulse=am.Pulse(lsb=NS, bits=4))
    close(charge(chip, [3.4, 2.5], method), [12.0])  # 2 x 3 + 3 x 2
    close(charge(chip, [3.5, 15.4], method), [53.0])  # 2 x 4 + 3 x 15
    # Without bits the same lsb leaves widths as they are.
    continuous = pair(coupling=None, pulse=am.Pulse(lsb=NS))
    close(charge(continuous, [3.4, 2.0], method), [12.8])


def test_charge_becomes_whole_codes_up_to_full_scale(method: str) -> None:
    # 2 bits over 90 units: 0, 30, 60, 90. Charge 3 t.
    readout = am.Readout(bits=2, full_scale=90 * UNIT)
    expected = {0.0: 0.0, 4.9: 0.0, 5.1: 30.0, 14.9: 30.0, 15.1: 60.0, 26.0: 90.0, 50.0: 90.0}
    for width, code in expected.items():
        close(charge(one_cell(readout=readout), [width], method), [code])
    saturating = one_cell(readout=am.Readout(full_scale=90 * UNIT))
    close(charge(saturating, [26.0], method), [78.0])
    close(charge(saturating, [31.0], method), [90.0])


def test_effects_act_in_the_order_of_the_circuit(method: str) -> None:
    # Both on for 20 ns: crosstalk S = 2 e^0.2 + 3 e^0.1 = 5.75831827054728 units; lumped
    # 100 kohm, g = 0.5: J = S/(1 + g R S) = 5.59716692763380; droop on 1 pF:
    # (C/g)(1 - e^(-g J t/C)) = 2e-12 (1 - e^-0.00559716692763380) C = 111.630639458213382.
    line = am.BitLine(lumped_resistance=1e5, capacitance=1e-12, drain_sensitivity=0.5)
    chip = pair(bit_line=line)
    close(charge(chip, [20.0, 20.0], method), [111.630639458213382])
    # 8 bits over 150 units: 111.63/150 x 255 = 189.77, code 190, 190/255 x 150.
    read = chip.replace(readout=am.Readout(bits=8, full_scale=150 * UNIT))
    close(charge(read, [20.0, 20.0], method), [111.764705882352941])


def array_of_six(**parts: Any) -> am.Chip:
    """3 x 2, mirrored columns: plain cells feel the line below by 0.1, mirrored the one above."""
    return am.Chip(
        name="3x2",
        cell_current=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) * UNIT_CURRENT,
        layout=am.Layout.mirrored_columns(3, 2),
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.0], [0.0, 0.2]]),
        **parts,
    )


def test_six_cells_in_two_classes(method: str) -> None:
    # t = (10, 30, 20): slots 0-10 all on, 10-20 lines 1 and 2, 20-30 line 1.
    # Plain: 10 (1 + 3 e^0.1 + 5 e^0.1) + 10 (3 + 5 e^0.1) + 10 x 3 = 70 + 130 e^0.1.
    # Mirrored: 10 (2 e^0.2 + 4 e^0.2 + 6) + 10 (4 e^0.2 + 6) + 10 x 4 = 160 + 100 e^0.2.
    expected = [213.672219349834191, 282.140275816016983]
    result = charge(array_of_six(), [10.0, 30.0, 20.0], method)
    np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize("kind", ["by_cell", "map"])
def test_six_cells_described_cell_by_cell(method: str, kind: str) -> None:
    if kind == "by_cell":
        below = [[0.0, 0.0], [0.1, 0.0], [0.1, 0.0]]
        above = [[0.0, 0.2], [0.0, 0.2], [0.0, 0.0]]
        coupling: Any = am.CouplingByCell(offsets=(-1, 1), kappa=[below, above])
    else:
        coupling = am.CouplingMap(
            victim=[1, 2, 0, 1],
            aggressor=[0, 1, 1, 2],
            kappa=[[0.1, 0.0], [0.1, 0.0], [0.0, 0.2], [0.0, 0.2]],
        )
    result = charge(array_of_six().replace(coupling=coupling), [10.0, 30.0, 20.0], method)
    np.testing.assert_allclose(result, [213.672219349834191, 282.140275816016983], rtol=1e-14)


def test_lifts_of_several_neighbours_add(method: str) -> None:
    # Line 1 between two aggressors, 0.1 + 0.2: 3 e^0.3 and 4 e^0.3, 10 ns; others unlifted.
    chip = array_of_six().replace(
        coupling=am.CouplingMap(victim=[1, 1], aggressor=[2, 0], kappa=[[0.2, 0.2], [0.1, 0.1]])
    )
    # 10 (1 + 5 + 3 e^0.3) = 100.49576422728009; 10 (2 + 6 + 4 e^0.3) = 133.99435230304012.
    result = charge(chip, [10.0, 10.0, 10.0], method)
    np.testing.assert_allclose(result, [100.49576422728009, 133.99435230304012], rtol=1e-14)


def test_six_cells_on_a_wire(method: str) -> None:
    # r = 100 kohm, g = 0.1, first order, all on for 10 ns, plain line, I = (1, 3, 5):
    # segments carry 9, 8, 5 units: V = 0.09, 0.17, 0.22 V;
    # 9 - 0.1 (1 x 0.09 + 3 x 0.17 + 5 x 0.22) = 8.83. Mirrored, I = (2, 4, 6), segments
    # 12, 10, 6, V = 0.12, 0.22, 0.28: 12 - 0.1 (0.24 + 0.88 + 1.68) = 11.72.
    line = am.BitLine(wire_resistance=1e5, drain_sensitivity=0.1, solution="first_order")
    chip = array_of_six(bit_line=line).replace(coupling=None)
    np.testing.assert_allclose(charge(chip, [10.0, 10.0, 10.0], method), [88.3, 117.2], rtol=1e-14)


def test_merged_slots_weigh_the_lift_by_the_overlap() -> None:
    # Only "slots" merges.
    array, width = array_tensors(pair()), torch.tensor([50.0, 20.0]).double() * NS
    outcome = slots.simulate(array, width, merge_tolerance=50.5 * NS)
    assert outcome.n_slots == 1
    # Word line 1 is high for 0.4 of the slot: 50 x 2 e^0.08 + 20 x 3 e^0.1.
    close(outcome.charge.numpy() / UNIT, [174.638961852034713])
    # Only cell 0 has a neighbour that switches inside: 50 x 2 e^0.2 (1 - e^-0.2).
    assert outcome.merge_bound is not None
    close(outcome.merge_bound.numpy() / UNIT, [22.1402758160169834])
    kept_apart = slots.simulate(array, width, merge_tolerance=49.5 * NS)
    assert kept_apart.n_slots == 2
    close(kept_apart.charge.numpy() / UNIT, [175.16636541094565])
