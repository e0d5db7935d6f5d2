"""Composition of the dashboard: what a session gets, how it is served."""

from __future__ import annotations

import logging
from typing import Any

import panel as pn

from dashboard import links
from dashboard.page import TITLE, Page, failure
from dashboard.state import State
from dashboard.theme import ASSETS, Instrument
from dashboard.upload import UploadHandler

log = logging.getLogger(__name__)


def create_app() -> pn.Template:
    """A fresh session's page, for the link that the browser asked for.

    Whatever goes wrong while it is built becomes a page that says so.
    """
    try:
        return _session_page()
    except Exception as error:
        log.exception("The session could not be built")
        template = pn.Template(failure_page(error), design=Instrument)
        template.add_panel("main", pn.Spacer(width=0, height=0))
        return template


def _session_page() -> pn.Template:
    location = pn.state.location
    values, problems = links.read_query(location.search if location is not None else "")
    state = State(**values)
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
    allow_websocket_origin: list[str] | None = None,
) -> None:
    """Serve the dashboard until interrupted, and print its address."""
    server = make_server(host=host, port=port, allow_websocket_origin=allow_websocket_origin)
    address = f"http://{'localhost' if host == '127.0.0.1' else host}:{server.port}/"
    print(f"analog-model dashboard: {address}  (Ctrl+C stops it)", flush=True)  # noqa: T201
    if open_browser:
        server.io_loop.add_callback(_open, address)
    try:
        server.run_until_shutdown()
    finally:
        server.stop()


def _open(address: str) -> None:
    import webbrowser

    webbrowser.open(address)


def make_server(
    *, host: str = "127.0.0.1", port: int = 0, allow_websocket_origin: list[str] | None = None
) -> Any:
    """A started server; port 0 takes a free one."""
    pn.extension(notifications=False)
    server = pn.io.server.get_server(
        {"/": create_app},
        port=port,
        address=host,
        title=TITLE,
        websocket_origin=allow_websocket_origin or None,
        static_dirs={"assets": str(ASSETS)},
        extra_patterns=[(r"/upload", UploadHandler)],
        session_history=0,
        start=False,
        show=False,
    )
    server.start()
    return server
