"""Downloads from a server on this machine that misbehaves in every way we know of."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from analog_model.errors import DataError
from analog_model.nn.images import download as subject
from analog_model.nn.images.catalogue import Download
from analog_model.nn.images.download import fetch

# Whole chunks, since of a chunk that a break cuts nothing is kept.
HALF = 4 * subject.CHUNK_BYTES
CONTENT = np.random.default_rng(5).bytes(2 * HALF)


@dataclass
class Server:
    """Answers each request by what `answers` holds for its path: the next, then the last."""

    port: int
    answers: dict[str, list[Callable[[BaseHTTPRequestHandler, int], None]]]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    length: int | None = None,
    start: int | None = None,
) -> None:
    """An answer that announces `length` bytes, as long as its body unless it lies."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    if start is not None:
        handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler, start: int) -> None:
    if start:
        send(handler, CONTENT[start:], status=206, start=start)
    else:
        send(handler, CONTENT)


def half_then_break(handler: BaseHTTPRequestHandler, start: int) -> None:
    """Half of the file, wherever it starts, of the announced rest."""
    body = CONTENT[start : start + HALF]
    length = len(CONTENT) - start
    send(handler, body, status=206 if start else 200, length=length, start=start or None)


def quarter_then_break(handler: BaseHTTPRequestHandler, start: int) -> None:
    body = CONTENT[start : start + HALF // 2]
    length = len(CONTENT) - start
    send(handler, body, status=206 if start else 200, length=length, start=start or None)


def half_then_silence(handler: BaseHTTPRequestHandler, start: int) -> None:
    half_then_break(handler, start)
    handler.wfile.flush()
    handler.server.silence.wait(60)


def ignores_range(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, CONTENT)


def another_range(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, CONTENT[start - 1 :], status=206, start=start - 1)


def wrong_bytes(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, b"?" * len(CONTENT))


def wrong_half_then_break(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, b"?" * HALF, length=len(CONTENT))


def login_page(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, b"<html>Log in to the network</html>")


def absent(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, b"no such file", status=404)


def broken(handler: BaseHTTPRequestHandler, start: int) -> None:
    send(handler, b"", status=500)


def endless(handler: BaseHTTPRequestHandler, start: int) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(10):
        handler.wfile.write(CONTENT)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # A proxy of the environment must not come between the test and its own server.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server(0, {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            span = self.headers.get("Range")
            state.asked.append((path, span))
            answers = state.answers[path]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            # The client may have had enough, as it should of an endless answer.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                answer(self, int(span.removeprefix("bytes=").removesuffix("-")) if span else 0)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.silence = threading.Event()  # type: ignore[attr-defined]
    state.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    http.silence.set()  # type: ignore[attr-defined]
    http.shutdown()
    http.server_close()
    thread.join()


def wanted(*addresses: str) -> Download:
    checksum = hashlib.sha256(CONTENT).hexdigest()
    return Download("file.gz", len(CONTENT), checksum, (), addresses)


def silent(_what: str, _fraction: float) -> None:
    pass


def left(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")
    }


def test_a_whole_file(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [whole]}
    told: list[tuple[str, float]] = []
    folder = tmp_path / "new" / "folder"
    path = fetch(
        wanted(server.address("a")), folder, progress=lambda what, done: told.append((what, done))
    )
    assert path == folder / "file.gz"
    assert left(folder) == {"file.gz": CONTENT}
    fractions = [done for _, done in told]
    assert {what for what, _ in told} == {"file.gz"}
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(fractions) > 3


def test_a_break_is_resumed_where_it_happened(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [quarter_then_break, quarter_then_break, whole]}
    fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert [span for _, span in server.asked] == [None, f"bytes={HALF // 2}-", f"bytes={HALF}-"]


def test_a_break_is_resumed_by_the_next_run(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [half_then_break, broken]}
    with pytest.raises(DataError, match="what arrived is kept"):
        fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz.part": CONTENT[:HALF]}
    server.answers = {"a": [whole]}
    server.asked.clear()
    fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert server.asked == [("a", f"bytes={HALF}-")]


def test_a_break_is_resumed_from_the_next_server(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [half_then_break, broken], "b": [whole]}
    fetch(wanted(server.address("a"), server.address("b")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert server.asked[-1] == ("b", f"bytes={HALF}-")


def test_silence_counts_as_a_break(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "TIMEOUT", (5.0, 0.3))
    server.answers = {"a": [half_then_silence, whole]}
    fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert [span for _, span in server.asked] == [None, f"bytes={HALF}-"]


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [half_then_break, ignores_range]}
    fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert len(server.asked) == 2


def test_another_range_than_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [half_then_break, another_range]}
    with pytest.raises(DataError, match="answers 206"):
        fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz.part": CONTENT[:HALF]}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (wrong_bytes, "its content has another SHA-256"),
        (login_page, "it offers 34 bytes"),
        (absent, "it answers 404"),
        (broken, "it answers 500"),
        (endless, "it sends too many bytes"),
    ],
)
def test_a_useless_server_leaves_nothing_and_the_next_is_asked(
    server: Server, tmp_path: Path, answer: Callable[..., None], said: str
) -> None:
    server.answers = {"a": [answer], "b": [whole]}
    with pytest.raises(DataError, match=f"127.0.0.1:{server.port}: {said}"):
        fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert not any(left(tmp_path).values())
    fetch(wanted(server.address("a"), server.address("b")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}


def test_a_wrong_beginning_does_not_spoil_the_next_server(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [wrong_half_then_break, broken], "b": [whole]}
    fetch(wanted(server.address("a"), server.address("b")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert [span for path, span in server.asked if path == "b"] == [f"bytes={HALF}-", None]


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path, server: Server) -> None:
    closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = closed.server_address[1]
    closed.server_close()
    with pytest.raises(DataError) as caught:
        fetch(wanted(f"http://127.0.0.1:{port}/a"), tmp_path, progress=silent)
    said = str(caught.value)
    assert f"127.0.0.1:{port}: " in said
    assert "refused" in said
    assert "Connect to the network" in said
    assert str(tmp_path) in said
    assert "mnist_5k" in said
    assert left(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"a folder with room for file\.gz \(0\.5 MB\)") as caught:
        fetch(wanted("http://127.0.0.1:9/a"), tmp_path / "file" / "below", progress=silent)
    assert "--data-dir" in str(caught.value)


def test_two_at_once_download_once(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [whole]}
    paths: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: paths.append(
                fetch(wanted(server.address("a")), tmp_path, progress=silent)
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "file.gz"] * 4
    assert left(tmp_path) == {"file.gz": CONTENT}
    assert len(server.asked) == 1


def test_a_killed_download_is_never_taken_for_a_whole_one(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [half_then_silence, whole]}
    download = wanted(server.address("a"))
    script = (
        "from pathlib import Path\n"
        "from analog_model.nn.images.catalogue import Download\n"
        "from analog_model.nn.images.download import fetch\n"
        f"fetch({download!r}, Path({str(tmp_path)!r}), progress=lambda *_: None)"
    )
    child = subprocess.Popen([sys.executable, "-c", script])
    part = tmp_path / "file.gz.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "file.gz").exists()
    kept = part.read_bytes()
    assert CONTENT.startswith(kept)
    assert fetch(download, tmp_path, progress=silent).read_bytes() == CONTENT
    assert server.asked[-1] == ("a", f"bytes={len(kept)}-")
    assert not part.exists()


def test_a_complete_part_needs_no_server(tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(CONTENT)
    path = fetch(wanted("http://127.0.0.1:9/a"), tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT


def test_a_part_of_another_file_is_replaced(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [whole]}
    (tmp_path / "file.gz.part").write_bytes(b"?" * (len(CONTENT) + 1))
    fetch(wanted(server.address("a")), tmp_path, progress=silent)
    assert left(tmp_path) == {"file.gz": CONTENT}


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(CONTENT)
    path = fetch(wanted("http://127.0.0.1:9/a"), tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT


def test_another_checksum_is_never_accepted(server: Server, tmp_path: Path) -> None:
    server.answers = {"a": [whole]}
    other = replace(wanted(server.address("a")), sha256="0" * 64)
    with pytest.raises(DataError, match="another SHA-256"):
        fetch(other, tmp_path, progress=silent)
    assert left(tmp_path) == {}
