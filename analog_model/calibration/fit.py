"""Fit of the shared parameters with every cell frozen at its one-hot read.

Frozen cells cannot absorb an effect of the lines, so these parameters carry over to other
weights. SciPy's bounded least squares does the optimisation on exact Jacobians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import least_squares

from analog_model.calibration.observations import Observations
from analog_model.calibration.parameters import SharedParameters
from analog_model.calibration.reads import OneHotReads
from analog_model.physics.jacobian import ChargeJacobian, charge_jacobian

Progress = Callable[[str], None]

# Readings further off than this many robust standard deviations lose influence. Among
# 10^6 Gaussian readings less than one is.
OUTLIER = 5.0
ROBUST_ROUNDS = 3


@dataclass(frozen=True)
class Fit:
    """Shared parameters of one rung, fitted.

    `vector` in the internal coordinates of `parameters`, `covariance` likewise, already
    scaled by `dispersion`; `seen` (size,) is False where the patterns do not determine a
    parameter, `entangled` (size,) True where they depend on it all the same but cannot tell
    it from others. `residual` (V, M) and `held_out` (V, M), the residual of each pattern when it
    is left out, are in units of sigma, times the square root of the robust weight
    `influence` (V, M). `cell_current` (N, M) [A]; `deviation` (K, N, M) of the kappas of
    single cells, zero unless fitted; `cell_error`, `deviation_error` their standard errors.
    """

    parameters: SharedParameters
    vector: np.ndarray
    covariance: np.ndarray
    seen: np.ndarray
    entangled: np.ndarray
    dispersion: float
    influence: np.ndarray
    residual: np.ndarray
    held_out: np.ndarray
    cell_current: np.ndarray
    deviation: np.ndarray
    cell_error: np.ndarray
    deviation_error: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Standard errors in internal coordinates."""
        return np.sqrt(np.clip(np.diag(self.covariance), 0, None))

    def lost(self, name: str) -> bool:
        """Whether a scalar of the rung was fitted without becoming known."""
        if name not in self.parameters.scalars:
            return False
        place = len(self.parameters.kappa_names) + self.parameters.scalars.index(name)
        return bool(self.vector[place] < 2 * self.error[place])


@dataclass(frozen=True)
class Linearised:
    """Charge (V, M) [C] at a point with its derivative `columns` (V, M, size)."""

    charge: np.ndarray
    columns: np.ndarray
    jacobian: ChargeJacobian


def linearise(
    parameters: SharedParameters,
    vector: np.ndarray,
    reads: OneHotReads,
    observations: Observations,
    *,
    departure: np.ndarray | float = 0.0,
    deviation: np.ndarray | None = None,
) -> Linearised:
    """Charge and derivatives with cells at their reads plus `departure` (N, M) [A].

    Reads taken from single patterns owe their dead time, so they move with it.
    """
    dead = parameters.scalar(vector, "dead_time")
    width = parameters.reference.width
    base = reads.corrected(0.0 if dead is None else dead * width)
    array = parameters.array(vector, base + departure, deviation)
    jacobian = charge_jacobian(
        array, torch.tensor(observations.pulse_width), torch.tensor(observations.start)
    )
    columns = parameters.columns(vector, jacobian)
    if dead is not None and reads.read_at_width is not None:
        slope = base / (reads.read_at_width[:, None] - dead * width) * width
        place = len(parameters.kappa_names) + parameters.scalars.index("dead_time")
        columns[:, :, place] += np.einsum("vji,ji->vi", jacobian.cell_current.numpy(), slope)
    return Linearised(jacobian.charge.numpy(), columns, jacobian)


def influence_of(scaled: np.ndarray) -> np.ndarray:
    """Robust weight of every residual: 1 up to 5 sigma, then (5 sigma / residual)^4.

    Beyond the threshold what a reading adds to the misfit falls with its distance, so that
    a wrong one is forgotten; at a constant 5 sigma it would still pass for a spread of the
    cells. The scale is the median absolute residual, which outliers cannot move.
    """
    scale = 1.4826 * float(np.median(np.abs(scaled)))
    if scale == 0:
        return np.ones_like(scaled)
    excess = np.abs(scaled) / (OUTLIER * scale)
    return 1 / np.maximum(excess, 1.0) ** 4


def minimise(
    parameters: SharedParameters,
    reads: OneHotReads,
    observations: Observations,
    influence: np.ndarray,
    start: np.ndarray,
) -> np.ndarray:
    """Vector of least weighted squares within the bounds."""
    if not parameters.size:
        return start
    weight = np.sqrt(influence) / observations.sigma
    latest: dict[bytes, np.ndarray] = {}

    def residual(vector: np.ndarray) -> np.ndarray:
        point = linearise(parameters, vector, reads, observations)
        latest.clear()
        latest[vector.tobytes()] = (point.columns * weight[:, :, None]).reshape(-1, len(vector))
        return ((point.charge - observations.charge) * weight).ravel()

    def slope(vector: np.ndarray) -> np.ndarray:
        if vector.tobytes() not in latest:
            residual(vector)
        return latest[vector.tobytes()]

    lower, upper = parameters.bounds()
    inside = np.clip(start, lower, upper)
    found = least_squares(
        residual, inside, jac=slope, bounds=(lower, upper), x_scale="jac", xtol=1e-8, ftol=1e-7
    )
    return np.asarray(found.x)


def covariance_of(information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of an information matrix over the parameters that the data see, and these.

    A parameter is unseen when its column vanishes or lies in the span of the others to
    within rounding; its covariance is infinite.
    """
    size = information.shape[0]
    scale = np.sqrt(np.clip(np.diag(information), 0, None))
    seen = scale > 1e-12 * scale.max(initial=0.0)
    covariance = np.zeros((size, size))
    covariance[~seen, ~seen] = np.inf
    index = np.flatnonzero(seen)
    if index.size:
        unit = information[np.ix_(index, index)] / np.outer(scale[index], scale[index])
        value, vector = np.linalg.eigh(unit)
        good = value > 1e-12
        hidden = (vector[:, ~good] ** 2).sum(axis=1) > 1e-3
        inverse = (vector[:, good] / value[good]) @ vector[:, good].T
        covariance[np.ix_(index, index)] = inverse / np.outer(scale[index], scale[index])
        for lost in index[hidden]:
            covariance[lost, :] = covariance[:, lost] = 0.0
            covariance[lost, lost] = np.inf
            seen[lost] = False
    return covariance, seen


def left_out(residual: np.ndarray, columns: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Residuals (V, M) of every pattern in a fit without it, to first order.

    r_p = (1 - H_pp)^-1 r_p with H_pp = B_p C B_p^T the pattern's block of the hat matrix,
    `columns` B (V, M, size) weighted, `covariance` C before scaling.
    """
    finite = np.where(np.isfinite(covariance), covariance, 0.0)
    hat = np.einsum("vig,gh,vjh->vij", columns, finite, columns, optimize=True)
    block = np.eye(residual.shape[1]) - hat
    return np.linalg.solve(block, residual[:, :, None])[:, :, 0]


def fit_shared(
    parameters: SharedParameters,
    reads: OneHotReads,
    observations: Observations,
    *,
    influence: np.ndarray | None = None,
    trust: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> Fit:
    """Fit one rung; finds the robust weights itself unless `influence` is given.

    `trust` (V, M) multiplies them where they are found.
    """
    vector = parameters.start() if start is None else start
    rounds = ROBUST_ROUNDS if influence is None else 1
    before = np.ones_like(observations.charge) if trust is None else trust
    weights = before if influence is None else influence
    for turn in range(rounds):
        vector = minimise(parameters, reads, observations, weights, vector)
        point = linearise(parameters, vector, reads, observations)
        scaled = (point.charge - observations.charge) / observations.sigma
        if influence is None and turn + 1 < rounds:
            found = influence_of(scaled) * before
            if np.array_equal(found, weights):
                break
            weights = found
    root = np.sqrt(weights)
    columns = point.columns * (root / observations.sigma)[:, :, None]
    residual = scaled * root
    flat = columns.reshape(residual.size, parameters.size)
    covariance, seen = covariance_of(flat.T @ flat)
    freedom = max(residual.size - int(seen.sum()), 1)
    dispersion = float((residual**2).sum() / freedom)
    scale = dispersion if not observations.noise_known else max(dispersion, 1.0)
    dead = parameters.scalar(vector, "dead_time") or 0.0
    shape = parameters.group.shape
    return Fit(
        parameters=parameters,
        vector=vector,
        covariance=covariance * scale,
        seen=seen,
        entangled=~seen & np.abs(flat).any(axis=0),
        dispersion=dispersion,
        influence=weights,
        residual=residual,
        held_out=left_out(residual, columns, covariance),
        cell_current=reads.corrected(dead * parameters.reference.width),
        deviation=np.zeros(shape),
        cell_error=np.zeros(reads.current.shape),
        deviation_error=np.zeros(shape),
    )
