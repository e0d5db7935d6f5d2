"""The shared fixtures: loud skips, failures under CI, a browser that stays at home."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def server() -> Iterator[str]:
    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(b"<title>at home</title>")

        def log_message(self, *args: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/"
    httpd.shutdown()
    httpd.server_close()


def test_a_missing_tool_is_skipped_with_its_name(
    require_tool: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not installed"):
        require_tool("no-such-tool")


def test_a_missing_tool_fails_under_ci(
    require_tool: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool is not installed"):
        require_tool("no-such-tool")


def test_the_browser_reaches_this_machine_and_no_other(page: Any, server: str) -> None:
    page.goto(server)
    assert page.title() == "at home"
    # localhost is resolved; any other name is refused before a packet leaves, although it
    # would resolve to a server that answers.
    script = "url => fetch(url, {mode: 'no-cors'}).then(() => 'reached', e => String(e))"
    port = server.rsplit(":", 1)[1]
    assert page.evaluate(script, f"http://localhost:{port}") == "reached"
    assert "Failed to fetch" in page.evaluate(script, f"http://home.localhost:{port}")
