"""Journal of a run: its events, one JSON object a line, as they happen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from analog_model.dataset.io import read_bytes, write_bytes
from analog_model.errors import DataError

Event = Mapping[str, Any]
Listener = Callable[[Event], None]

START, STEP, EPOCH = "start", "step", "epoch"
MAX_BYTES = 1 << 30


class Journal:
    """Writer of a journal, line by line, flushed: who reads along sees every event at once.

    Opened after `step` steps, it keeps the events up to there: those that a run wrote after
    its last checkpoint happen again.
    """

    def __init__(self, path: Path, *, step: int = 0) -> None:
        self.events = [event for event in read_journal(path) if event["step"] <= step]
        write_bytes(path, "".join(map(_line, self.events)).encode(), overwrite=True)
        self._file = path.open("a", encoding="utf-8")

    def add(self, event: Event) -> None:
        """Append an event."""
        self.events.append(event)
        self._file.write(_line(event))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journal(path: Path) -> list[Event]:
    """Events of a journal, also of one that is being written; none where there is no file.

    A last line without its end is still being written, or was when the run was killed.
    Raises DataError for a line that is no event.
    """
    if not path.exists() or path.stat().st_size == 0:
        return []
    lines = read_bytes(path, max_bytes=MAX_BYTES).decode("utf-8", errors="replace").split("\n")
    return list(_events(lines[:-1], path))


def _events(lines: Iterable[str], path: Path) -> Iterable[Event]:
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            event = None
        if not isinstance(event, dict) or not {"event", "step"} <= set(event):
            raise DataError(
                f"line {number} of {path}",
                expected="an event of a training run, as JSON",
                got=repr(line[:60]),
            )
        yield event


def _line(event: Event) -> str:
    return json.dumps(event) + "\n"
