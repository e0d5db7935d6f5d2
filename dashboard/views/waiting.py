"""Work that a view waits for without holding up other sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Generic, TypeVar

import panel as pn
from tornado.ioloop import IOLoop

from analog_model.errors import AnalogModelError

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _workers() -> ThreadPoolExecutor:
    # One heavy computation at a time: the simulator itself uses every core.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="view")


class Latest(Generic[Result]):
    """The answer to the newest question; older ones are dropped unseen.

    `done(result)` or `failed(error)` is called on the session's own loop. In a notebook or
    a plain script there is no loop to hold up, so the answer is worked out at once.
    """

    def __init__(
        self, *, done: Callable[[Result], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._done = done
        self._failed = failed
        self._number = 0

    def ask(self, work: Callable[[], Result], *, at_once: bool) -> None:
        """Have `work` done, at once or in the background."""
        self._number += 1
        number = self._number
        document = pn.state.curdoc
        if at_once or document is None or document.session_context is None:
            self._answer(number, work)
            return

        def fetch() -> Result | None:
            # A newer question came while this one stood in the queue.
            return work() if number == self._number else None

        loop = IOLoop.current()

        def deliver(future: Future[Result | None]) -> None:
            # The page may have been closed meanwhile; sessions end on the loop, as this does.
            if document.session_context is not None:
                document.add_next_tick_callback(
                    partial(self._answer, number, future.result)  # type: ignore[arg-type]
                )

        def arrived(future: Future[Result | None]) -> None:
            loop.add_callback(deliver, future)

        _workers().submit(fetch).add_done_callback(arrived)

    def _answer(self, number: int, result: Callable[[], Result]) -> None:
        if number != self._number:
            return
        try:
            answer = result()
        except AnalogModelError as error:
            self._failed(error)
            return
        self._done(answer)
