"""Coupling: how far an active word line lifts a neighbouring cell's floating gate.

kappa = C_a V_WL / (C_T n U_T), dimensionless, in units of the thermal slope n U_T. It may
have either sign. Word line a = j + offset is the *aggressor* of cell (j, i), the *victim*;
aggressors beyond the array's edge do not exist.

Three descriptions of the same map, from few numbers to many: one kappa per layout class
for each offset, one per cell for each offset, or a sparse list of (victim, aggressor).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from analog_model.chip.base import FloatArray, Frozen, IntArray
from analog_model.chip.layout import Layout
from analog_model.errors import ConfigurationError


def _check_offsets(where: str, offsets: tuple[int, ...]) -> None:
    if 0 in offsets or len(set(offsets)) != len(offsets) or not offsets:
        raise ConfigurationError(
            f"{where}.offsets",
            expected="distinct word-line offsets other than 0",
            got=repr(offsets),
        )


def _check_shape(where: str, array: np.ndarray, expected: tuple[int, ...], axes: str) -> None:
    if array.shape != expected:
        raise ConfigurationError(
            where, expected=f"shape {expected} ({axes})", got=f"shape {array.shape}"
        )


def _aggressors_at(offsets: tuple[int, ...], n_word_lines: int) -> np.ndarray:
    word_line = np.arange(n_word_lines)
    aggressor = word_line[None, :] + np.asarray(offsets)[:, None]
    return np.where((aggressor >= 0) & (aggressor < n_word_lines), aggressor, n_word_lines)


class CouplingByClass(Frozen):
    """One kappa per layout class for each offset: `kappa` (layout class, offset)."""

    kind: Literal["by_class"] = "by_class"
    offsets: tuple[int, ...]
    kappa: FloatArray

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_offsets("CouplingByClass", self.offsets)
        return self

    def check(self, layout: Layout) -> None:
        expected = (layout.n_classes, len(self.offsets))
        _check_shape("CouplingByClass.kappa", self.kappa, expected, "layout class, offset")

    def aggressors(self, layout: Layout) -> np.ndarray:
        """Aggressor of each (neighbour, word line); n_word_lines where there is none."""
        return _aggressors_at(self.offsets, layout.n_word_lines)

    def kappa_of_cells(self, layout: Layout) -> np.ndarray:
        """kappa of each (neighbour, word line, bit line)."""
        return np.moveaxis(self.kappa[layout.layout_class], -1, 0)


class CouplingByCell(Frozen):
    """One kappa per cell for each offset: `kappa` (offset, word line, bit line)."""

    kind: Literal["by_cell"] = "by_cell"
    offsets: tuple[int, ...]
    kappa: FloatArray

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_offsets("CouplingByCell", self.offsets)
        return self

    def check(self, layout: Layout) -> None:
        expected = (len(self.offsets), layout.n_word_lines, layout.n_bit_lines)
        _check_shape("CouplingByCell.kappa", self.kappa, expected, "offset, word line, bit line")

    def aggressors(self, layout: Layout) -> np.ndarray:
        """Aggressor of each (neighbour, word line); n_word_lines where there is none."""
        return _aggressors_at(self.offsets, layout.n_word_lines)

    def kappa_of_cells(self, layout: Layout) -> np.ndarray:  # noqa: ARG002, one signature for all
        """kappa of each (neighbour, word line, bit line)."""
        return np.asarray(self.kappa)


class CouplingMap(Frozen):
    """A sparse list of couplings between word lines.

    Entry e lifts the cells of word line `victim[e]` by `kappa[e, i]` on bit line i while
    word line `aggressor[e]` is high. An array without any coupling has `coupling` None.
    """

    kind: Literal["map"] = "map"
    victim: IntArray
    aggressor: IntArray
    kappa: FloatArray

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.victim.size:
            raise ConfigurationError(
                "CouplingMap.victim",
                expected="at least one entry",
                got="none",
                advice="Describe a chip without coupling with coupling None.",
            )
        _check_shape("CouplingMap.aggressor", self.aggressor, self.victim.shape, "entry")
        pairs = list(zip(self.victim.tolist(), self.aggressor.tolist(), strict=True))
        if len(set(pairs)) != len(pairs) or any(a == b for a, b in pairs):
            raise ConfigurationError(
                "CouplingMap",
                expected="distinct (victim, aggressor) pairs of two different word lines",
                got=repr(pairs[:8]),
            )
        return self

    def check(self, layout: Layout) -> None:
        expected = (self.victim.size, layout.n_bit_lines)
        _check_shape("CouplingMap.kappa", self.kappa, expected, "entry, bit line")
        for name, lines in (("victim", self.victim), ("aggressor", self.aggressor)):
            if lines.size and (lines.min() < 0 or lines.max() >= layout.n_word_lines):
                raise ConfigurationError(
                    f"CouplingMap.{name}",
                    expected=f"word lines 0 to {layout.n_word_lines - 1}",
                    got=f"{lines.min()} to {lines.max()}",
                )

    def _rank(self) -> np.ndarray:
        """Running number of each entry among those of its victim."""
        counts: dict[int, int] = {}
        rank = np.empty(self.victim.size, dtype=int)
        for entry, victim in enumerate(self.victim.tolist()):
            rank[entry] = counts.get(victim, 0)
            counts[victim] = rank[entry] + 1
        return rank

    def aggressors(self, layout: Layout) -> np.ndarray:
        """Aggressor of each (neighbour, word line); n_word_lines where there is none."""
        rank = self._rank()
        shape = (int(rank.max(initial=-1)) + 1, layout.n_word_lines)
        aggressor = np.full(shape, layout.n_word_lines)
        aggressor[rank, self.victim] = self.aggressor
        return aggressor

    def kappa_of_cells(self, layout: Layout) -> np.ndarray:
        """kappa of each (neighbour, word line, bit line)."""
        rank = self._rank()
        shape = (int(rank.max(initial=-1)) + 1, layout.n_word_lines, layout.n_bit_lines)
        kappa = np.zeros(shape)
        kappa[rank, self.victim] = self.kappa
        return kappa


AnyCoupling = Annotated[CouplingByClass | CouplingByCell | CouplingMap, Field(discriminator="kind")]
