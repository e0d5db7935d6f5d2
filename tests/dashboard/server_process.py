"""A dashboard in a process of its own, to be killed, started again on the same port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = "from analog_model.cli import app; app()"


class ServerProcess:
    """`analog-model dashboard`, whose runs lie in a folder; port 0 is taken free, then kept."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def address(self) -> str:
        """Address of its page."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it says its address."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "dashboard", "--no-open", "--port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "ANALOG_MODEL_RUNS": str(self._runs)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.search(r"http://[^:]+:(\d+)/", line)
            if found:
                self.port = int(found[1])
                return
        raise AssertionError("the dashboard ended before it served")

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=30)
            self._process = None
