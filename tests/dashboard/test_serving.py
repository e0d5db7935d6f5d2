"""Serving others: who gets in, from where, how much; over real HTTP and websockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import panel as pn
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from analog_model.errors import ConfigurationError, DataError
from dashboard import login
from dashboard.access import Access, check_exposure, read_passwords
from dashboard.app import Serving, make_server, start_log
from dashboard.store import upload_store

PASSWORD = "correct horse"
ROOT = Path(__file__).resolve().parents[2]


class Browser:
    """A client with cookies that follows nothing by itself."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        connection.request(method, path, body, {**sent, **(headers or {})})
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.headers), text

    def log_in(self, name: str, password: str) -> int:
        form = urllib.parse.urlencode({"username": name, "password": password}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", "/login", form, kind)[0]

    def upload(self, size: int) -> tuple[int, str]:
        own = {"Origin": f"http://127.0.0.1:{self.port}", "X-Analog-Model": "1"}
        status, _, text = self.ask("POST", "/upload?name=a.csv", b"x" * size, own)
        return status, text


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that asks for a password, holds one page, takes 2 kB."""
    before, secret = upload_store().max_upload_bytes, pn.config.cookie_secret
    serving = Serving(
        access=Access(passwords={"ada": PASSWORD}), most_sessions=1, max_upload_bytes=2000
    )
    started: dict[str, Any] = {}
    ready = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        started["loop"] = IOLoop.current()
        try:
            started["server"] = make_server(port=0, serving=serving)
        finally:
            ready.set()
        started["loop"].start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(60)
    yield started["server"].port
    started["loop"].add_callback(started["server"].stop)
    started["loop"].add_callback(started["loop"].stop)
    thread.join(10)
    upload_store().max_upload_bytes = before
    pn.config.cookie_secret = secret


def websocket_status(port: int, headers: dict[str, str]) -> int:
    """What the server answers to a websocket with these headers."""

    async def connect() -> int:
        request = HTTPRequest(f"ws://127.0.0.1:{port}/ws", headers=headers)
        try:
            await websocket_connect(request, subprotocols=["bokeh", "token"])
        except HTTPClientError as error:
            return error.code
        return 101

    # A browser driven in this process keeps a loop running in the main thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, connect()).result(30)


def test_nobody_enters_without_a_password(port: int) -> None:
    stranger = Browser(port)
    for path in ("/", "/?page=error", "/metadata", "/autoload.js?bokeh-autoload-element=a"):
        status, headers, text = stranger.ask("GET", path)
        assert status in (302, 403, 404), path
        assert "reference-16x16" not in text
        if status == 302:
            assert headers["Location"].lstrip(".").startswith("/login")
    assert stranger.upload(10)[0] == 403
    assert websocket_status(port, {"Origin": f"http://127.0.0.1:{port}"}) in (302, 403)
    assert "default-src 'self'" in stranger.ask("GET", "/login")[1]["Content-Security-Policy"]
    page = stranger.ask("GET", "/login?error=%3Cscript%3E")[2]
    # Another file would ask for the login too, and be what follows it.
    assert "href=" not in page
    assert "src=" not in page
    assert "<script>" not in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_wrong_password_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "DELAY", 0.0)
    guesser = Browser(port)
    for name, password in (
        ("ada", "wrong"),
        ("ada", ""),
        ("", ""),
        ("eve", PASSWORD),
        ("ada", PASSWORD + "x"),
    ):
        assert guesser.log_in(name, password) == 401
        assert "user" not in guesser.cookies
        assert guesser.ask("GET", "/")[0] == 302
    guesser.cookies["user"] = "ada"
    assert guesser.ask("GET", "/")[0] == 302


def test_the_right_password_opens_one_page_and_the_limits_hold(port: int) -> None:
    ada = Browser(port)
    asked = ada.ask("GET", "/?page=error")[1]["Location"].removeprefix(".")
    ada.ask("GET", asked)
    form = f"username=ada&password={PASSWORD.replace(' ', '+')}".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, headers, _ = ada.ask("POST", "/login", form, kind)
    assert (status, headers["Location"]) == (302, "/?page=error")
    status, _, text = ada.ask("GET", headers["Location"])
    assert status == 200
    assert "reference-16x16" in text
    assert "at most 1 open pages" in ada.ask("GET", "/")[2]
    assert "expected" in json.loads(ada.upload(100)[1])["error"]
    status, text = ada.upload(2001)
    assert status == 413
    assert "at most" in json.loads(text)["error"]
    ada.ask("GET", "/logout")
    assert ada.ask("GET", "/")[0] == 302


def test_health_is_told_to_anybody_without_a_session(port: int) -> None:
    before = Browser(port).ask("GET", "/health")
    after = Browser(port).ask("GET", "/health")
    assert before[0] == 200
    assert before[2] == after[2]
    assert json.loads(after[2])["status"] == "ok"
    assert after[1]["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org", ""])
def test_only_this_machine_is_served_unless_users_are_known(host: str) -> None:
    known = Access(passwords={"ada": PASSWORD})
    with pytest.raises(ConfigurationError, match="this machine"):
        check_exposure(host, Access(), ["lab.example:5006"])
    with pytest.raises(ConfigurationError, match="allow_websocket_origin"):
        check_exposure(host, known, [])
    check_exposure(host, known, ["lab.example:5006"])
    check_exposure("127.0.0.1", Access(), [])
    for origin in ("*", "*.example", "https://lab.example"):
        with pytest.raises(ConfigurationError, match="host:port"):
            check_exposure(host, known, [origin])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"ada": " a blank before"}',
        '{"ada": 1}',
        '{"ada": "short"}',
        '{"": "long enough it is"}',
        "ada",
    ],
)
def test_a_file_that_protects_nothing_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read_passwords(path)
    path.write_text(json.dumps({"ada": PASSWORD}))
    assert read_passwords(path) == {"ada": PASSWORD}
    assert PASSWORD not in repr(Access(passwords=read_passwords(path)))


def test_an_oauth_service_needs_its_users_and_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PANEL_OAUTH_KEY", "PANEL_OAUTH_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="names of its users"):
        Access(oauth_provider="github")
    with pytest.raises(ConfigurationError, match="Did you mean 'github'"):
        Access(oauth_provider="githib", allowed=("ada",))
    known = Access(oauth_provider="github", allowed=("ada",))
    assert known.admits("ada")
    assert not known.admits("eve")
    assert not known.admits(None)
    with pytest.raises(ConfigurationError, match="PANEL_OAUTH_KEY"):
        login.provider_of(known)


def test_a_log_line_says_when_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        start_log("INFO")
        logging.getLogger("dashboard.some").info("hello")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("bokeh").setLevel(logging.NOTSET)
    line = capsys.readouterr().err.strip()
    assert line.endswith("Z INFO dashboard.some: hello")
    assert line[4] == line[7] == "-"


def container_steps() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile with what follows each."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(name, rest) for name, rest in steps]


def test_the_container_runs_as_nobody_special() -> None:
    """As far as it can be checked without building it: instructions, user, what it starts."""
    steps = container_steps()
    names = [name for name, _ in steps]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    assert set(names) <= known
    assert names[0] == "FROM"
    # A cluster that forbids root asks for a number.
    user = next(rest for name, rest in steps if name == "USER")
    assert int(user.split(":")[0]) > 0
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert any("-c constraints.txt" in rest for name, rest in steps if name == "RUN")
    started = json.loads(next(rest for name, rest in steps if name == "ENTRYPOINT"))
    assert started[:2] == ["analog-model", "dashboard"]
    for name, rest in steps:
        if name == "COPY":
            for part in rest.split()[:-1]:
                assert part.startswith("--") or (ROOT / part).exists(), part


def test_the_containers_check_tells_a_server_from_none(port: int) -> None:
    """A proxy that the container was given for the network outside has no part in it."""
    steps = dict(container_steps())
    _, _, command = steps["HEALTHCHECK"].partition("CMD")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = taken.getsockname()[1]
        for asked, expected in ((port, True), (nobody, False)):
            _, *arguments = json.loads(command.replace(steps["EXPOSE"], str(asked)))
            done = subprocess.run(
                [sys.executable, *arguments],
                env={**os.environ, "http_proxy": f"http://127.0.0.1:{nobody}"},
                capture_output=True,
                check=False,
                timeout=60,
            )
            assert (done.returncode == 0) is expected, done.stderr.decode()
