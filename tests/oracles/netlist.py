"""Netlist of one array for ngspice, written from the circuit rather than from the model.

Cells are behavioural current sources with the EKV law; everything else is circuit: word
lines are voltage sources with finite edges, bit lines are resistor ladders to a sense node
that an ideal source or an integrating capacitor holds, charges are voltages on capacitors.

All voltages of word lines are in units of V_WL. The bit line's nominal voltage is taken as
0 V, so a drop appears as a negative node voltage. A cell draws

    I = I_S ln^2(1 + e^((u + sum kappa_a v_a - K (1 - v_own))/2)) (1 + g v_node) v_gate,

u = 2 ln(e^sqrt(I_hot/I_S) - 1). With K = 0 the cell is a switch, v_gate = v_own; with K > 0
its own word line acts on the floating gate as in the real cell and v_gate = 1.
"""

from __future__ import annotations

import math
import re
import subprocess
from pathlib import Path

import numpy as np

import analog_model as am

BEGIN = 20e-9


def _pulse(start: float, width: float, edge: float) -> str:
    """PWL of a pulse whose half-height points lie `width` apart."""
    if width <= 0:
        return "DC 0"
    half = edge / 2
    corners = [
        (start - half, 0),
        (start + half, 1),
        (start + width - half, 1),
        (start + width + half, 0),
    ]
    return "PWL(0 0 " + " ".join(f"{BEGIN + time:.16e} {level}" for time, level in corners) + ")"


def _cell(chip: am.Chip, j: int, i: int, own_gate: float) -> str:
    """Expression of the current that cell (j, i) draws from its node."""
    law, coupling, hot = chip.cell_law, chip.coupling, float(chip.cell_current[j, i])
    if hot == 0:
        return "0"
    lift = "0"
    if coupling is not None:
        lines = coupling.aggressors(chip.layout)[:, j]
        kappa = coupling.kappa_of_cells(chip.layout)[:, j, i]
        lift = (
            " ".join(
                f"{value:+.16e}*v(w{line})"
                for line, value in zip(lines, kappa, strict=True)
                if line < chip.n_word_lines
            )
            or "0"
        )
    gate = f"v(w{j})" if own_gate == 0 else "1"
    drain = f"(1 + {chip.bit_line.drain_sensitivity:.16e}*v(n{j}_{i}))"
    if isinstance(law, am.WeakInversion):
        return f"{hot:.16e}*exp({lift} - {own_gate}*(1 - v(w{j})))*{drain}*{gate}"
    u = 2 * math.log(math.expm1(math.sqrt(hot / law.specific_current)))
    inside = f"({u:.16e} + {lift} - {own_gate}*(1 - v(w{j})))/2"
    return f"{law.specific_current:.16e}*ln(1 + exp({inside}))^2*{drain}*{gate}"


def _bit_line(chip: am.Chip, i: int, charge_unit: float) -> list[str]:
    """Ladder, sense end, charge meter of one bit line; v(q) is the charge in its unit."""
    line, order = chip.bit_line, np.argsort(chip.segments_to_sense, kind="stable")
    cards, before, distance = [], f"s{i}", 0.0
    for place, j in enumerate(order.tolist()):
        ohms = line.wire_resistance * (float(chip.segments_to_sense[j]) - distance)
        ohms += line.lumped_resistance if place == 0 else 0.0
        # A wire without resistance is a source of 0 V.
        name = f"{j}_{i} n{j}_{i} {before}"
        cards.append(f"R{name} {ohms:.16e}" if ohms > 0 else f"V{name} 0")
        before, distance = f"n{j}_{i}", float(chip.segments_to_sense[j])
    if line.capacitance is None:
        cards += [f"Vs{i} 0 s{i} 0", f"Bq{i} 0 q{i} I=i(Vs{i})*{1e-9 / charge_unit:.16e}"]
        cards += [f"Cq{i} q{i} 0 1e-9 IC=0"]
    else:
        cards += [f"Cs{i} s{i} 0 {line.capacitance:.16e} IC=0"]
        cards += [f"Eq{i} q{i} 0 s{i} 0 {-line.capacitance / charge_unit:.16e}"]
    return cards


def netlist(
    chip: am.Chip,
    start: np.ndarray,
    width: np.ndarray,
    *,
    charge_unit: float,
    edge: float,
    own_gate: float = 0.0,
) -> str:
    """Deck that prints v(q0), v(q1), ... at the end of the operation."""
    end = BEGIN + float((start + width).max()) + edge + 1e-9
    lines = ["* one array"]
    lines += [
        f"Vw{j} w{j} 0 {_pulse(float(start[j]), float(width[j]), edge)}"
        for j in range(chip.n_word_lines)
    ]
    for i in range(chip.n_bit_lines):
        lines += _bit_line(chip, i, charge_unit)
        for j in range(chip.n_word_lines):
            lines.append(f"B{j}_{i} n{j}_{i} 0 I={_cell(chip, j, i, own_gate)}")
    prints = [f"print q{i}[length(q{i})-1]" for i in range(chip.n_bit_lines)]
    lines += [
        # Charges are of order one; bit-line currents down to 1e-9 A must converge too.
        ".options reltol=1e-7 abstol=1e-18 vntol=1e-12 chgtol=1e-24 gmin=1e-20 numdgt=15",
        ".control",
        "set numdgt=15",
        f"tran 0.5n {end:.16e} 0 0.5n uic",
        *prints,
        "quit",
        ".endc",
        ".end",
    ]
    return "\n".join(lines) + "\n"


def charges(ngspice: Path, deck: str, folder: Path, n_bit_lines: int) -> np.ndarray:
    """What ngspice prints for the deck, in the deck's charge unit."""
    source = folder / "array.cir"
    source.write_text(deck)
    done = subprocess.run(
        [str(ngspice), "-b", "-n", str(source)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.findall(r"^q(\d+)\[\S+ = (\S+)$", done.stdout, flags=re.MULTILINE)
    assert len(found) == n_bit_lines, f"{done.stdout}\n{done.stderr}\n{deck}"
    return np.array([float(value) for _, value in found])
