"""Command `dashboard`: the dashboard served on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from analog_model.errors import ConfigurationError

OURS = ("analog_model", "dashboard")


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
) -> None:
    """Serve the dashboard, print its address, and stay until interrupted."""
    try:
        from dashboard.app import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        raise ConfigurationError(
            "dashboard",
            expected="its libraries to be installed",
            got=f"no module {error.name!r}",
            advice="Install them: pip install 'analog-model[dashboard]'.",
        ) from None
    serve(
        host=host,
        port=port,
        open_browser=open_browser,
        allow_websocket_origin=allow_websocket_origin,
    )
