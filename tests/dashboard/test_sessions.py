"""Sessions: what the loop says of a page that left, what waits for a page that comes."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from bokeh.document import Document
from panel.io.state import set_curdoc
from tornado.websocket import WebSocketClosedError

from dashboard.sessions import is_drawing, on_loop_error
from dashboard.views.batch import in_one_message


def reported(error: Exception, caplog: pytest.LogCaptureFixture) -> list[str]:
    async def fail() -> None:
        raise error

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(on_loop_error)
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        await asyncio.sleep(0)

    # A thread of its own: the browser tests leave a loop running in the worker's main thread.
    with caplog.at_level(logging.INFO), ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()
    return [record.getMessage() for record in caplog.records]


def test_a_page_that_closed_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert reported(WebSocketClosedError(), caplog) == []


def test_every_other_failure_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    assert any("never retrieved" in text for text in reported(ValueError("wrong"), caplog))


def test_what_a_browser_is_drawing_changes_once_it_is_drawn() -> None:
    """In between, Panel would throw the change away."""
    session = SimpleNamespace(connection_count=1)
    context = SimpleNamespace(session=session)
    document = Document()
    document._session_context = lambda: context  # type: ignore[assignment]
    seen: list[int] = []

    class View:
        layout = None

        @in_one_message
        def change(self, value: int) -> None:
            seen.append(value)

    with set_curdoc(document):
        assert is_drawing(document)
        View().change(3)
        assert seen == []
        (later,) = document.session_callbacks
        document.remove_timeout_callback(later)
        session.connection_count = 0
        assert not is_drawing(document)
        later.callback()
    assert seen == [3]
