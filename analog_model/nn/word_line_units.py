"""Word-line units: what distinguishes one word line of a layer's arrays from another.

Word lines that carry the same channel, meet the same kappas and have the same neighbours,
seen from their own pixel, respond alike in every pixel: their effective pulse widths are one
map over the image. A layer needs one map per unit, not one per weight row: with guard lines
between pixels a convolution has as many units as channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analog_model.nn.row_tiling import UNUSED, RowTiling


@dataclass(frozen=True)
class Run:
    """Consecutive units whose neighbours are consecutive channels at one shift.

    `count` units; `channel` the first neighbour's, -1 for no neighbour; `shift` the (height,
    width) from a unit's pixel to its neighbour's, in places of the kernel.
    """

    count: int
    channel: int
    shift: tuple[int, int]


@dataclass(frozen=True, eq=False)
class WordLineUnits:
    """Units of a layer's row tiling; V of them.

    - `runs` describes each unit's own channel, `neighbour_runs` those of its K neighbours;
    - `channel` (V,) and `neighbour_channel` (K, V), -1 for none, say the same unit by unit;
    - `unit` (row_tile, word_line), -1 where unused;
    - `line` (V,): a word line that stands for the unit.
    """

    runs: tuple[Run, ...]
    neighbour_runs: tuple[tuple[Run, ...], ...]
    channel: np.ndarray
    neighbour_channel: np.ndarray
    unit: np.ndarray
    line: np.ndarray

    @property
    def n_units(self) -> int:
        return int(self.line.size)

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        """Values (..., V) of the units, summed over those of a channel: (..., C)."""
        return np.asarray(values @ np.eye(self.channel.max() + 1)[self.channel])

    def flat_runs(self, dilation: tuple[int, int]) -> list[int]:
        """Runs of all neighbours as `neighbourhood` takes them, shifts in pixels."""
        return self._flattened(self.neighbour_runs, dilation)

    def flat_own_runs(self) -> list[int]:
        """Runs of the units' own channels, as if each were its only neighbour."""
        return self._flattened((self.runs,), (1, 1))

    @staticmethod
    def _flattened(every: tuple[tuple[Run, ...], ...], dilation: tuple[int, int]) -> list[int]:
        flat: list[int] = []
        for k, runs in enumerate(every):
            unit = 0
            for run in runs:
                if run.channel != UNUSED:
                    shift = (run.shift[0] * dilation[0], run.shift[1] * dilation[1])
                    flat += [k, unit, run.count, run.channel, *shift]
                unit += run.count
        return flat

    @property
    def one_per_channel(self) -> bool:
        """Every channel is one unit, in its place, without neighbours in other pixels."""
        still = all(run.shift == (0, 0) for runs in self.neighbour_runs for run in runs)
        return still and np.array_equal(self.channel, np.arange(self.n_units))


def word_line_units(rows: RowTiling, aggressors: np.ndarray, kappa: np.ndarray) -> WordLineUnits:
    """Units for `aggressors` (K, N), word lines or N for none, and kappas (K, N, column class)."""
    n_neighbours = len(aggressors)
    near = rows.neighbours_of(aggressors)
    _, kind = np.unique(
        kappa.transpose(1, 0, 2).reshape(rows.n_word_lines, -1), axis=0, return_inverse=True
    )
    if kappa.size == 0:
        kind = np.zeros(rows.n_word_lines, dtype=int)
    used = rows.used
    shape = (rows.n_row_tiles, rows.n_word_lines, 1)
    traits = np.concatenate(
        [
            rows.channel_of_word_line[:, :, None],
            np.broadcast_to(kind.ravel()[None, :, None], shape),
            near.channel,
            near.dh,
            near.dw,
        ],
        axis=2,
    )[used]
    # Sorted by channel first, so that runs are long.
    distinct, first, inverse = np.unique(traits, axis=0, return_index=True, return_inverse=True)
    unit = np.full(used.shape, UNUSED)
    unit[used] = inverse.ravel()
    channel = distinct[:, 2 : 2 + n_neighbours]
    shift = np.stack(
        [distinct[:, 2 + n_neighbours : 2 + 2 * n_neighbours], distinct[:, 2 + 2 * n_neighbours :]],
        axis=2,
    )
    still = np.zeros((len(distinct), 2), dtype=int)
    return WordLineUnits(
        runs=_runs(distinct[:, 0], still),
        neighbour_runs=tuple(_runs(channel[:, k], shift[:, k]) for k in range(n_neighbours)),
        channel=distinct[:, 0],
        neighbour_channel=channel.T,
        unit=unit,
        line=np.nonzero(used)[1][first],
    )


def _runs(channel: np.ndarray, shift: np.ndarray) -> tuple[Run, ...]:
    runs: list[Run] = []
    for own, (dh, dw) in zip(channel.tolist(), shift.tolist(), strict=True):
        last = runs[-1] if runs else None
        if last is not None and last.shift == (dh, dw):
            follows = UNUSED if last.channel == UNUSED else last.channel + last.count
            if own == follows:
                runs[-1] = Run(last.count + 1, last.channel, last.shift)
                continue
        runs.append(Run(1, own, (dh, dw)))
    return tuple(runs)
