"""Changes of Bokeh models that travel to the browser together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Protocol, TypeVar, cast

import panel as pn
from panel.viewable import Viewable

from dashboard.sessions import is_drawing

Method = TypeVar("Method", bound=Callable[..., None])

_DRAWING_MS = 50


class Laid(Protocol):
    """A view with its layout, None while it is being built."""

    layout: Viewable | None


def in_one_message(method: Method) -> Method:
    """Send what a view's `method` changes at once, from whatever callback it runs.

    A served session changes Bokeh models under a lock, which callbacks of Panel's widgets
    do not hold; a notebook learns of their changes only when told to. What a browser is
    drawing at the moment changes once it is drawn.
    """

    @wraps(method)
    def held(view: Laid, *arguments: Any) -> None:
        document = pn.state.curdoc
        if document is not None and is_drawing(document):
            document.add_timeout_callback(partial(held, view, *arguments), _DRAWING_MS)
            return
        with pn.io.hold():
            method(view, *arguments)
        served = document is not None and document.session_context is not None
        if not served and view.layout is not None:
            pn.io.push_notebook(view.layout)

    return cast(Method, held)
