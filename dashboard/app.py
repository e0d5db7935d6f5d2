"""Composition of the dashboard: what a session gets, how it is served."""

from __future__ import annotations

import logging
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, field

import panel as pn
import torch
from panel.io.resources import LOCAL_DIST
from panel.io.server import Server, get_server

from analog_model.dataset.io import MAX_BYTES
from analog_model.errors import ConfigurationError
from dashboard import links, outgoing, sessions
from dashboard.access import Access, check_exposure, is_local
from dashboard.health import HealthHandler
from dashboard.login import provider_of
from dashboard.page import TITLE, Page, failure
from dashboard.security import SecurityHeaders
from dashboard.state import State
from dashboard.store import MAX_UPLOAD_BYTES, upload_store
from dashboard.theme import ASSETS, Instrument
from dashboard.upload import UploadHandler
from dashboard.warm_up import warm_up

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """For whom the dashboard is served: who may enter, how many pages, what size of upload."""

    access: Access = field(default_factory=Access)
    most_sessions: int = sessions.MAX_SESSIONS
    max_upload_bytes: int = MAX_UPLOAD_BYTES

    def __post_init__(self) -> None:
        for name, value, most in (
            ("most_sessions", self.most_sessions, 10_000),
            ("max_upload_bytes", self.max_upload_bytes, MAX_BYTES),
        ):
            if not 1 <= value <= most:
                raise ConfigurationError(name, expected=f"1 to {most}", got=str(value))


def create_app(serving: Serving | None = None) -> pn.Template:
    """A fresh session's page, for the link that the browser asked for.

    Whatever goes wrong while it is built becomes a page that says so.
    """
    try:
        return _session_page(serving or Serving())
    except Exception as error:
        log.exception("The session could not be built")
        return pn.Template(failure_page(error), design=Instrument)


def _session_page(serving: Serving) -> pn.Template:
    if not serving.access.admits(pn.state.user):
        raise ConfigurationError(
            "this dashboard",
            expected="a user whom it was opened for",
            got=repr(pn.state.user),
            advice="Ask who serves it, or log out and in again under another name (/logout).",
        )
    sessions.admit(serving.most_sessions)
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
        # Panel sets it with the page's HTML only. A browser so slow that its session was given
        # up by then gets another over the websocket, which would ask a CDN for style sheets.
        pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
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
    serving: Serving | None = None,
    log_level: str = "WARNING",
) -> None:
    """Serve the dashboard until interrupted, and print its address.

    `allow_websocket_origin` names host:port of a server in front of this one. The log goes
    to the standard error, one line a record with its time in UTC. Raises
    `ConfigurationError` for a host beyond this machine that `serving` opens to anybody,
    `OSError` for a port in use.
    """
    start_log(log_level)
    server = make_server(
        host=host, port=port, allow_websocket_origin=allow_websocket_origin, serving=serving
    )
    warm_up()
    address = f"http://{host}:{server.port}/"
    print(f"analog-model dashboard: {address}  (Ctrl+C stops it)", flush=True)  # noqa: T201
    if open_browser:
        server.io_loop.add_callback(webbrowser.open, address)
    server.run_until_shutdown()


def start_log(level: str) -> None:
    """Log records of this level or worse to the standard error, with time, module."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter(
        "%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Bokeh writes a line for each message of each page.
    logging.getLogger("bokeh").setLevel(max(logging.getLogger().level, logging.WARNING))


def make_server(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    allow_websocket_origin: Sequence[str] | None = None,
    session_lifetime: float = 20.0,
    serving: Serving | None = None,
) -> Server:
    """A started server on the current event loop; port 0 takes a free one.

    A session ends `session_lifetime` [s] after its page was closed.
    """
    serving = serving or Serving()
    check_exposure(host, serving.access, allow_websocket_origin or ())
    upload_store().max_upload_bytes = serving.max_upload_bytes
    # Sessions share the cores, and pieces as small as theirs lose more by waking a pool of
    # threads than it gains; under load the pool's spinning made updates several times slower.
    torch.set_num_threads(1)
    pn.extension(notifications=False, exception_handler=sessions.on_callback_error)
    outgoing.leave_none_behind()

    def page() -> pn.Template:
        return create_app(serving)

    provider = provider_of(serving.access)
    guarded = {} if provider is None else {"auth_provider": provider}
    server = get_server(
        {"/": page},
        port=port,
        address=host,
        title=TITLE,
        static_dirs={"assets": str(ASSETS)},
        extra_patterns=[(r"/upload", UploadHandler), (r"/health", HealthHandler)],
        cookie_secret=pn.config.cookie_secret,
        session_history=0,
        unused_session_lifetime_milliseconds=int(1e3 * session_lifetime),
        check_unused_sessions_milliseconds=int(0.5e3 * session_lifetime),
        start=False,
        show=False,
        **guarded,
    )
    server._tornado.settings["access"] = serving.access  # noqa: SLF001
    own = (f"{host}:{server.port}", f"localhost:{server.port}") if is_local(host) else ()
    # Only now the port is known.
    server._tornado._websocket_origins |= {*own, *(allow_websocket_origin or ())}  # noqa: SLF001
    SecurityHeaders.install(server._tornado)  # noqa: SLF001 - Bokeh has no accessor
    # Panel starts this endless task with the first event of the first session, whose document
    # it would then hold for good; started here it knows of none.
    server.io_loop.add_callback(pn.state._schedule_busy_cleanup)  # noqa: SLF001
    loop = getattr(server.io_loop, "asyncio_loop", None)
    if loop is not None:
        loop.set_exception_handler(sessions.on_loop_error)
    server.start()
    return server
