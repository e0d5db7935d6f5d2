"""Clusters of things whose properties are known with errors.

Agglomerative: the two clusters whose difference is least significant become one, until one
is left. Of all the partitions met on the way the one of smallest description length is
returned: the misfit, the Bayesian information criterion's price of the properties (Schwarz,
Ann. Stat. 6 (1978) 461), the price of saying which thing belongs where. Without the last,
the best of very many ways to split noise looks significant. Errors may correlate between
the things.
"""

from __future__ import annotations

import numpy as np

# A property that the data narrow to less than this part of its prior variance counts as seen.
SEEN = 0.25


def _estimate(
    information: np.ndarray, score: np.ndarray, label: np.ndarray, prior: float
) -> tuple[np.ndarray, np.ndarray]:
    """Properties (clusters, width) with covariance (clusters, width, clusters, width)."""
    count = int(label.max()) + 1
    width = score.shape[1]
    member = (label[:, None] == np.arange(count)).astype(float)
    joined = np.einsum("jc,jpkq,kd->cpdq", member, information, member, optimize=True)
    matrix = joined.reshape(count * width, count * width) + np.eye(count * width) / prior**2
    covariance = np.linalg.inv(matrix)
    value = covariance @ (member.T @ score).ravel()
    return value.reshape(count, width), covariance.reshape(count, width, count, width)


def _least_different(
    value: np.ndarray, covariance: np.ndarray, prior: float
) -> tuple[int, int, float, float]:
    """The two clusters of least significant difference, chi-square of it, how many it counts."""
    first, second = np.triu_indices(value.shape[0], 1)
    difference = value[first] - value[second]
    place = np.arange(value.shape[0])
    own = covariance[place, :, place, :]
    cross = covariance[first, :, second, :]
    spread = own[first] + own[second] - cross - cross.transpose(0, 2, 1)
    solved = np.linalg.solve(spread, difference[:, :, None])[:, :, 0]
    cost = (difference * solved).sum(axis=1)
    narrow = np.einsum("cpp->cp", own) < SEEN * prior**2
    seen = (narrow[first] & narrow[second]).sum(axis=1)
    # Ordered by evidence against the merge, so that little seen is merged first.
    best = int(np.argmin(cost - seen))
    return int(first[best]), int(second[best]), float(cost[best]), float(seen[best])


def _assignment(label: np.ndarray) -> float:
    """Price of the assignment of things to clusters, -2 ln of its probability by frequency."""
    count = np.bincount(label)
    return float(2 * (count * np.log(label.size / count)).sum())


def cluster(information: np.ndarray, score: np.ndarray, *, prior: float, n_data: int) -> np.ndarray:
    """Cluster (n,) of each of n things, numbered by first appearance.

    `information` (n, width, n, width) and `score` (n, width) of a Gaussian likelihood, whose
    maximum solves information x = score, for the properties x (n, width); `prior` is their
    standard deviation before the data.
    """
    label = np.arange(score.shape[0])
    misfit, best, lowest = 0.0, label, _assignment(label)
    while label.max() > 0:
        value, covariance = _estimate(information, score, label, prior)
        a, b, cost, seen = _least_different(value, covariance, prior)
        label = np.where(label == b, a, label)
        label = np.unique(label, return_inverse=True)[1]
        misfit += cost - seen * np.log(max(n_data, 2))
        criterion = misfit + _assignment(label)
        # A tie goes to fewer clusters.
        if criterion <= lowest:
            best, lowest = label, criterion
    _, first = np.unique(best, return_index=True)
    order = np.argsort(np.argsort(first))
    return order[best]
