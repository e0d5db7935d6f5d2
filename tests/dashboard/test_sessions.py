"""What the server's loop says of a page that left, and of anything else."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from tornado.websocket import WebSocketClosedError

from dashboard.sessions import on_loop_error


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
