"""Modes of the voltage drop along a bit line.

To first order a bit line loses the charge

    L = g int dt sum_jk R_jk J_j(t) J_k(t),   R_jk = R_lumped + r min(d_j, d_k),

J_j(t) the current of cell j. R is smooth, and so is the course of the summed current in
time; both are expanded in few functions:

- space: Nystroem's R ~ (R Z)(Z' R Z)^-1 (R Z)' = Psi Psi' on the polynomials Z up to degree
  P - 1, exact for every current profile within them;
- time: R orthonormal polynomials b_m(t/T), the first the mean course of the activations, the
  next those along which the courses of single operations depart from it most.

Each mode is one product U_nm = sum_j Psi_jn I_j A_jm with A_jm = int b_m a_j F_j dt/T, and
L = g T sum U_nm^2. What the expansion leaves out of the diagonal j = k, where all terms
have one sign, is kept: it is linear in the pulse width and goes into the weights.

Self-consistency. The drop V lowers the currents that make it. With the second-order term
L2 = g^2 int sum_j J_j V_j^2, V_j = sum_nm Psi_jn b_m U_nm, the lost charge is L^2/(L + L2),
which agrees with the exact ladder (a hyperbolic tangent for equal cells) to third order.
L2 is a sum over j of J_j times a smooth function, Psi Psi b b; projecting that function on
the modes themselves makes L2 a cubic form of the U_nm, without any further product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor

_N_TIMES = 128
_COURSE_DEGREE = 4
_OPERATIONS = 256
# Modes that the whole self-consistent term is formed from, (space, time); the others only add
# to L. More of them where they are few beside the modes that are formed anyway.
_FEEDBACK, _MORE_FEEDBACK, _MANY_MODES = (2, 3), (3, 4), 48


@dataclass(frozen=True)
class DropModes:
    """Modes in units where time is counted in T and currents in I_max.

    P space modes, R time modes, N word lines:

    - `space` (N, P): sqrt(g I_max) Psi_jn;
    - `time` (R, D): coefficients of c_m(tau) with int_0^tau b_m = tau c_m(tau), constant
      term first;
    - `own` (N,): g I_max times what the modes leave out of R_jj, per unit of pulse width,
      in the mean over the sample; `diagonal` (N,): g I_max R_jj, to form it exactly;
    - `feedback` (P', R', P', R', P', R'): the cubic form of L2 on the leading modes, with
      P' = min(P, 2), R' = min(R, 3), or up to 3 by 4 where there are many modes; or the
      first mode alone.
    """

    space: np.ndarray
    time: np.ndarray
    own: np.ndarray
    diagonal: np.ndarray
    feedback: np.ndarray


def resistance_matrix(segment_resistance: np.ndarray, ladder_order: np.ndarray) -> np.ndarray:
    """R_jk [ohm] in word-line order: the resistance that the paths of j and k share."""
    rank = np.argsort(ladder_order)
    shared = np.cumsum(segment_resistance)
    return np.asarray(shared[np.minimum.outer(rank, rank)])


def space_modes(resistance: np.ndarray, count: int) -> np.ndarray:
    """Psi (N, P) with R ~ Psi Psi', the strongest first; fewer where R has lower rank."""
    at = np.linspace(-1.0, 1.0, resistance.shape[0]) if resistance.shape[0] > 1 else np.zeros(1)
    trial, _ = np.linalg.qr(legendre.legvander(at, count - 1))
    image = resistance @ trial
    value, vector = np.linalg.eigh(trial.T @ image)
    kept = np.flatnonzero(value > value.max() * 1e-12)[::-1]
    return np.asarray(image @ vector[:, kept] / np.sqrt(value[kept]))


def reduced_integrals(width: Tensor, count: int) -> list[Tensor]:
    """(1/tau) int_0^tau p_d dt for the first `count` p_d, shaped like `width` = tau.

    p_d = sqrt(2d + 1) P_d(2t - 1), orthonormal on [0, 1]. From Legendre's equation the
    quotient is -2 sqrt(2d + 1) (1 - tau) P_d'(2 tau - 1) / (d (d + 1)), and P_d' obeys
    Gegenbauer's recurrence, so nothing cancels and nothing is divided by tau.
    """
    x, left = 2 * width - 1, -2 * (1 - width)
    before, slope = torch.zeros_like(x), torch.ones_like(x)
    found = [slope]
    for d in range(1, count):
        found.append(left * slope * (np.sqrt(2 * d + 1) / (d * (d + 1))))
        before, slope = slope, ((2 * d + 1) * x * slope - (d + 1) * before) / d
    return found


def time_modes(pulse_width: np.ndarray, count: int) -> np.ndarray:
    """b_m in the p_d, (R, D): orthonormal rows, the first the mean course of the pulses.

    `pulse_width` (W, N): widths in units of T of the N cells that share a bit line, in W
    operations; (N,) of one. The course of one operation, sum_j a_j(t), is projected through
    its moments sum_j int_0^t_j p_d dt. The rows after the mean course are the principal
    directions of what the operations' courses hold beside it, then follows rising degree.
    """
    size = max(count, _COURSE_DEGREE + 1)
    sample = torch.as_tensor(np.atleast_2d(pulse_width))
    courses = np.zeros((len(sample), size))
    reduced = reduced_integrals(sample, _COURSE_DEGREE + 1)
    courses[:, : _COURSE_DEGREE + 1] = torch.stack([(sample * c).sum(1) for c in reduced], 1)
    mean = courses.sum(0)
    candidates = np.vstack([*_departures(courses, mean), np.eye(size)])
    # QR in the order of the candidates is Gram-Schmidt; some of them are always redundant.
    rows: list[np.ndarray] = []
    for candidate in candidates / np.linalg.norm(candidates, axis=1, keepdims=True):
        rest = candidate
        for _ in range(2):
            for row in rows:
                rest = rest - row * (row @ rest)
        if np.linalg.norm(rest) > 1e-6 and len(rows) < count:
            rows.append(rest / np.linalg.norm(rest))
    return np.stack(rows)


def _departures(courses: np.ndarray, mean: np.ndarray) -> list[np.ndarray]:
    """The mean course, then the principal directions beside it; none of no pulses."""
    if not mean.any():
        return []
    first = mean / np.linalg.norm(mean)
    beside = courses - np.outer(courses @ first, first)
    _, strength, direction = np.linalg.svd(beside, full_matrices=False)
    return [first, *direction[strength > 1e-6 * np.linalg.norm(courses)]]


def _feedback(space: np.ndarray, time: np.ndarray, pulse_width: np.ndarray) -> np.ndarray:
    """Projection of each product of two modes on the modes, (P, R, P, R, P, R).

    Cells draw currents of mean mu and variance mu^2, independently, while they are on:
    the squared error to be least is then (sum of the misfit)^2 + sum of its square.
    """
    times = (np.arange(_N_TIMES) + 0.5) / _N_TIMES
    on = (pulse_width[:, None] > times).mean(0)
    degree = np.arange(time.shape[1])
    polynomials = legendre.legvander(2 * times - 1, degree[-1]) * np.sqrt(2 * degree + 1)
    value = time @ polynomials.T
    mode = np.einsum("jn,mt->nmjt", space, value).reshape(-1, space.shape[0], _N_TIMES)
    flat = mode.reshape(mode.shape[0], -1)
    by_cell = np.tile(on / _N_TIMES, space.shape[0])
    weighted = flat * by_cell
    total = weighted.sum(1)
    gram = weighted @ flat.T + np.outer(total, total)
    along = [flat * own @ weighted.T + np.outer(weighted @ own, total) for own in flat]
    solved = np.linalg.lstsq(gram, np.concatenate(along).T, rcond=1e-10)[0]
    return np.asarray(solved.T.reshape((space.shape[1], time.shape[0]) * 3))


def drop_modes(
    resistance: np.ndarray,
    strength: float,
    pulse_width: np.ndarray,
    *,
    n_space: int,
    n_time: int,
    whole_feedback: bool = True,
) -> DropModes:
    """Modes for `resistance` (N, N) [ohm], `strength` g I_max [1/ohm], a sample of widths / T.

    The sample as in `time_modes`: rows are the cells of one bit line in one operation.
    Not `whole_feedback`: the self-consistent term is formed from the first mode alone.
    Without a sample, or one of no pulses, the widths are taken as spread evenly.
    """
    operations = np.atleast_2d(np.asarray(pulse_width, dtype=float))
    if not operations.any():
        operations = ((np.arange(256) + 0.5) / 256)[None]
    space = space_modes(resistance, n_space) * np.sqrt(strength)
    time = time_modes(operations[:: max(1, len(operations) // _OPERATIONS)], n_time)
    # An odd stride: an even one would meet the same few word lines in every operation.
    sample = operations.ravel()[:: operations.size // 4096 | 1]
    kept = (space**2).sum(1)
    # A cell's own course: int a^2 dt = t_j, of which the modes hold sum_m (int_0^t_j b_m)^2.
    reduced = torch.stack(reduced_integrals(torch.as_tensor(sample), time.shape[1]))
    integral = time @ (reduced * torch.as_tensor(sample)).numpy()
    held = float((integral**2).sum() / sample.sum())
    diagonal = strength * np.diag(resistance)
    many = space.shape[1] * len(time) >= _MANY_MODES
    in_space, in_time = _MORE_FEEDBACK if many else _FEEDBACK
    if not whole_feedback:
        in_space = in_time = 1
    leading = space[:, :in_space], time[:in_time]
    return DropModes(space, time, diagonal - kept * held, diagonal, _feedback(*leading, sample))
