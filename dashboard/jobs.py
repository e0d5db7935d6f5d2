"""Jobs: long library calls that run beside the server.

Each runs in a process of its own, so that neither the server nor another session waits for
its arithmetic, and so that it can be stopped at any moment. One job runs at a time; the
others wait in the order in which they came.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any, Literal

from analog_model.errors import AnalogModelError, SimulationError

Status = Literal["queued", "running", "done", "failed", "cancelled"]
# A job calls `send` with whatever its reader understands.
Send = Callable[[Any], None]
MOST_WAITING = 20
# How long a cancelled or finished process may take to go before it is killed [s].
GRACE = 0.2
_LISTEN = 0.05
_NICENESS = 5
log = logging.getLogger(__name__)


class Job:
    """One call in the background: how it stands, what it has sent.

    `status` changes once to "running" unless cancelled before, once to one of the ends.
    `error` says why it failed, in words for a user.
    """

    def __init__(
        self, function: Callable[..., None], arguments: Mapping[str, Any], *, threads: int = 1
    ) -> None:
        self.status: Status = "queued"
        self._threads = threads
        self._grace = GRACE
        self.error = ""
        self.pid: int | None = None
        self._function = function
        self._arguments = arguments
        self._messages: deque[Any] = deque()
        self._cancelled = threading.Event()
        self.ended = threading.Event()
        # Later than `ended` where a process was given time to go.
        self.gone = threading.Event()

    def messages(self) -> list[Any]:
        """What came since the last call, oldest first."""
        return [self._messages.popleft() for _ in range(len(self._messages))]

    @property
    def is_cancelled(self) -> bool:
        """Whether it was told to end."""
        return self._cancelled.is_set()

    def cancel(self, *, grace: float = GRACE) -> None:
        """End the job within half a second, whatever it is doing; returns at once.

        Its process gets SIGTERM, and `grace` [s] to save what it has before it is killed.
        """
        self._grace = grace
        self._cancelled.set()

    def run(self) -> None:
        """Run to an end in a process; blocks, so it is called by the queue's thread."""
        try:
            if self._cancelled.is_set():
                self._end("cancelled")
                return
            self.status = "running"
            self._run_in_process()
        except Exception as error:
            log.exception("A job could not be run")
            self._end("failed", f"{type(error).__name__}: {error}")
        finally:
            self._arguments = {}
            self.gone.set()

    def _run_in_process(self) -> None:
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._threads), daemon=True, name="job"
        )
        process.start()
        theirs.close()
        self.pid = process.pid
        try:
            mine.send((self._function, dict(self._arguments)))
            self._listen(mine)
        except (EOFError, OSError):
            process.join(GRACE)
            self._end("failed", f"The job's process ended by itself (exit code {process.exitcode})")
        finally:
            mine.close()
            _stop(process, self._grace)

    def _listen(self, connection: Connection) -> None:
        while not self._cancelled.is_set():
            if not connection.poll(_LISTEN):
                continue
            what, content = connection.recv()
            if what == "message":
                self._messages.append(content)
            else:
                self._end(what, content)
                return
        self._end("cancelled")

    def _end(self, status: Status, error: str = "") -> None:
        if not self.ended.is_set():
            self.status, self.error = status, error
            self.ended.set()


class JobQueue:
    """Jobs in the order in which they were asked for, one at a time."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self.most_waiting = most_waiting
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(
        self, function: Callable[..., None], arguments: Mapping[str, Any], *, threads: int = 1
    ) -> Job:
        """Have `function(send, **arguments)` called; it must be importable by name.

        Its libraries compute with so many `threads`. Raises `SimulationError` where too many
        jobs wait already.
        """
        job = Job(function, arguments, threads=threads)
        with self._changed:
            if self._n_ahead(None) >= self.most_waiting:
                raise SimulationError(
                    "this server",
                    expected=f"at most {self.most_waiting} jobs that wait",
                    got="one more",
                    advice="Try again in some minutes.",
                )
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="jobs")
                self._thread.start()
            self._changed.notify()
        return job

    def ahead_of(self, job: Job) -> int:
        """How many jobs come before this one."""
        with self._changed:
            return self._n_ahead(job) if job.status == "queued" else 0

    def cancel_all(self) -> None:
        """Have every job end; returns at once."""
        with self._changed:
            for job in (*self._waiting, *([self._running] if self._running else [])):
                job.cancel()

    def close(self) -> None:
        """End every job and wait for its process to be gone.

        At the interpreter's end multiprocessing waits for the processes that are left; of two
        that wait for one process, one is never told that it has ended.
        """
        self.cancel_all()
        with self._changed:
            running = self._running
        if running is not None:
            running.gone.wait()

    def _n_ahead(self, job: Job | None) -> int:
        before = list(self._waiting)
        if job in before:
            before = before[: before.index(job)]
        if self._running is not None:
            before.append(self._running)
        return sum(not other.is_cancelled for other in before)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._running = None
                while not self._waiting:
                    self._changed.wait()
                self._running = self._waiting.popleft()
            self._running.run()


@lru_cache(maxsize=1)
def job_queue() -> JobQueue:
    """The queue of this process, shared by all sessions."""
    queue = JobQueue()
    atexit.register(queue.close)
    return queue


def _stop(process: Any, grace: float) -> None:
    """Have a process gone, gently if it goes within `grace` [s]."""
    process.terminate()
    process.join(grace)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _serve(connection: Connection, threads: int) -> None:
    """What the process does: one call, told through the connection.

    Threads of one library would fight those of the server for the same cores; one is also
    the fastest for arrays of the usual size.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    threading.Thread(target=_go_with_parent, daemon=True).start()
    # Only now NumPy or torch are imported: what arrives here needs them.
    function, arguments = connection.recv()
    end: tuple[Status, str] = ("done", "")
    try:
        function(lambda message: connection.send(("message", message)), **arguments)
    except AnalogModelError as error:
        end = ("failed", str(error))
    except (BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        log.exception("A job failed")
        end = ("failed", f"{type(error).__name__}: {error}")
    # A cancelled job that was given time to save has nobody left to tell.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(end)


def _go_with_parent() -> None:
    """End this process when the server is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
