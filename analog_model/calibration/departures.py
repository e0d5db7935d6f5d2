"""Departures of single cells as one linear problem a bit line.

A departure is a random effect, Gaussian around zero, in proportion to what departs; its
spread is what makes the data most likely (empirical Bayes, by expectation maximisation).
Bit lines do not share cells, so the shared parameters are left with their Schur complement.
Laird, Ware, Biometrics 38 (1982) 963.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import lsq_linear

from analog_model.calibration.fit import covariance_of

# A departure as large as what departs is no spread of like cells any more.
LARGEST_SPREAD = 1.0
# A spread that is smaller is none: kappas are not known to a thousandth.
LEAST_SPREAD = 1e-3
UNSEEN = 1e-6
# Of a spread's density: steps in which it is looked at, where that ends.
STEP, NEGLIGIBLE = 2**0.5, 8.0


@dataclass(frozen=True)
class Spread:
    """Relative spread of the departures, `weights` and `kappa`; 0 where they are not free."""

    weights: float
    kappa: float


@dataclass(frozen=True)
class Local:
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
class Solution:
    """Departures `value` (M, L), the shared `step`, what follows from them.

    `inverse` (M, L, L) of the departures' normal equations, `solved` (M, L, size) how they
    answer for a shared step, `information` on that once they are given up.
    """

    step: np.ndarray
    value: np.ndarray
    variance: np.ndarray
    spread: Spread
    missed: float
    dispersion: float
    information: np.ndarray
    inverse: np.ndarray
    solved: np.ndarray


def precision_of(local: Local, spread: Spread, dispersion: float) -> np.ndarray:
    """Prior precision (M, L) of each departure in units of the noise."""
    relative = np.full(local.scale.shape, spread.kappa)
    relative[:, : local.n_weights] = spread.weights
    deviation = relative * local.scale
    # Without spread, or next to none, a departure is fixed at zero.
    with np.errstate(divide="ignore", over="ignore"):
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


def solve(local: Local, spread: Spread, dispersion: float, bounds: np.ndarray) -> Solution:
    """Departures and shared step of least penalised squares under a given prior."""
    precision = precision_of(local, spread, dispersion)
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
    squares = float((missed**2).sum())
    return Solution(
        step=step,
        value=np.where(free, departure, 0.0),
        variance=np.where(free, variance, 0.0),
        spread=spread,
        missed=squares,
        dispersion=squares / max(missed.size - used, 1.0),
        information=information,
        inverse=np.where(both, inverse, 0.0),
        solved=np.where(free[:, :, None], solved, 0.0),
    )


def _evidence(local: Local, spread: Spread, dispersion: float, solution: Solution) -> float:
    """Logarithm of the likelihood of a spread, departures and shared step integrated out.

    With A x + B theta = y + noise, x ~ N(0, P^-1): -1/2 of ln det(A'A + P) - ln det P
    + ln det of theta's information + the least penalised squares, up to a constant.
    """
    precision = precision_of(local, spread, dispersion)
    free = np.isfinite(precision)
    size = precision.shape[1]
    penalised = np.where(free[:, :, None] & free[:, None, :], local.normal, 0.0)
    penalised[:, range(size), range(size)] += np.where(free, precision, 1.0)
    width = np.linalg.slogdet(penalised)[1].sum() - np.log(precision[free]).sum()
    if solution.step.size:
        value = np.linalg.eigvalsh(solution.information)
        width += np.log(value[value > UNSEEN**2 * value.max()]).sum()
    squares = solution.missed + (solution.value**2 * np.where(free, precision, 0.0)).sum()
    return -0.5 * (float(width) + squares / dispersion)


def doubted_variance(
    local: Local, solution: Solution, dispersion: float, bounds: np.ndarray
) -> np.ndarray:
    """Variance (M, L) of the departures with the doubt in the spread of the kappas.

    A spread found small by chance would make every error as small. Averaged over spreads by
    their likelihood and a flat prior; from the likeliest, up and down while it matters.
    Kass, Steffey, J. Am. Stat. Assoc. 84 (1989) 717.
    """
    spread = solution.spread
    if spread.kappa == 0:
        return solution.variance
    found: list[tuple[float, float, Solution]] = []

    def look(kappa: float) -> float:
        other = replace(spread, kappa=kappa)
        solved = solve(local, other, dispersion, bounds)
        found.append((kappa, _evidence(local, other, dispersion, solved), solved))
        return found[-1][1]

    begin = max(spread.kappa, LEAST_SPREAD)
    best = look(begin)
    for ratio in (STEP, 1 / STEP):
        kappa = begin * ratio
        while LEAST_SPREAD <= kappa <= LARGEST_SPREAD and (now := look(kappa)) > best - NEGLIGIBLE:
            best, kappa = max(best, now), kappa * ratio
    # Equal steps of the logarithm: a flat prior on the spread weighs by the spread itself.
    weight = np.array([evidence + np.log(kappa) for kappa, evidence, _ in found])
    weight = np.exp(weight - weight.max())
    variances = [
        other.variance + (other.value - solution.value) ** 2 / dispersion for _, _, other in found
    ]
    return np.asarray(np.tensordot(weight / weight.sum(), np.array(variances), axes=1))


def expected_spread(local: Local, solution: Solution, fixed: Spread | None) -> Spread:
    """Spread that makes the departures, with their uncertainty, most likely."""
    square = (solution.value**2 + solution.dispersion * solution.variance) / local.scale**2
    n = local.n_weights

    def of(part: np.ndarray, now: float) -> float:
        return min(float(np.sqrt(part.mean())), LARGEST_SPREAD) if now > 0 and part.size else 0.0

    kappa = of(square[:, n:], solution.spread.kappa)
    if fixed is not None:
        return replace(solution.spread, kappa=kappa)
    return Spread(of(square[:, :n], solution.spread.weights), kappa)
