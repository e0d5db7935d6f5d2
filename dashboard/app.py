"""Composition of the dashboard: what a session gets, how it is served."""

from __future__ import annotations

import logging
import webbrowser
from collections.abc import Sequence

import panel as pn
import torch
from panel.io.server import Server, get_server

from dashboard import links, sessions
from dashboard.page import TITLE, Page, failure
from dashboard.security import SecurityHeaders, check_host
from dashboard.state import State
from dashboard.theme import ASSETS, Instrument
from dashboard.upload import UploadHandler
from dashboard.warm_up import warm_up

log = logging.getLogger(__name__)


def create_app() -> pn.Template:
    """A fresh session's page, for the link that the browser asked for.

    Whatever goes wrong while it is built becomes a page that says so.
    """
    try:
        return _session_page()
    except Exception as error:
        log.exception("The session could not be built")
        return pn.Template(failure_page(error), design=Instrument)


def _session_page() -> pn.Template:
    sessions.admit()
    location = pn.state.location
    values, problems = links.read_query(location.search if location is not None else "")
    state = State(**values)
    sessions.register(state)
    page = Page(state)
    for problem in problems:
        state.tell(problem, "error")
    template = page.template()
    if location is not None:
        page.follow(location)
    if pn.state.curdoc is not None:
        page.attach(pn.state.curdoc)
    return template


def failure_page(error: BaseException) -> str:
    """A page without Bokeh models that says why there is no dashboard."""
    message = failure("The dashboard could not start.", error).replace("{", "&#123;")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        '<link rel="stylesheet" href="assets/style.css"></head><body>'
        f"{message}</body></html>"
    )


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 5006,
    open_browser: bool = True,
    allow_websocket_origin: Sequence[str] | None = None,
) -> None:
    """Serve the dashboard until interrupted, and print its address.

    `allow_websocket_origin` names host:port of a server in front of this one. Raises
    `ConfigurationError` for a host beyond this machine, `OSError` for a port in use.
    """
    server = make_server(host=host, port=port, allow_websocket_origin=allow_websocket_origin)
    warm_up()
    address = f"http://{host}:{server.port}/"
    print(f"analog-model dashboard: {address}  (Ctrl+C stops it)", flush=True)  # noqa: T201
    if open_browser:
        server.io_loop.add_callback(webbrowser.open, address)
    server.run_until_shutdown()


def make_server(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    allow_websocket_origin: Sequence[str] | None = None,
    session_lifetime: float = 20.0,
) -> Server:
    """A started server on the current event loop; port 0 takes a free one.

    A session ends `session_lifetime` [s] after its page was closed.
    """
    check_host(host)
    # Sessions share the cores, and pieces as small as theirs lose more by waking a pool of
    # threads than it gains; under load the pool's spinning made updates several times slower.
    torch.set_num_threads(1)
    pn.extension(notifications=False, exception_handler=sessions.on_callback_error)
    server = get_server(
        {"/": create_app},
        port=port,
        address=host,
        title=TITLE,
        static_dirs={"assets": str(ASSETS)},
        extra_patterns=[(r"/upload", UploadHandler)],
        session_history=0,
        unused_session_lifetime_milliseconds=int(1e3 * session_lifetime),
        check_unused_sessions_milliseconds=int(0.5e3 * session_lifetime),
        start=False,
        show=False,
    )
    server._tornado._websocket_origins |= {  # noqa: SLF001 - the port is known only now
        f"{host}:{server.port}",
        f"localhost:{server.port}",
        *(allow_websocket_origin or ()),
    }
    SecurityHeaders.install(server._tornado)  # noqa: SLF001 - Bokeh has no accessor
    # Panel starts this endless task with the first event of the first session, whose document
    # it would then hold for good; started here it knows of none.
    server.io_loop.add_callback(pn.state._schedule_busy_cleanup)  # noqa: SLF001
    loop = getattr(server.io_loop, "asyncio_loop", None)
    if loop is not None:
        loop.set_exception_handler(sessions.on_loop_error)
    server.start()
    return server
