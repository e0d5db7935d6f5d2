"""Bit line: voltage drop from cell to sense node.

A cell's current falls with the drop V at its drain, I = I' (1 - g V), g the drain
sensitivity. The bit line is a ladder: node m (m = 1 nearest to the sense end) hangs on
node m - 1 through a resistance rho_m; rho_1 = R_lumped + r d_1, rho_m = r (d_m - d_(m-1)).
That is the resistance matrix R_jk = R_lumped + r min(d_j, d_k) of the wire.

Self-consistent solution. Let everything from node m outwards draw J_m = A_m - B_m v_m
when node m sits at drop v_m. The last node alone has A = I', B = g I'. Behind rho_m,
v_m = v_(m-1) + rho_m J_m turns that into (A_m - B_m v_(m-1)) / (1 + rho_m B_m), and adding
the cell of node m - 1 adds I' to A and g I' to B. So B = g A at every node, and one
number per node is left:

    A_(m-1) = I'_(m-1) + A_m / (1 + g rho_m A_m),   J = A_1 / (1 + g rho_1 A_1).

The drop is linear in the currents, hence this is exact for any drop, in N steps, with
nothing to iterate. An integrating line's droop lowers all drains alike, which scales the
whole solution by 1 - g V_droop; see `droop`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.physics.exponential import expm1


def _outward_load(current: Tensor, resistance: Tensor, sensitivity: Tensor) -> list[Tensor]:
    """A_m of the module docstring, nearest node first."""
    # unbind, not indexing: the gradient of N index operations writes N arrays of full size.
    currents, resistances = current.unbind(0), resistance.unbind(0)
    load = [currents[-1]]
    for own, outer in zip(currents[-2::-1], resistances[:0:-1], strict=True):
        load.append(own + load[-1] / (1 + sensitivity * outer * load[-1]))
    return load[::-1]


def sense_current(current: Tensor, resistance: Tensor, sensitivity: Tensor) -> Tensor:
    """Self-consistent current at the sense node [A].

    `current` (N, ...) without drop, nearest word line first; `resistance` (N,) rho_m [ohm];
    `sensitivity` () g [1/V].
    """
    nearest = _outward_load(current, resistance, sensitivity)[0]
    return nearest / (1 + sensitivity * resistance[0] * nearest)


def node_drop(current: Tensor, resistance: Tensor, sensitivity: Tensor) -> Tensor:
    """Self-consistent drop v_m at every node [V]; shapes as `sense_current`, returns (N, ...).

    From the sense end outwards, v_m = (v_(m-1) + rho_m A_m) / (1 + g rho_m A_m).
    """
    drop, nodes = torch.zeros_like(current[0]), []
    for m, load in enumerate(_outward_load(current, resistance, sensitivity)):
        step = resistance[m] * load
        drop = (drop + step) / (1 + sensitivity * step)
        nodes.append(drop)
    return torch.stack(nodes)


def segment_current(current: Tensor) -> Tensor:
    """Current through every segment without drop, S_m = sum of I'_k for k >= m."""
    return torch.flip(torch.cumsum(torch.flip(current, (0,)), 0), (0,))


def node_drop_first_order(current: Tensor, resistance: Tensor) -> Tensor:
    """Drop [V] at every node that the undiminished currents would make."""
    shape = (-1,) + (1,) * (current.dim() - 1)
    return torch.cumsum(resistance.view(shape) * segment_current(current), 0)


def sense_current_first_order(current: Tensor, resistance: Tensor, sensitivity: Tensor) -> Tensor:
    """First-order current at the sense node [A], sum I' - g sum_m rho_m S_m^2."""
    through = segment_current(current)
    lost = torch.tensordot(resistance, through**2, dims=([0], [0]))
    return through[0] - sensitivity * lost


def droop(charge: Tensor, capacitance: Tensor, sensitivity: Tensor) -> Tensor:
    """Charge [C] that an unclamped line of `capacitance` [F] collects.

    dQ/dt = I(t) (1 - g Q/C) gives Q = (C/g) (1 - e^(-g Q0/C)) for the undrooped charge Q0,
    whatever the current's course. Written as Q0 (1 - e^-y)/y with y = g Q0/C, whose limit
    1 - y/2 keeps value and gradient finite at g = 0 or Q0 = 0.
    """
    y = sensitivity * charge / capacitance
    none = y == 0
    nonzero = torch.where(none, torch.ones_like(y), y)
    return charge * torch.where(none, 1 - y / 2, -expm1(-nonzero) / nonzero)


def droop_first_order(charge: Tensor, capacitance: Tensor, sensitivity: Tensor) -> Tensor:
    """Charge [C] with the droop that the undiminished charge would make, Q0 - g Q0^2 / 2C."""
    return charge - sensitivity * charge**2 / (2 * capacitance)
