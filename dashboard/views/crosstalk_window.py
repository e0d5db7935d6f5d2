"""Window of cells that a heatmap shows.

Cell (j, i) fills the square around x = i, y = j. Up to `FULL_SIDE` cells a side travel
with everything the hover says of a cell; up to `compute.MAX_SIDE` with their value alone;
beyond, each block of cells travels as the value of largest magnitude in it. That keeps an
update below 300 kB, whatever the size of the array.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboard.compute import MAX_SIDE, reduce_blocks

FULL_SIDE = 128


@dataclass(frozen=True)
class Window:
    """Word lines `top` to `bottom`, bit lines `left` to `right`, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Window:
        """Every cell of an array."""
        return cls(0, shape[0], 0, shape[1])

    @classmethod
    def covering(
        cls, shape: tuple[int, int], x: tuple[float, float], y: tuple[float, float]
    ) -> Window:
        """The cells between two corners, in any order, with some margin to pan into."""
        limits = []
        for (one, other), size in ((y, shape[0]), (x, shape[1])):
            low, high = sorted((one, other))
            margin = 0.25 * (high - low)
            first = int(np.clip(np.floor(low - margin + 0.5), 0, size - 1))
            last = int(np.clip(np.ceil(high + margin + 0.5), first + 1, size))
            limits += [first, last]
        return cls(*limits)

    @property
    def shape(self) -> tuple[int, int]:
        """Cells (word lines, bit lines) in it."""
        return self.bottom - self.top, self.right - self.left

    @property
    def block(self) -> tuple[int, int]:
        """Cells (word lines, bit lines) that one value stands for."""
        rows, columns = (-(-size // MAX_SIDE) for size in self.shape)
        return rows, columns

    @property
    def is_exact(self) -> bool:
        """Whether each value belongs to one cell."""
        return self.block == (1, 1)

    @property
    def is_full(self) -> bool:
        """Whether the hover gets every field."""
        return max(self.shape) <= FULL_SIDE

    def of(self, values: np.ndarray) -> np.ndarray:
        """The window's part of an array (word_line, bit_line)."""
        return values[self.top : self.bottom, self.left : self.right]

    def reduced(self, values: np.ndarray) -> np.ndarray:
        """What is drawn of (word_line, bit_line): each block's value of largest magnitude."""
        return np.ascontiguousarray(reduce_blocks(self.of(values)), dtype=np.float32)

    def uniform(self, labels: np.ndarray, several: int) -> np.ndarray:
        """Labels as they are drawn; `several`, above them all, for a block that holds a few."""
        largest = self.reduced(labels)
        smallest = several - self.reduced(several - labels)
        return np.where(largest == smallest, largest, several).astype(np.float32)

    def place(self) -> dict[str, float]:
        """Where the drawn image lies: x, y, dw, dh of Bokeh's image glyph."""
        (rows, columns), (height, width) = self.block, self.shape
        return {
            "x": self.left - 0.5,
            "y": self.top - 0.5,
            "dw": -(-width // columns) * columns,
            "dh": -(-height // rows) * rows,
        }

    def cell_at(self, x: float, y: float, values: np.ndarray) -> tuple[int, int] | None:
        """Cell (word line, bit line) that the colour at (x, y) belongs to.

        In a block it is the cell whose value is drawn; None beside the array.
        """
        word_line, bit_line = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
        n_word_lines, n_bit_lines = values.shape
        if not (0 <= word_line < n_word_lines and 0 <= bit_line < n_bit_lines):
            return None
        inside = self.top <= word_line < self.bottom and self.left <= bit_line < self.right
        if self.is_exact or not inside:
            return word_line, bit_line
        rows, columns = self.block
        first_row = self.top + (word_line - self.top) // rows * rows
        first_column = self.left + (bit_line - self.left) // columns * columns
        block = np.abs(
            values[
                first_row : min(first_row + rows, self.bottom),
                first_column : min(first_column + columns, self.right),
            ]
        )
        row, column = np.unravel_index(int(block.argmax()), block.shape)
        return first_row + int(row), first_column + int(column)
