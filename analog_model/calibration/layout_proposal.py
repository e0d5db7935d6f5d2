"""Layout proposed from measured coupling.

With the cells frozen at their one-hot reads the charges are nearly linear in the kappas of
single cells. They say little of each, but much of cells pooled: first the cells of each bit
line (by even and odd word lines), which sorts the bit lines; then those of each word line
within a sort of bit lines, which sorts the word lines; last, sorts that show the same
coupling become one class. Cells of one class differ, too (random effects), so a difference
counts when it exceeds what such a spread explains.

What this cannot see: neighbours further than the next word line; anything that does not
couple; classes that follow neither word lines nor bit lines; the two directions of coupling
between two word lines where only one bit line carries a class, for only
kappa(j, +1) I_j + kappa(j+1, -1) I_j+1 shows in its charge; that a class exists which
couples like another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.cells import FLOOR
from analog_model.calibration.clustering import cluster
from analog_model.calibration.fit import Fit
from analog_model.calibration.linearisation import linearise
from analog_model.calibration.observations import ReadNoise
from analog_model.calibration.problem import Problem, problem_of
from analog_model.calibration.rungs import DROP
from analog_model.chip import Layout

NEAR = (-1, 1)
ROUNDS = 4
EXPECTATION_STEPS = 30
# What a one-hot read may be off by, relative, before the fit of single cells finds out.
READ_SPREAD = 0.01
# Departures are in proportion to kappa, but not less than to this part of the largest.
KAPPA_FLOOR = 0.1
FIRST_SPREAD = 0.1
# Standard deviation of a kappa before any data: a lift of one thermal slope.
PRIOR = 1.0


@dataclass(frozen=True)
class _CellKappas:
    """Gaussian likelihood of the kappas of single cells, bit lines independent.

    `information` (M, P, P), `score` (M, P) around zero, P = 2 N counts (word line, side);
    `scale` (M, P) the size of each, to which a cell's departure is in proportion.
    """

    information: np.ndarray
    score: np.ndarray
    scale: np.ndarray

    @property
    def n_word_lines(self) -> int:
        return self.score.shape[1] // len(NEAR)

    def widened(self, spread: float) -> _CellKappas:
        """Likelihood of class kappas from which cells depart by `spread`, relative.

        A prior covariance S turns information A into A (1 + S A)^-1.
        """
        variance = (spread * self.scale) ** 2
        shrink = np.linalg.inv(
            np.eye(self.score.shape[1]) + variance[:, :, None] * self.information
        )
        return replace(
            self,
            information=self.information @ shrink,
            score=np.einsum("ipq,ip->iq", shrink, self.score),
        )

    def pooled(self, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Information (G, 2, G, 2), score (G, 2) where cells of `group` (N, M) share kappas."""
        n_groups = int(group.max()) + 1
        n, m = group.shape
        member = (group[:, :, None] == np.arange(n_groups)).astype(float)
        blocks = self.information.reshape(m, n, 2, n, 2)
        information = np.zeros((n_groups, 2, n_groups, 2))
        for i in range(m):
            information += np.einsum(
                "jg,jpkq,kh->gphq", member[:, i], blocks[i], member[:, i], optimize=True
            )
        score = np.einsum("jig,ijp->gp", member, self.score.reshape(m, n, 2))
        return information, score

    def spread_within(self, group: np.ndarray, start: float) -> float:
        """Relative spread of the cells around their group, by expectation maximisation.

        Of the restricted likelihood: that the groups' own kappas are uncertain counts, or
        small groups would seem to hold equal cells.
        """
        spread, size = start, self.score.shape[1]
        diagonal = np.arange(size)
        # Where each kappa of a bit line stands among the groups' kappas.
        place = (2 * group.T[:, :, None] + np.arange(2)).reshape(self.score.shape)
        for _ in range(EXPECTATION_STEPS):
            information, score = self.widened(spread).pooled(group)
            count = score.size
            matrix = information.reshape(count, count) + np.eye(count) / PRIOR**2
            doubt = np.linalg.inv(matrix)
            shared = (doubt @ score.ravel()).reshape(score.shape)
            mean = shared[group].transpose(1, 0, 2).reshape(self.score.shape)
            precision = np.eye(size) / (spread * self.scale[:, None, :]) ** 2
            covariance = np.linalg.inv(self.information + precision)
            left = self.score - np.einsum("ipq,iq->ip", self.information, mean)
            departure = np.einsum("ipq,iq->ip", covariance, left)
            moved = np.einsum("ipq,iqr->ipr", covariance, self.information)
            uncertain = covariance + np.einsum(
                "ipq,iqr,isr->ips", moved, doubt[place[:, :, None], place[:, None, :]], moved,
                optimize=True,
            )  # fmt: skip
            square = (departure**2 + uncertain[:, diagonal, diagonal]) / self.scale**2
            spread = float(np.sqrt(square.mean()))
        return spread


def _cell_kappas(problem: Problem, fit: Fit) -> _CellKappas:
    """What the charges say of each cell's kappa, the fit's other parameters taken as they are.

    The weights are nuisances near their reads. Scaled so that what no cell explains
    counts as noise.
    """
    observations, offsets = problem.observations, fit.parameters.rung.offsets
    point = linearise(fit.parameters, fit.vector, problem.reads, observations)
    weight = np.sqrt(fit.influence) / observations.sigma
    n_vectors, n_bit_lines = weight.shape
    near = [offsets.index(offset) for offset in NEAR]
    by_kappa = point.jacobian.kappa.numpy()[:, near].transpose(3, 0, 2, 1)
    by_kappa = by_kappa.reshape(n_bit_lines, n_vectors, -1) * weight.T[:, :, None]
    by_weight = point.jacobian.cell_current.numpy().transpose(2, 0, 1) * weight.T[:, :, None]
    current = problem.reads.current.T
    prior = READ_SPREAD * np.hypot(current, FLOOR * current.max())
    if problem.reads.source == "none":
        prior = np.full_like(current, current.max())
    missed = ((observations.charge - point.charge) * weight).T
    # With weights w ~ N(0, prior^2) integrated out, by the matrix inversion lemma.
    scaled = by_weight * prior[:, None, :]
    kernel = np.eye(current.shape[1]) + np.einsum("ivj,ivk->ijk", scaled, scaled, optimize=True)
    both = np.concatenate([by_kappa, missed[:, :, None]], axis=2)
    shadow = np.einsum("ivj,ivp->ijp", scaled, both, optimize=True)
    plain = np.einsum("ivp,ivq->ipq", both, both, optimize=True)
    reduced = plain - np.einsum("ijp,ijq->ipq", shadow, np.linalg.solve(kernel, shadow))
    information, gradient = reduced[:, :-1, :-1], reduced[:, :-1, -1]
    size = information.shape[1]
    inverse = np.linalg.inv(information + np.eye(size) / PRIOR**2)
    explained = np.einsum("ip,ipq,iq->i", gradient, inverse, gradient)
    freedom = max(n_vectors * n_bit_lines - n_bit_lines * size // 2, 1)
    noise = max(float((reduced[:, -1, -1] - explained).sum()) / freedom, 1e-12)
    if observations.noise_known:
        noise = max(noise, 1.0)
    kappa = fit.parameters.kappa_of_cells(fit.vector)[near].transpose(2, 1, 0)
    kappa = kappa.reshape(n_bit_lines, -1)
    score = gradient + np.einsum("ipq,iq->ip", information, kappa)
    scale = np.hypot(kappa, KAPPA_FLOOR * max(np.abs(kappa).max(), 1e-6))
    return _CellKappas(information / noise, score / noise, scale)


def _sorted_lines(kappas: _CellKappas, spread: float) -> np.ndarray:
    """Group (N, M) of every cell by sorts of word lines within sorts of bit lines."""
    n, m = kappas.n_word_lines, kappas.score.shape[0]
    word_line, bit_line = np.indices((n, m))
    n_data = (n - 1) * m
    wide = kappas.widened(spread)

    def sort(group: np.ndarray, n_things: int) -> np.ndarray:
        """Sort of each thing, the groups g being (thing, property) numbered together."""
        information, score = wide.pooled(group)
        width = score.size // n_things
        shape = (n_things, width, n_things, width)
        return cluster(
            information.reshape(shape),
            score.reshape(n_things, width),
            prior=PRIOR,
            n_data=n_data,
        )

    bit_line_sort = sort(bit_line * 2 + word_line % 2, m) if n > 1 else np.zeros(m, dtype=int)
    n_sorts = int(bit_line_sort.max()) + 1
    word_line_sort = sort(word_line * n_sorts + bit_line_sort[bit_line], n)
    product = word_line_sort[word_line] * n_sorts + bit_line_sort[bit_line]
    group = np.unique(product, return_inverse=True)[1].reshape(n, m)
    merged = sort(group, int(group.max()) + 1)[group]
    _, first, label = np.unique(merged, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label.reshape(n, m)]


def _named(kappas: _CellKappas, group: np.ndarray) -> Layout:
    """The layout with classes named by the coupling they show."""
    information, score = kappas.pooled(group)
    matrix = information.reshape(score.size, score.size) + np.eye(score.size) / PRIOR**2
    kappa = np.linalg.solve(matrix, score.ravel()).reshape(score.shape)
    names = [f"{before:.3f} before / {after:.3f} after" for before, after in kappa + 0.0]
    if len(set(names)) < len(names):
        names = [f"{name} ({place})" for place, name in enumerate(names)]
    return Layout(layout_class=group, class_names=tuple(names))


def propose_layout(
    measurement: xr.Dataset, *, weight_set: int = 0, noise: ReadNoise | None = None
) -> Layout:
    """Layout classes found by clustering cells by their measured coupling.

    Uses the calibration patterns of one weight set; the file's layout map, if any, is not
    looked at. Classes are numbered by first appearance and named by the kappas of the word
    line before and after; patterns that never have neighbours high together give one class.
    What it cannot see is said at the top of the module.

    Raises DataError for a measurement without calibration patterns of that weight set.
    """
    shape = measurement.sizes[v.WORD_LINE], measurement.sizes[v.BIT_LINE]
    layout = Layout.uniform(*shape)
    word_line, bit_line = np.indices(shape)
    flexible = 2 * bit_line + word_line % 2
    if shape[0] < 2:
        return layout
    near: Fit | None = None
    for turn in range(ROUNDS):
        problem = problem_of(measurement, weight_set, layout, noise)
        # While classes are unknown, a curved cell law could pose as their differences.
        near = problem.fit(DROP if turn else DROP.replace(ekv=False), near=near)
        kappas = _cell_kappas(problem, near)
        groups = (flexible, layout.layout_class)
        spread = min(kappas.spread_within(group, FIRST_SPREAD) for group in groups)
        group = _sorted_lines(kappas, spread)
        same = np.array_equal(group, layout.layout_class)
        layout = _named(kappas.widened(spread), group)
        if same:
            break
    return layout
