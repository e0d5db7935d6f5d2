"""Fit of the shared parameters with every cell frozen at its one-hot read.

Frozen cells cannot absorb an effect of the lines, so these parameters carry over to other
weights. SciPy's bounded least squares does the optimisation on exact Jacobians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from analog_model.calibration.linearisation import linearise_shared
from analog_model.calibration.observations import Observations
from analog_model.calibration.parameters import SharedParameters
from analog_model.calibration.reads import OneHotReads

Progress = Callable[[str], None]

# Readings further off than this many robust standard deviations lose influence. Among
# 10^6 Gaussian readings less than one is.
OUTLIER = 5.0
ROBUST_ROUNDS = 3
# Readings on which a fit begins, some hundred for each shared parameter.
FIRST_READINGS = 8000


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


def first_look(observations: Observations) -> np.ndarray:
    """Patterns, in order, on which a fit begins: all, or a draw where they are very many.

    The whole fit then needs a few steps from there; where it ends does not depend on it.
    """
    n_patterns, n_bit_lines = observations.charge.shape
    enough = max(FIRST_READINGS // n_bit_lines, 1)
    if n_patterns <= 2 * enough:
        return np.arange(n_patterns)
    # Drawn, not every so-manyth: measurements have periods of their own.
    drawn = np.random.default_rng(0).choice(n_patterns, enough, replace=False)
    return np.sort(drawn)


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


@dataclass(frozen=True)
class _Minimum:
    """Vector of least weighted squares with charge (V, M) and columns (V, M, size) there."""

    vector: np.ndarray
    charge: np.ndarray
    columns: np.ndarray


def minimise(
    parameters: SharedParameters,
    reads: OneHotReads,
    observations: Observations,
    influence: np.ndarray,
    start: np.ndarray,
) -> _Minimum:
    """Least weighted squares within the bounds.

    A prior as wide as the bounds keeps parameters that the patterns do not show near
    neutral; the optimiser's singular steps would carry them anywhere. It moves one that is
    known to a thousandth of its room by no more than a millionth of that.
    """
    if not parameters.size:
        return _Minimum(start, *linearise_shared(parameters, start, reads, observations))
    weight = np.sqrt(influence) / observations.sigma
    neutral, room = parameters.neutral(), parameters.room()
    latest: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def at(vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Residuals are asked for, then slopes at the same place; at last the minimum's.
        if vector.tobytes() not in latest:
            latest.clear()
            latest[vector.tobytes()] = linearise_shared(parameters, vector, reads, observations)
        return latest[vector.tobytes()]

    def residual(vector: np.ndarray) -> np.ndarray:
        missed = (at(vector)[0] - observations.charge) * weight
        return np.concatenate([missed.ravel(), (vector - neutral) / room])

    def slope(vector: np.ndarray) -> np.ndarray:
        columns = at(vector)[1] * weight[:, :, None]
        return np.concatenate([columns.reshape(-1, vector.size), np.diag(1 / room)])

    lower, upper = parameters.bounds()
    found = least_squares(
        residual,
        np.clip(start, lower, upper),
        jac=slope,
        bounds=(lower, upper),
        x_scale="jac",
        xtol=1e-8,
        ftol=1e-7,
    )
    vector = np.asarray(found.x)
    return _Minimum(vector, *at(vector))


def covariance_of(information: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of an information matrix over the parameters that the data see, and these.

    A parameter is unseen when the data tell no more of it than its bounds, `room` (size,)
    apart, or when it lies in the span of the others to within rounding; its covariance is
    infinite.
    """
    size = information.shape[0]
    scale = np.sqrt(np.clip(np.diag(information), 0, None))
    seen = scale * room > 1
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
        hidden |= np.diag(covariance)[index] > room[index] ** 2
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
    few = first_look(observations)
    if few.size < observations.n_patterns:
        looked = observations.chosen(few)
        vector = minimise(parameters, reads, looked, weights[few], vector).vector
    for turn in range(rounds):
        minimum = minimise(parameters, reads, observations, weights, vector)
        vector = minimum.vector
        scaled = (minimum.charge - observations.charge) / observations.sigma
        if influence is None and turn + 1 < rounds:
            found = influence_of(scaled) * before
            if np.array_equal(found, weights):
                break
            weights = found
    root = np.sqrt(weights)
    columns = minimum.columns * (root / observations.sigma)[:, :, None]
    residual = scaled * root
    flat = columns.reshape(residual.size, parameters.size)
    covariance, seen = covariance_of(flat.T @ flat, parameters.room())
    shown = np.linalg.norm(flat, axis=0) * parameters.room() > 1
    vector = np.where(shown, vector, parameters.neutral())
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
        entangled=~seen & shown,
        dispersion=dispersion,
        influence=weights,
        residual=residual,
        held_out=left_out(residual, columns, covariance),
        cell_current=reads.corrected(dead * parameters.reference.width),
        deviation=np.zeros(shape),
        cell_error=np.zeros(reads.current.shape),
        deviation_error=np.zeros(shape),
    )
