"""Store of training runs: one folder for the command line as for the dashboard.

A run is known by its name, the path of its directory below the folder. A name is only ever
taken from a listing, so that nothing a browser sends becomes a path.
"""

from __future__ import annotations

import os
import re
import threading
from functools import lru_cache
from pathlib import Path

import xarray as xr

from analog_model.dataset import netcdf
from analog_model.dataset.io import MAX_BYTES, read_bytes, write_bytes
from analog_model.errors import AnalogModelError, DataError
from analog_model.nn.training.journal import Event, read_journal
from analog_model.nn.training.record import open_record
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.run_summary import FINISHED, RunSummary, summary_of

ENVIRONMENT_VARIABLE = "ANALOG_MODEL_RUNS"
DEFAULT_FOLDER = "runs"
_JUDGEMENTS = ".judged"
_OWN_NAME = re.compile(r"[a-z0-9_]+(-[a-z0-9_]+)*")


class RunStore:
    """Runs in one folder and in the folders directly below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._finished: dict[str, tuple[float, RunSummary]] = {}
        self._fingerprints: dict[Path, str] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Names of the runs there are."""
        found = []
        for pattern in ("*/configuration.yaml", "*/*/configuration.yaml"):
            for file in self.folder.glob(pattern):
                name = file.parent.relative_to(self.folder)
                if not any(part.startswith(".") for part in name.parts):
                    found.append(name.as_posix())
        return sorted(found)

    def path(self, name: str) -> Path:
        """Directory of a run that is there; DataError for any other name."""
        if name not in self.names():
            raise DataError(
                "training run",
                expected="the name of a run that this server has",
                got=repr(name[:60]),
                advice="Choose one of the list on the page Runs.",
            )
        return self.folder / name

    def own_path(self, name: str) -> Path:
        """Directory of a run under a name that the dashboard gives, there or not."""
        if not _OWN_NAME.fullmatch(name):
            raise DataError("training run", expected="a plain name", got=repr(name[:60]))
        return self.folder / name

    def summary(self, name: str) -> RunSummary:
        """How a run stands; what is finished is read once."""
        path = self.path(name)
        record = RunDirectory(path).record
        written = record.stat().st_mtime if record.exists() else 0.0
        with self._lock:
            known = self._finished.get(name)
        if known is not None and known[0] == written:
            return known[1]
        found = summary_of(path)
        if found.status == FINISHED:
            with self._lock:
                self._finished[name] = written, found
        return found

    def summaries(self) -> tuple[dict[str, RunSummary], dict[str, str]]:
        """Every run by name, the newest first; of what cannot be read the reason."""
        found, broken = {}, {}
        for name in self.names():
            try:
                found[name] = self.summary(name)
            except AnalogModelError as error:
                broken[name] = str(error)
        newest = sorted(found, key=lambda name: -found[name].changed)
        return {name: found[name] for name in newest}, broken

    def finished_float(self, fingerprint: str) -> str | None:
        """Name of a finished run that trained a configuration without chip, if there is one."""
        for name in self.names():
            directory = RunDirectory(self.folder / name)
            if directory.record.exists() and self._fingerprint(directory) == fingerprint:
                return name
        return None

    def _fingerprint(self, directory: RunDirectory) -> str:
        """Fingerprint of a configuration, which never changes; "" for one that is unreadable."""
        with self._lock:
            known = self._fingerprints.get(directory.path)
        if known is None:
            try:
                known = directory.read_configuration().fingerprint()
            except AnalogModelError:
                known = ""
            with self._lock:
                self._fingerprints[directory.path] = known
        return known

    def record(self, name: str) -> xr.Dataset | None:
        """Record of a run; None until it is finished."""
        directory = RunDirectory(self.path(name))
        return open_record(directory.record) if directory.record.exists() else None

    def events(self, name: str) -> list[Event]:
        """What a run has written in its journal."""
        return read_journal(RunDirectory(self.path(name)).journal)

    def judgement(self, name: str) -> xr.Dataset | None:
        """An evaluation that was kept under this name."""
        path = self._judgement(name)
        if not path.exists():
            return None
        content = read_bytes(path, max_bytes=MAX_BYTES)
        return netcdf.decode(content, {}, source=str(path), max_bytes=MAX_BYTES)

    def keep_judgement(self, name: str, found: xr.Dataset) -> None:
        """Keep an evaluation."""
        path = self._judgement(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, netcdf.encode(found), overwrite=True)

    def _judgement(self, name: str) -> Path:
        return self.own_path(name).parent / _JUDGEMENTS / f"{name}.nc"


@lru_cache(maxsize=1)
def run_store() -> RunStore:
    """The store of this process: what ANALOG_MODEL_RUNS names, else `runs` where it started."""
    return RunStore(Path(os.environ.get(ENVIRONMENT_VARIABLE, DEFAULT_FOLDER)))
