"""Fit of single cells on top of the shared parameters.

Cells differ: a weight departs from its one-hot read, a coupling capacitor from those of
its class. Each departure is a random effect, Gaussian around zero, whose spread the data
themselves say: what the reads and the layout explain stays shared, what is left belongs to
the cell that shows it. Charges are not linear in departures, so `departures` are solved for
again and again around where they led.
"""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np

from analog_model.calibration.departures import (
    Local,
    Solution,
    Spread,
    doubted_variance,
    expected_spread,
    solve,
)
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
FIRST_SPREAD = {"weights": 0.01, "kappa": 0.05}
# Without reads nothing is known of a weight but its range.
NO_READ_SPREAD = 1.0


def _local_problem(
    fit: Fit, reads: OneHotReads, observations: Observations, departure: np.ndarray
) -> Local:
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
    return Local(
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
            solution = solve(local, spread, dispersion, room)
            expected = expected_spread(local, solution, fixed)
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


def _arrived(solution: Solution, room: np.ndarray) -> bool:
    """Whether the shared step was small beside what its parameters are known to."""
    covariance, _ = covariance_of(solution.information, room[1] - room[0])
    return bool((np.abs(solution.step) <= ARRIVED * np.sqrt(np.diag(covariance))).all())


def _finished(
    fit: Fit,
    reads: OneHotReads,
    observations: Observations,
    departure: np.ndarray,
    solution: Solution,
) -> Fit:
    """The fit with everything that follows from its last point, solved there once more."""
    local = _local_problem(fit, reads, observations, departure)
    dispersion = 1.0 if observations.noise_known else solution.dispersion
    solution = solve(local, solution.spread, dispersion, _room(fit))
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
    error = np.sqrt(doubted_variance(local, solution, dispersion, _room(fit)) * scale)
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
