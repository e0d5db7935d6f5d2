"""Layout: the map from cells to layout classes.

Cells with the same physical neighbourhood share a class, hence their coupling
coefficients. The constructors give the usual floor plans; any integer map will do.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from analog_model.chip.base import Frozen, IntArray
from analog_model.errors import ConfigurationError


class Layout(Frozen):
    """Layout class of every cell.

    `layout_class` (word_line, bit_line) indexes `class_names`; `cell_pitch` [m] is the
    distance of neighbouring word lines where it is known.
    """

    layout_class: IntArray
    class_names: tuple[str, ...]
    cell_pitch: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.layout_class.ndim != 2 or self.layout_class.size == 0:
            raise ConfigurationError(
                "Layout.layout_class",
                expected="a filled array of word lines by bit lines",
                got=f"shape {self.layout_class.shape}",
            )
        lowest, highest = int(self.layout_class.min()), int(self.layout_class.max())
        if lowest < 0 or highest >= len(self.class_names):
            raise ConfigurationError(
                "Layout.layout_class",
                expected=f"classes 0 to {len(self.class_names) - 1}, one name each",
                got=f"classes {lowest} to {highest}",
                advice="Give every class a name in class_names.",
            )
        if len(set(self.class_names)) != len(self.class_names):
            raise ConfigurationError(
                "Layout.class_names", expected="distinct names", got=repr(self.class_names)
            )
        return self

    @property
    def n_word_lines(self) -> int:
        return int(self.layout_class.shape[0])

    @property
    def n_bit_lines(self) -> int:
        return int(self.layout_class.shape[1])

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @classmethod
    def uniform(cls, n_word_lines: int, n_bit_lines: int) -> Self:
        """Every cell has the same neighbourhood."""
        return cls(
            layout_class=np.zeros((n_word_lines, n_bit_lines), dtype=int), class_names=("cell",)
        )

    @classmethod
    def mirrored_columns(cls, n_word_lines: int, n_bit_lines: int) -> Self:
        """Every other bit line is mirrored to share its contacts."""
        _, bit_line = np.indices((n_word_lines, n_bit_lines))
        return cls(layout_class=bit_line % 2, class_names=("plain", "mirrored"))

    @classmethod
    def mirrored_row_pairs(cls, n_word_lines: int, n_bit_lines: int) -> Self:
        """Word lines come in mirrored pairs: a cell has its partner above or below."""
        word_line, _ = np.indices((n_word_lines, n_bit_lines))
        return cls(layout_class=word_line % 2, class_names=("lower of pair", "upper of pair"))

    @classmethod
    def mirrored_columns_and_row_pairs(cls, n_word_lines: int, n_bit_lines: int) -> Self:
        """Mirrored bit lines with mirrored pairs of word lines: four neighbourhoods."""
        word_line, bit_line = np.indices((n_word_lines, n_bit_lines))
        return cls(
            layout_class=word_line % 2 + 2 * (bit_line % 2),
            class_names=("lower plain", "upper plain", "lower mirrored", "upper mirrored"),
        )

    @classmethod
    def routed_feeders(
        cls,
        n_word_lines: int,
        n_bit_lines: int,
        *,
        feeder_bit_line: int = 0,
        period: int | None = None,
    ) -> Self:
        """Word-line feeders are routed over the cells of one bit line.

        With a `period` the feeders pass over every `period`-th bit line from
        `feeder_bit_line` on.
        """
        _, bit_line = np.indices((n_word_lines, n_bit_lines))
        if not 0 <= feeder_bit_line < n_bit_lines:
            raise ConfigurationError(
                "Layout.routed_feeders.feeder_bit_line",
                expected=f"a bit line from 0 to {n_bit_lines - 1}",
                got=str(feeder_bit_line),
            )
        if period is not None and period < 1:
            raise ConfigurationError(
                "Layout.routed_feeders.period", expected="a period of at least 1", got=str(period)
            )
        under = bit_line == feeder_bit_line
        if period is not None:
            under = (bit_line >= feeder_bit_line) & ((bit_line - feeder_bit_line) % period == 0)
        return cls(layout_class=under.astype(int), class_names=("clear", "under feeder"))


LAYOUT_RULES = {
    "uniform": Layout.uniform,
    "mirrored_columns": Layout.mirrored_columns,
    "mirrored_row_pairs": Layout.mirrored_row_pairs,
    "mirrored_columns_and_row_pairs": Layout.mirrored_columns_and_row_pairs,
    "routed_feeders": Layout.routed_feeders,
}
