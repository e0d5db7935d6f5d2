"""A real server of the dashboard, with a browser that reports what goes wrong in it.

The server runs in a thread of the test process, so that a test can look at what a session
left behind. `visit` opens a page of it, fails on any console error, exception or request
that leaves 127.0.0.1, and waits for the figure.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

READY = "document.getElementById('main')?.getAttribute('aria-busy') === 'false'"


class Recorder(logging.Handler):
    """Log records of warnings and worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@dataclass
class Served:
    """A running server: its address, its loop, what it logged as an error."""

    address: str
    loop: Any
    server: Any
    recorder: Recorder = field(default_factory=Recorder)

    def sessions(self) -> list[Any]:
        """Sessions that the server holds now."""
        return self.server.get_sessions()


@pytest.fixture(scope="session", autouse=True)
def uploads(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Uploads of the tests go to a folder of theirs, wherever they look for runs."""
    from dashboard.run_store import run_store
    from dashboard.store import upload_store

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANALOG_MODEL_RUNS", str(tmp_path_factory.mktemp("uploads")))
        run_store.cache_clear()
        upload_store.cache_clear()
        upload_store()
    run_store.cache_clear()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """A dashboard on a free port of 127.0.0.1."""
    from tornado.ioloop import IOLoop

    from dashboard.app import make_server

    started: dict[str, Any] = {}
    ready = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        try:
            started["server"] = make_server(port=0, session_lifetime=4.0)
            started["loop"] = loop
        finally:
            ready.set()
        loop.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(60)
    server, loop = started["server"], started["loop"]
    result = Served(f"http://127.0.0.1:{server.port}", loop, server)
    logging.getLogger().addHandler(result.recorder)
    yield result
    logging.getLogger().removeHandler(result.recorder)
    loop.add_callback(server.stop)
    loop.add_callback(loop.stop)
    thread.join(10)


@pytest.fixture
def visit(served: Served, context: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of the dashboard at a query; the test fails on any error in it."""
    problems: list[str] = []
    # On a machine that trains beside the tests, a first page takes this long.
    context.set_default_timeout(30_000)

    def watch(page: Any) -> None:
        page.on("pageerror", lambda error: problems.append(f"exception: {error}"))
        page.on(
            "console",
            lambda message: (
                problems.append(f"console: {message.text}") if message.type == "error" else None
            ),
        )
        page.on("request", lambda request: check_request(request.url))

    def check_request(url: str) -> None:
        if not url.startswith((served.address, "blob:", "data:")):
            problems.append(f"request left the machine: {url}")

    def open_page(query: str = "", *, width: int = 1280, height: int = 720) -> Any:
        page = context.new_page()
        watch(page)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{served.address}/{query}")
        page.wait_for_function(READY)
        return page

    served.recorder.messages.clear()
    yield open_page
    context.close()
    assert problems == []
    errors = [text for text in served.recorder.messages if "Traceback" in text]
    assert errors == []
