"""Files in one folder by the hash of what they hold.

A name on disk is an id of hexadecimal digits with a suffix that the program chose, never what
a user sent. Number and size are capped; what nobody asked for the longest time leaves first.
Several processes may share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from pathlib import Path

from analog_model.dataset.io import write_bytes
from analog_model.errors import DataError

ID_LENGTH = 16
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
_OWN_NAME = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}\.[a-z]+")


def id_of(content: bytes) -> str:
    """Id of what has this content."""
    return hashlib.sha256(content).hexdigest()[:ID_LENGTH]


class KeptFiles:
    """Files of one folder, which is made with the first of them."""

    def __init__(self, folder: Path, *, max_bytes: int, max_files: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.max_files = max_files
        self._lock = threading.Lock()

    def find(self, file_id: str, suffix: str) -> Path | None:
        """Path of a file that is there, which counts as asked for; None for any other id."""
        if not _ID.fullmatch(file_id):
            return None
        path = self.folder / f"{file_id}.{suffix}"
        if not path.is_file():
            return None
        # Another process may drop it at this moment, or own it.
        with contextlib.suppress(OSError):
            os.utime(path)
        return path

    def keep(self, file_id: str, suffix: str, content: bytes) -> None:
        """Write a file, all or nothing, and drop others where there are too many."""
        if not _ID.fullmatch(file_id):
            raise DataError("id of a file", expected="hexadecimal digits", got=repr(file_id[:40]))
        path = self.folder / f"{file_id}.{suffix}"
        with self._lock:
            self._make_folder()
            write_bytes(path, content, overwrite=True)
            self._drop(spare=path)

    def _make_folder(self) -> None:
        try:
            # What others uploaded is not for every user of the machine.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                "folder of uploads",
                expected="one that can be written",
                got=error.strerror or "an error of the disk",
                advice="Start the server where it may write, or name a folder for its runs.",
            ) from None

    def _drop(self, spare: Path) -> None:
        """Drop what nobody asked for the longest, until the rest fits."""
        found: dict[Path, os.stat_result] = {}
        for path in self.folder.iterdir():
            # A file that is being written has another name, one that was dropped none.
            if _OWN_NAME.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):
                    found[path] = path.stat()
        n_files, n_bytes = len(found), sum(stat.st_size for stat in found.values())
        for path in sorted(found, key=lambda path: found[path].st_mtime):
            if n_files <= self.max_files and n_bytes <= self.max_bytes:
                return
            if path != spare:
                path.unlink(missing_ok=True)
                n_files, n_bytes = n_files - 1, n_bytes - found[path].st_size
