"""Fit of single cells on top of the shared parameters.

Cells differ: a weight departs from its one-hot read, a coupling capacitor from those of
its class. Each departure is a random effect, Gaussian around zero, whose spread the data
themselves say (empirical Bayes, by expectation maximisation): what the reads and the
layout explain stays shared, what is left belongs to the cell that shows it.

Bit lines do not share cells, so with the shared parameters fixed each is a small linear
problem of its own, and the shared ones are left with their Schur complement.
Laird, Ware, Biometrics 38 (1982) 963.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import lsq_linear

from analog_model.calibration.fit import Fit, covariance_of, left_out
from analog_model.calibration.linearisation import linearise, linearise_shared
from analog_model.calibration.observations import Observations
from analog_model.calibration.reads import OneHotReads

# Departures scale with what departs, but no cell is more certain than one part in a
# hundred of the largest.
FLOOR = 0.01
GAUSS_NEWTON_STEPS = 5
EXPECTATION_STEPS = 60
SETTLED = 0.003
# A shared step below this part of the standard errors ends the climb.
ARRIVED = 0.01
# A departure as large as what departs is no spread of like cells any more.
LARGEST_SPREAD = 1.0
UNSEEN = 1e-6
FIRST_SPREAD = {"weights": 0.01, "kappa": 0.05}
# Without reads nothing is known of a weight but its range.
NO_READ_SPREAD = 1.0


@dataclass(frozen=True)
class Spread:
    """Relative spread of the departures, `weights` and `kappa`; 0 where they are not free."""

    weights: float
    kappa: float


@dataclass(frozen=True)
class _Local:
    """Linear problem of all bit lines: departures x with prior precision.

    `columns` (M, V, L) weighted derivatives, `scale` (M, L) the unit of each departure,
    `shared` (M, V, size), `target` (M, V) what is left to explain, `value` (M, L) now;
    `aim` (M, V) is what departures and shared step are to explain together, for a
    departure is looked for as a whole, not as a step from the present one.
    """

    columns: np.ndarray
    scale: np.ndarray
    shared: np.ndarray
    target: np.ndarray
    value: np.ndarray
    n_weights: int

    @cached_property
    def aim(self) -> np.ndarray:
        return self.target + np.einsum("ivk,ik->iv", self.columns, self.value)

    @cached_property
    def normal(self) -> np.ndarray:
        return self.columns.transpose(0, 2, 1) @ self.columns

    @cached_property
    def cross(self) -> np.ndarray:
        return self.columns.transpose(0, 2, 1) @ self.shared

    @cached_property
    def right(self) -> np.ndarray:
        return np.einsum("ivk,iv->ik", self.columns, self.aim)

    @cached_property
    def gram(self) -> np.ndarray:
        return np.einsum("ivg,ivh->gh", self.shared, self.shared, optimize=True)

    @cached_property
    def slope(self) -> np.ndarray:
        return np.einsum("ivg,iv->g", self.shared, self.aim)


@dataclass(frozen=True)
class _Solution:
    """Departures `value` (M, L), the shared `step`, what follows from them.

    `inverse` (M, L, L) of the departures' normal equations, `solved` (M, L, size) how they
    answer for a shared step, `information` on that once they are given up.
    """

    step: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    spread: Spread
    dispersion: float
    information: np.ndarray
    inverse: np.ndarray
    solved: np.ndarray


def _precision(local: _Local, spread: Spread, dispersion: float) -> np.ndarray:
    """Prior precision (M, L) of each departure in units of the noise."""
    relative = np.full(local.scale.shape, spread.kappa)
    relative[:, : local.n_weights] = spread.weights
    deviation = relative * local.scale
    with np.errstate(divide="ignore"):
        return dispersion / deviation**2


def _bounded_step(
    information: np.ndarray, gradient: np.ndarray, total: np.ndarray, bounds: np.ndarray
) -> np.ndarray:
    """Shared step of least squares within bounds; `total` is the information before losses.

    Damped as weakly as the bounds are wide: what no pattern shows does not move.
    """
    information = information + np.diag(1 / (bounds[1] - bounds[0]) ** 2)
    step = np.zeros(gradient.size)
    scale = np.sqrt(np.clip(np.diag(information), 0.0, None))
    # What the cells can mimic to within rounding has no step of its own.
    seen = (scale > UNSEEN * np.sqrt(np.diag(total))) & (scale > 0)
    if seen.any():
        scale, core = scale[seen], information[np.ix_(seen, seen)]
        value, vector = np.linalg.eigh(core / np.outer(scale, scale))
        root = np.sqrt(np.clip(value, 1e-14, None))
        design = (root[:, None] * vector.T) * scale
        wanted = (vector.T @ (gradient[seen] / scale)) / root
        step[seen] = lsq_linear(design, wanted, bounds=(bounds[0][seen], bounds[1][seen])).x
    return step


def _solve(local: _Local, spread: Spread, dispersion: float, bounds: np.ndarray) -> _Solution:
    """Departures and shared step of least penalised squares under a given prior."""
    precision = _precision(local, spread, dispersion)
    free = np.isfinite(precision)
    both = free[:, :, None] & free[:, None, :]
    normal = np.where(both, local.normal, 0.0)
    place = np.arange(normal.shape[1])
    penalised = normal.copy()
    penalised[:, place, place] += np.where(free, precision, 1.0)
    inverse = np.linalg.inv(penalised)
    cross = np.where(free[:, :, None], local.cross, 0.0)
    right = np.where(free, local.right, 0.0)
    solved = inverse @ cross
    information = local.gram - np.einsum("ikg,ikh->gh", cross, solved, optimize=True)
    gradient = local.slope - np.einsum("ikg,ik->g", solved, right)
    step = _bounded_step(information, gradient, local.gram, bounds)
    departure = np.einsum("ikl,il->ik", inverse, right) - solved @ step
    variance = np.einsum("ikk->ik", inverse).copy()
    if step.size:
        covariance, _ = covariance_of(information, bounds[1] - bounds[0])
        finite = np.where(np.isfinite(covariance), covariance, 0.0)
        variance += np.einsum("ikg,gh,ikh->ik", solved, finite, solved, optimize=True)
    missed = local.aim - np.einsum("ivk,ik->iv", local.columns, np.where(free, departure, 0.0))
    missed = missed - local.shared @ step
    used = float(np.einsum("ikl,ilk->", inverse, normal)) + step.size
    return _Solution(
        step=step,
        value=np.where(free, departure, 0.0),
        variance=np.where(free, variance, 0.0),
        spread=spread,
        dispersion=float((missed**2).sum() / max(missed.size - used, 1.0)),
        information=information,
        inverse=np.where(both, inverse, 0.0),
        solved=np.where(free[:, :, None], solved, 0.0),
    )


def _expected_spread(local: _Local, solution: _Solution, fixed: Spread | None) -> Spread:
    """Spread that makes the departures, with their uncertainty, most likely."""
    square = (solution.value**2 + solution.dispersion * solution.variance) / local.scale**2
    n = local.n_weights

    def of(part: np.ndarray, now: float) -> float:
        return min(float(np.sqrt(part.mean())), LARGEST_SPREAD) if now > 0 and part.size else 0.0

    kappa = of(square[:, n:], solution.spread.kappa)
    if fixed is not None:
        return replace(solution.spread, kappa=kappa)
    return Spread(of(square[:, :n], solution.spread.weights), kappa)


def _local_problem(
    fit: Fit, reads: OneHotReads, observations: Observations, departure: np.ndarray
) -> _Local:
    parameters = fit.parameters
    point = linearise(
        parameters, fit.vector, reads, observations, departure=departure, deviation=fit.deviation
    )
    # How the mean depends on the shared parameters, single kappas at those of their class:
    # taken at the departures, it would favour the parameters under which cells depart easily
    # (generalised least squares; Vonesh, Carter, Biometrics 48 (1992) 1).
    _, mean = linearise_shared(parameters, fit.vector, reads, observations, departure=departure)
    weight = np.sqrt(fit.influence) / observations.sigma
    n_vectors, n_bit_lines = weight.shape
    by_weight = point.jacobian.cell_current.numpy()
    by_kappa = point.jacobian.kappa.numpy().reshape(n_vectors, -1, n_bit_lines)
    columns = np.concatenate([by_weight, by_kappa], axis=1) * weight[:, None, :]
    current = reads.current
    current_scale = np.hypot(current, FLOOR * current.max())
    kappa = np.abs(parameters.kappa_of_cells(fit.vector))
    kappa_scale = np.hypot(kappa, FLOOR * max(kappa.max(initial=0.0), 1e-6))
    scale = np.concatenate([current_scale, kappa_scale.reshape(-1, n_bit_lines)])
    value = np.concatenate([departure, fit.deviation.reshape(-1, n_bit_lines)])
    return _Local(
        columns=columns.transpose(2, 0, 1),
        scale=scale.T,
        shared=(mean * weight[:, :, None]).transpose(1, 0, 2),
        target=((observations.charge - point.charge) * weight).T,
        value=value.T,
        n_weights=current.shape[0],
    )


def _first_spread(fit: Fit, reads: OneHotReads) -> tuple[Spread, Spread | None]:
    """Spread to begin with, and the one to keep where there are no reads to depart from."""
    free = fit.parameters.rung.free
    weights = FIRST_SPREAD["weights"] if "weights" in free else 0.0
    kappa = FIRST_SPREAD["kappa"] if "kappa" in free and fit.parameters.group.size else 0.0
    if reads.source == "none" and weights:
        fixed = Spread(NO_READ_SPREAD / FLOOR, kappa)
        return fixed, fixed
    return Spread(weights, kappa), None


def fit_cells(fit: Fit, reads: OneHotReads, observations: Observations) -> tuple[Fit, Spread]:
    """The fit of a rung with free cells, begun from a fit of the same shared parameters.

    Returns it with the spreads found. Raises nothing: departures are always determined,
    by their prior if by nothing else.
    """
    first, fixed = _first_spread(fit, reads)
    spread = first
    departure = np.zeros_like(reads.current)
    n_word_lines, dispersion = reads.current.shape[0], 1.0
    lower, upper = fit.parameters.bounds()
    for _ in range(GAUSS_NEWTON_STEPS):
        local = _local_problem(fit, reads, observations, departure)
        room = _room(fit)
        # From above: out of a spread near zero expectation maximisation hardly climbs.
        spread = Spread(max(spread.weights, first.weights), max(spread.kappa, first.kappa))
        for _ in range(EXPECTATION_STEPS):
            solution = _solve(local, spread, dispersion, room)
            expected = _expected_spread(local, solution, fixed)
            settled = np.allclose(astuple(spread), astuple(expected), rtol=SETTLED, atol=0)
            spread = expected
            if not observations.noise_known:
                dispersion = solution.dispersion
            if settled:
                break
        departure = solution.value[:, :n_word_lines].T
        deviation = solution.value[:, n_word_lines:].T.reshape(fit.deviation.shape)
        vector = np.clip(fit.vector + solution.step, lower, upper)
        fit = replace(fit, vector=vector, deviation=deviation)
        if _arrived(solution, room):
            break
    return _finished(fit, reads, observations, departure, solution), spread


def _room(fit: Fit) -> np.ndarray:
    """Bounds (2, size) of the next step, wide enough for none."""
    lower, upper = fit.parameters.bounds()
    return np.stack([lower - fit.vector - 1e-12, upper - fit.vector + 1e-12])


def _arrived(solution: _Solution, room: np.ndarray) -> bool:
    """Whether the shared step was small beside what its parameters are known to."""
    covariance, _ = covariance_of(solution.information, room[1] - room[0])
    return bool((np.abs(solution.step) <= ARRIVED * np.sqrt(np.diag(covariance))).all())


def _finished(
    fit: Fit,
    reads: OneHotReads,
    observations: Observations,
    departure: np.ndarray,
    solution: _Solution,
) -> Fit:
    """The fit with everything that follows from its last point, solved there once more."""
    local = _local_problem(fit, reads, observations, departure)
    solution = _solve(local, solution.spread, solution.dispersion, _room(fit))
    covariance, seen = covariance_of(solution.information, fit.parameters.room())
    residual = -local.target.T
    scale = solution.dispersion
    if observations.noise_known:
        scale = max(scale, 1.0)
    # The pattern's own bit lines leverage their cells, the shared parameters the rest.
    leverage = ((local.columns @ solution.inverse) * local.columns).sum(axis=2)
    kept = np.clip(1 - leverage.T, 1e-9, None)
    projected = (local.shared - local.columns @ solution.solved).transpose(1, 0, 2)
    # (K - P C P^T)^-1 r with K what the cells leave, as K^-1/2 (1 - B C B^T)^-1 K^-1/2 r.
    root = np.sqrt(kept)
    held_out = residual / kept
    if fit.parameters.size:
        held_out = left_out(residual / root, projected / root[:, :, None], covariance) / root
    dead = fit.parameters.scalar(fit.vector, "dead_time") or 0.0
    n_word_lines = reads.current.shape[0]
    error = np.sqrt(solution.variance * scale)
    base = reads.corrected(dead * fit.parameters.reference.width)
    return replace(
        fit,
        covariance=covariance * scale,
        seen=seen,
        dispersion=solution.dispersion,
        residual=residual,
        held_out=held_out,
        cell_current=np.maximum(base + departure, 0.0),
        cell_error=error[:, :n_word_lines].T,
        deviation_error=error[:, n_word_lines:].T.reshape(fit.deviation.shape),
    )
