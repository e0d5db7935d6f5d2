"""Messages on their way to a page: none stays behind, whenever the one before ends."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from bokeh.document import Document
from panel.io import document as panels
from tornado.websocket import WebSocketHandler

from dashboard import outgoing


class Socket(WebSocketHandler):
    """What Panel takes for the websocket of a page; it is written to nowhere."""

    def __init__(self) -> None:
        pass


class Connection:
    """A page, as far as Panel's writing knows one."""

    def __init__(self) -> None:
        self._socket = Socket()
        self.protocol = SimpleNamespace(create=lambda _kind, events: events)


def sent_in_a_race(monkeypatch: pytest.MonkeyPatch, dispatch: Any) -> list[Any]:
    """Messages sent where the second is put aside as the writing of the first ends."""
    sent: list[Any] = []
    written: list[asyncio.Future[None]] = []

    def write(_connection: Any, msg: Any) -> list[asyncio.Future[None]]:
        sent.append(msg)
        written.append(asyncio.get_running_loop().create_future())
        return written[-1:]

    async def race() -> None:
        document, page = Document(), Connection()
        panels.schedule_write_events(document, [page], ["first"])
        while not written:
            await asyncio.sleep(0)
        written[0].set_result(None)
        panels.schedule_write_events(document, [page], ["second"])
        for _ in range(20):
            await asyncio.sleep(0)
        if len(written) > 1:
            written[1].set_result(None)
            await asyncio.sleep(0)

    monkeypatch.setattr(panels, "dispatch_tornado", write)
    monkeypatch.setattr(panels, "_dispatch_msgs", dispatch)
    # A thread of its own: the browser tests leave a loop running in the worker's main thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, race()).result()
    return sent


def test_panel_leaves_a_message_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once this fails, Panel has mended it and `dashboard.outgoing` can go."""
    assert sent_in_a_race(monkeypatch, outgoing._panels_dispatch) == [["first"]]


def test_no_message_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    every = outgoing._dispatch_every_message
    assert sent_in_a_race(monkeypatch, every) == [["first"], ["second"]]


def test_a_server_sends_every_message(served: Any) -> None:
    assert panels._dispatch_msgs is outgoing._dispatch_every_message
