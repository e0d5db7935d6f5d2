"""Sessions that a server holds at one time."""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Any

import panel as pn
from bokeh.document import Document
from panel.links import Callback
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError

from analog_model.errors import SimulationError
from dashboard.state import State

MAX_SESSIONS = 100
log = logging.getLogger(__name__)

# Weak on both sides: a state leads to its document, which would keep the key alive.
_states: weakref.WeakKeyDictionary[Document, weakref.ref[State]] = weakref.WeakKeyDictionary()
_open: set[str] = set()


def count() -> int:
    """How many pages are open."""
    return len(_open)


def admit(most: int = MAX_SESSIONS) -> None:
    """Count the session being built; `SimulationError` where `most` are open already."""
    document = pn.state.curdoc
    context = None if document is None else document.session_context
    if document is None or context is None:
        return
    if len(_open) >= most:
        raise SimulationError(
            "this server",
            expected=f"at most {most} open pages",
            got="one more",
            advice="Close other tabs of the dashboard and reload in half a minute.",
        )
    _open.add(context.id)
    document.on_session_destroyed(_leave)


def _leave(context: Any) -> None:
    _open.discard(context.id)
    # After Panel's own clean-up, which runs in the same round of callbacks.
    IOLoop.current().call_later(1.0, drop_dead_callbacks)


def drop_dead_callbacks() -> None:
    """Let go of JavaScript callbacks whose widgets are on no page any more.

    Panel registers them by weak reference to the widget, but the callback's arguments hold
    that widget, so that its whole session would stay for good.
    """
    for source in list(Callback.registry):
        if not getattr(source, "_models", True):
            del Callback.registry[source]


def is_drawing(document: Document | None) -> bool:
    """Whether a browser has fetched the session's document, and not drawn it yet.

    Until it has, Panel throws away changes of layouts, and whatever changes while events are
    held: it expects them to be fetched with the document. They would be missing, and every
    later message that names them fail.
    """
    context = None if document is None else document.session_context
    session = getattr(context, "session", None)
    return session is not None and session.connection_count > 0 and not pn.state.loaded


def register(state: State) -> None:
    """Remember which state belongs to the session being built."""
    if pn.state.curdoc is not None:
        _states[pn.state.curdoc] = weakref.ref(state)


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take a page that closed while a message was on its way to it for what it is.

    Tornado writes in a task that nobody awaits, so that the loop would report a failure.
    """
    if isinstance(context.get("exception"), WebSocketClosedError):
        log.debug("A page closed before its last message arrived")
        return
    loop.default_exception_handler(context)


def on_callback_error(error: Exception) -> None:
    """Log what a callback raised, and tell the session's user instead of dying silently."""
    log.error("A callback failed", exc_info=error)
    found = None if pn.state.curdoc is None else _states.get(pn.state.curdoc)
    state = None if found is None else found()
    if state is not None:
        state.tell(f"That did not work. {type(error).__name__}: {error}", "error")
