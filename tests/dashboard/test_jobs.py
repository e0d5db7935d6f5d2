"""Jobs: what they send arrives in order, they end at once, they leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analog_model.errors import DataError, SimulationError
from dashboard.jobs import Job, JobQueue, Send


def count_up(send: Send, *, n: int, pause: float) -> None:
    for k in range(n):
        send(k)
        time.sleep(pause)


def spin(send: Send) -> None:
    """Arithmetic that never looks up."""
    send(os.getpid())
    while True:
        pass


def linger(send: Send) -> None:
    """Takes a moment to save what it has, as a training does."""
    signal.signal(signal.SIGTERM, lambda *_what: (time.sleep(0.1), os._exit(0)))
    spin(send)


def tell_threads(send: Send) -> None:
    send(os.environ["OMP_NUM_THREADS"])


def refuse(send: Send) -> None:
    raise DataError("charge", expected="a number", got="NaN")


def stumble(send: Send) -> None:
    send("before")
    raise ZeroDivisionError("by zero")


def vanish(send: Send) -> None:
    os._exit(3)


def wait(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def messages_of(job: Job) -> list[Any]:
    assert job.ended.wait(30)
    return job.messages()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def queue() -> Any:
    made = JobQueue(most_waiting=3)
    yield made
    made.cancel_all()


def test_messages_arrive_in_order(queue: JobQueue) -> None:
    job = queue.submit(count_up, {"n": 50, "pause": 0.0})
    assert messages_of(job) == list(range(50))
    assert job.messages() == []
    assert (job.status, job.error) == ("done", "")
    assert messages_of(queue.submit(tell_threads, {})) == ["1"]


def test_busy_arithmetic_is_cancelled_within_half_a_second(queue: JobQueue) -> None:
    job = queue.submit(spin, {})
    found: list[int] = []
    wait(lambda: found.extend(job.messages()) or found)
    begun = time.monotonic()
    job.cancel()
    assert job.ended.wait(0.5)
    wait(lambda: not alive(found[0]), 0.5)
    assert time.monotonic() - begun < 0.5
    assert job.status == "cancelled"


def test_a_server_that_stops_waits_for_its_job_itself(tmp_path: Path) -> None:
    """Before multiprocessing does, whose wait at the interpreter's end takes the exit code."""
    script = tmp_path / "stop.py"
    script.write_text(
        "import atexit\n"
        "from dashboard.jobs import job_queue\n"
        "from tests.dashboard.test_jobs import linger\n"
        "if __name__ == '__main__':\n"
        "    # Called after what `job_queue` registers, before what multiprocessing did.\n"
        "    atexit.register(lambda: print(job.gone.is_set()))\n"
        "    job = job_queue().submit(linger, {})\n"
        "    while not (said := job.messages()): pass\n"
        "    print(*said)\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    ended = subprocess.run(
        [sys.executable, script],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert ended.stderr == ""
    pid, gone = ended.stdout.split()
    assert gone == "True"
    assert not alive(int(pid))


def test_jobs_wait_for_each_other(queue: JobQueue) -> None:
    first = queue.submit(count_up, {"n": 1000, "pause": 0.02})
    second = queue.submit(count_up, {"n": 2, "pause": 0.0})
    third = queue.submit(count_up, {"n": 3, "pause": 0.0})
    wait(lambda: first.status == "running")
    assert [queue.ahead_of(job) for job in (first, second, third)] == [0, 1, 2]
    with pytest.raises(SimulationError, match="at most 3"):
        queue.submit(count_up, {"n": 1, "pause": 0.0})
    second.cancel()
    assert queue.ahead_of(third) == 1
    first.cancel()
    assert messages_of(third) == [0, 1, 2]
    assert messages_of(second) == []
    assert second.status == "cancelled"


def test_failures_say_why(queue: JobQueue) -> None:
    refused = queue.submit(refuse, {})
    stumbled = queue.submit(stumble, {})
    gone = queue.submit(vanish, {})
    assert messages_of(refused) == []
    assert refused.status == "failed"
    assert refused.error == "charge: expected a number, got NaN"
    assert messages_of(stumbled) == ["before"]
    assert stumbled.error == "ZeroDivisionError: by zero"
    assert messages_of(gone) == []
    assert "exit code 3" in gone.error
