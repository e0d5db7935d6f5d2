"""History of a chip's changes: each step of a session, to go back or on again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import param

from dashboard.state import CHIP_INPUTS, SOURCE_INPUTS, State

MOST_STEPS = 100
# Values of one dragged slider are one step [s]; so is what follows from a change at once.
_DRAG, _AT_ONCE = 1.0, 0.05
_REMEMBERED = (*SOURCE_INPUTS, *CHIP_INPUTS)
Values = dict[str, Any]


class History(param.Parameterized):
    """Steps between chips: where the chip is from, its effects, its parameters.

    What is looked at, page, cell, pattern, is no step.
    """

    can_undo = param.Boolean(default=False)
    can_redo = param.Boolean(default=False)

    def __init__(self, state: State, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._state = state
        self._clock = clock
        self._now = self._values()
        self._before: list[Values] = []
        self._after: list[Values] = []
        self._last: tuple[float, frozenset[str]] = (-1e9, frozenset())
        self._going = False
        state.param.watch(self._note, list(_REMEMBERED))

    def undo(self) -> None:
        """The chip before the last step; nothing where there is none."""
        self._go(self._before, self._after)

    def redo(self) -> None:
        """The chip after the step that was undone last."""
        self._go(self._after, self._before)

    def _go(self, source: list[Values], target: list[Values]) -> None:
        if not source:
            return
        target.append(self._now)
        wanted = source.pop()
        self._going = True
        try:
            # In two: another source starts from its own parameters.
            self._state.param.update(**{name: wanted[name] for name in SOURCE_INPUTS})
            self._state.param.update(**{name: wanted[name] for name in CHIP_INPUTS})
        finally:
            self._going = False
        self._now = self._values()
        self._last = (-1e9, frozenset())
        self._tell()

    def _note(self, *_events: Any) -> None:
        """Remember a change that somebody made."""
        if self._going:
            return
        values = self._values()
        changed = frozenset(name for name in _REMEMBERED if values[name] != self._now[name])
        if not changed:
            return
        time_before, changed_before = self._last
        elapsed = self._clock() - time_before
        joined = elapsed < _AT_ONCE or (changed == changed_before and elapsed < _DRAG)
        if not joined:
            self._before = [*self._before, self._now][-MOST_STEPS:]
            self._last = (self._clock(), changed)
        else:
            self._last = (self._clock(), changed_before)
        self._after = []
        self._now = values
        self._tell()

    def _values(self) -> Values:
        values = {name: getattr(self._state, name) for name in _REMEMBERED}
        # A list of the state's own could change under us.
        return values | {"effects": list(values["effects"])}

    def _tell(self) -> None:
        self.param.update(can_undo=bool(self._before), can_redo=bool(self._after))
