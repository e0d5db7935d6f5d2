"""Command `dashboard`: the dashboard served on this machine, to others only on request."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from analog_model.errors import ConfigurationError

OURS = ("analog_model", "dashboard")


class LogLevel(StrEnum):
    """What the log tells."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def dashboard(
    *,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 5006,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    allow_websocket_origin: Annotated[
        list[str] | None,
        typer.Option(help="HOST:PORT that a page may come from, behind a proxy; repeatable."),
    ] = None,
    basic_auth: Annotated[
        Path | None, typer.Option(help="JSON file of passwords by user; asks for a login.")
    ] = None,
    oauth_provider: Annotated[
        str | None,
        typer.Option(help="Service that knows the users; its secrets in PANEL_OAUTH_KEY, ..."),
    ] = None,
    allow_user: Annotated[
        list[str] | None, typer.Option(help="User of that service who may enter; repeatable.")
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, max=256, help="Largest upload in MiB.")] = 64,
    max_sessions: Annotated[int, typer.Option(min=1, help="Most pages open at a time.")] = 100,
    log_level: Annotated[LogLevel, typer.Option(help="What the log tells.")] = LogLevel.WARNING,
) -> None:
    """Serve the dashboard, print its address, and stay until interrupted."""
    try:
        from dashboard.access import Access, read_passwords
        from dashboard.app import Serving, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        raise ConfigurationError(
            "dashboard",
            expected="its libraries to be installed",
            got=f"no module {error.name!r}",
            advice="Install them: pip install 'analog-model[dashboard]'.",
        ) from None
    access = Access(
        passwords=None if basic_auth is None else read_passwords(basic_auth),
        oauth_provider=oauth_provider,
        allowed=tuple(allow_user or ()),
    )
    serve(
        host=host,
        port=port,
        open_browser=open_browser,
        allow_websocket_origin=allow_websocket_origin,
        serving=Serving(
            access=access, most_sessions=max_sessions, max_upload_bytes=max_upload * 2**20
        ),
        log_level=log_level.value.upper(),
    )
