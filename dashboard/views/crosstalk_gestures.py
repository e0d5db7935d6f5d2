"""Gestures on the figures: taps, drags, keys, a changed view.

What a browser sends is user input: whatever is not one of the known gestures with sane
numbers is ignored.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

from bokeh.events import Pan, PanStart, Tap
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.plotting import figure

log = logging.getLogger(__name__)

# Runs when a figure is first laid out, which is when its element exists.
_KEYS = """
const found = [...Bokeh.index.all_views()].find((view) => view.model === figure)
if (found && !found.el.hasAttribute("tabindex")) {
  const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}
  const el = found.el
  el.tabIndex = 0
  el.setAttribute("role", "application")
  el.setAttribute("aria-label", label)
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return
    let message = null
    if (event.key in steps) message = {kind: "move", by: steps[event.key]}
    else if (event.key === " ") message = {kind: "toggle"}
    else if (event.key === "+" || event.key === "-") {
      message = {kind: "widen", by: event.key === "+" ? 1 : -1}
    }
    if (message === null) return
    event.preventDefault()
    channel.data = {message: [JSON.stringify({...message, number: performance.now()})]}
  })
}
"""
_VIEW = """
clearTimeout(channel.timer)
channel.timer = setTimeout(() => {
  const message = {kind: "view", x: [x.start, x.end], y: [y.start, y.end]}
  channel.data = {message: [JSON.stringify(message)]}
}, 90)
"""


class DragAction(Protocol):
    """What a drag does at each of its points."""

    def __call__(self, x: float, y: float, *, begins: bool) -> None: ...


def on_tap(plot: figure, act: Callable[[float, float], None]) -> None:
    """Call `act` with the data coordinates of each tap."""
    plot.on_event(Tap, lambda event: _with_point(event, act))


def on_drag(plot: figure, act: DragAction) -> None:
    """Call `act` with the coordinates of a drag; `begins` where it does."""

    def begin(x: float, y: float) -> None:
        act(x, y, begins=True)

    def go_on(x: float, y: float) -> None:
        act(x, y, begins=False)

    plot.on_event(PanStart, lambda event: _with_point(event, begin))
    plot.on_event(Pan, lambda event: _with_point(event, go_on))


def _with_point(event: Any, act: Callable[[float, float], None]) -> None:
    if all(isinstance(c, int | float) and math.isfinite(c) for c in (event.x, event.y)):
        act(float(event.x), float(event.y))


class Channel:
    """Messages from one figure's element that Bokeh has no event for.

    `on_move` gets steps of (word line, bit line), `on_toggle` nothing,
    `on_widen` a step of the input code, `on_view` the ends of
    both ranges.
    """

    def __init__(
        self,
        plot: figure,
        label: str,
        *,
        on_move: Callable[[int, int], None],
        on_toggle: Callable[[], None],
        on_widen: Callable[[int], None],
        on_view: Callable[[tuple[float, float], tuple[float, float]], None],
    ) -> None:
        self.on_move, self.on_toggle, self.on_widen = on_move, on_toggle, on_widen
        self.on_view = on_view
        self.source = ColumnDataSource({"message": [""]})
        keys = CustomJS(args={"figure": plot, "channel": self.source, "label": label}, code=_KEYS)
        plot.js_on_change("inner_width", keys)
        view = CustomJS(
            args={"channel": self.source, "x": plot.x_range, "y": plot.y_range}, code=_VIEW
        )
        for axis in (plot.x_range, plot.y_range):
            for end in ("start", "end"):
                axis.js_on_change(end, view)
        self.source.on_change("data", self._receive)

    def _receive(self, _attribute: str, _old: Any, new: Any) -> None:
        try:
            act = self._meant(json.loads(new["message"][0]))
        except (ValueError, KeyError, TypeError, IndexError):
            log.warning("Unreadable gesture")
            return
        act()

    def _meant(self, message: dict[str, Any]) -> Callable[[], None]:
        """What a message asks for; ValueError, KeyError or TypeError for nonsense."""
        if message["kind"] == "toggle":
            return self.on_toggle
        if message["kind"] == "widen":
            step = _step(message["by"])
            return lambda: self.on_widen(step)
        if message["kind"] == "move":
            down, right = map(_step, message["by"])
            return lambda: self.on_move(down, right)
        if message["kind"] == "view":
            x, y = _ends(message["x"]), _ends(message["y"])
            return lambda: self.on_view(x, y)
        raise ValueError(message["kind"])


def _step(number: Any) -> int:
    return max(-1, min(1, int(number)))


def _ends(pair: Any) -> tuple[float, float]:
    start, end = (float(number) for number in pair)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(pair)
    return start, end
