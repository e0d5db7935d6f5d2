"""Summary of a run: how it stands, from its directory alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from analog_model.dataset.io import PathLike
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.journal import EPOCH
from analog_model.nn.training.record import EPOCH_DIM, STEP_DIM, open_record
from analog_model.nn.training.run_directory import RunDirectory

# A journal's last lines, of some 200 bytes each.
_TAIL = 1 << 12
Status = Literal["finished", "running", "interrupted"]
FINISHED: Status = "finished"
RUNNING: Status = "running"
INTERRUPTED: Status = "interrupted"


@dataclass(frozen=True)
class RunSummary:
    """One run at a glance.

    `status`: "running" while a process holds it, "interrupted" if it can be resumed.
    `accuracy` on the test part once it is finished. `epoch`: epochs done. `changed`: time of
    its last event [s since 1970].
    """

    directory: Path
    configuration: TrainingConfiguration
    status: Status
    chip: str | None
    step: int
    epoch: int
    accuracy: float | None
    changed: float


def summary_of(run_directory: PathLike) -> RunSummary:
    """Summary of the run in a directory. Raises DataError for what holds none."""
    directory = RunDirectory(run_directory)
    configuration = directory.read_configuration()
    if directory.record.exists():
        record = open_record(directory.record)
        return RunSummary(
            directory.path,
            configuration,
            FINISHED,
            record.attrs.get("chip"),
            int(record[STEP_DIM][-1]),
            record.sizes[EPOCH_DIM],
            float(record["accuracy"]),
            directory.record.stat().st_mtime,
        )
    first, last, epoch = _ends(directory.journal)
    shown = directory.journal if directory.journal.exists() else directory.configuration
    return RunSummary(
        directory.path,
        configuration,
        RUNNING if is_held(directory) else INTERRUPTED,
        first.get("chip"),
        int(last.get("step", 0)),
        epoch,
        None,
        shown.stat().st_mtime,
    )


def is_held(directory: RunDirectory) -> bool:
    """Whether a process is at work on a run."""
    if not directory.lock.exists():
        return False
    lock = FileLock(directory.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _ends(journal: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """First and last event of a journal that may be long, epochs done by then."""
    if not journal.exists():
        return {}, {}, 0
    with journal.open("rb") as file:
        first = _event(file.readline())
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        # What follows the last line's end is still being written.
        lines = file.read().split(b"\n")[:-1]
    last = _event(lines[-1]) if lines else {}
    if "epoch" not in last:
        return first, last, 0
    return first, last, int(last["epoch"]) + (last["event"] == EPOCH)


def _event(line: bytes) -> dict[str, Any]:
    """An event; none of a line that is damaged, as `read_journal` would say."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
