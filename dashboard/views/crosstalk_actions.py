"""Actions of a user on the crosstalk page, each one change of the state."""

from __future__ import annotations

import numpy as np

from analog_model import vocabulary as v
from dashboard.patterns import CodeGrid, code_grid
from dashboard.state import State
from dashboard.views.crosstalk_heatmap import Heatmap
from dashboard.views.crosstalk_timeline import slot_at


class Actions:
    """What taps, drags, keys do; coordinates are those of the figure they happen in."""

    def __init__(self, state: State, heatmap: Heatmap) -> None:
        self.state = state
        self.heatmap = heatmap
        self._dragged: int | None = None

    def choose_cell(self, x: float, y: float) -> None:
        """Look at the cell whose colour is there."""
        assert self.heatmap.shown is not None
        cell = self.heatmap.window.cell_at(x, y, self.heatmap.shown.values)
        if cell is not None:
            self.state.param.update(word_line=cell[0], bit_line=cell[1])

    def move(self, down: int, right: int) -> None:
        """Look at a neighbour of the selected cell, up to the edges of the array."""
        n_word_lines, n_bit_lines = self.state.chip.cell_current.shape
        word_line = int(np.clip(self.state.word_line + down, 0, n_word_lines - 1))
        bit_line = int(np.clip(self.state.bit_line + right, 0, n_bit_lines - 1))
        self.heatmap.reveal(word_line, bit_line)
        self.state.param.update(word_line=word_line, bit_line=bit_line)

    def toggle_selected(self) -> None:
        """Switch the word line of the selected cell."""
        self.toggle(float(self.state.word_line))

    def widen_selected(self, step: int) -> None:
        """Change the pulse of the selected cell's word line by some codes."""
        line = self.state.word_line
        self._set_code(line, self.state.codes()[line] + step)

    def toggle(self, y: float) -> None:
        """Switch a word line between no pulse and the full pulse."""
        line = self._line_at(y)
        if line is not None:
            self._set_code(line, 0 if self.state.codes()[line] else self._grid().highest)

    def drag_pulse(self, x: float, y: float, *, begins: bool) -> None:
        """Set the width of the pulse on whose row the drag began, to whole codes."""
        if begins:
            self._dragged = self._line_at(y)
        line = self._dragged
        if line is None:
            return
        self._set_code(line, int(np.rint(self._width_up_to(line, x) / self._grid().lsb)))

    def _width_up_to(self, line: int, x: float) -> float:
        """Width [s] of a pulse whose free edge is at the time x [s]."""
        slots, alignment = self.state.slots, self.state.chip.pulse.alignment
        # Times count from the edge or the centre that the pulses share.
        if alignment == "trailing":
            return -x
        if alignment == "centred":
            return 2 * abs(x)
        return x - float(slots[v.PULSE_START].values[line])

    def _set_code(self, line: int, code: int) -> None:
        codes = list(self.state.codes())
        chosen = min(max(code, 0), self._grid().highest)
        if chosen != codes[line]:
            codes[line] = chosen
            self.state.set_pattern(codes)

    def choose_time(self, x: float) -> None:
        """Look at the slot at a time [s]."""
        slot = slot_at(self.state.slots, x)
        if slot is not None:
            self.state.time_slot = slot

    def zoom(self, factor: float | None) -> None:
        """Show `factor` times as many lines each way about the selected cell, None for all."""
        if factor is None:
            factor = float(max(self.state.chip.cell_current.shape))
        self.heatmap.zoom(factor, self.state.word_line, self.state.bit_line)

    def _line_at(self, y: float) -> int | None:
        line = int(np.floor(y + 0.5))
        return line if 0 <= line < self.state.chip.n_word_lines else None

    def _grid(self) -> CodeGrid:
        return code_grid(self.state.chip, self.state.measurement)
