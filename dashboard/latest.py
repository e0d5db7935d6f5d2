"""Calls of which only the latest counts.

A dragged slider sends dozens of values a second. Computing for each would queue them up and
let the plot trail behind; here a value waits a moment, and a newer one takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import panel as pn

Value = TypeVar("Value")

# Long enough for values already on their way to arrive, too short to notice.
DELAY_MS = 8


class LatestOnly(Generic[Value]):
    """A function that drops calls overtaken by newer ones.

    In a served session the call happens on the session's own loop, `DELAY_MS` later; in a
    notebook or a plain script, where nothing queues, at once.
    """

    def __init__(self, function: Callable[[Value], None]) -> None:
        self._function = function
        self._pending: list[Value] = []

    def __call__(self, value: Value) -> None:
        """Ask for a call with this value."""
        document = pn.state.curdoc
        context = None if document is None else document.session_context
        if context is None:
            self._function(value)
            return
        scheduled = bool(self._pending)
        self._pending = [value]
        if not scheduled:
            document.add_timeout_callback(self._run, DELAY_MS)

    def _run(self) -> None:
        value = self._pending.pop()
        self._function(value)


def latest_only(function: Callable[[Value], None]) -> LatestOnly[Value]:
    """`function`, called with the newest value only."""
    return LatestOnly(function)
