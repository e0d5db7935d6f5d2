"""Download of a published file, resumed where an earlier one broke off.

What has arrived is kept in a `.part` file beside the destination. Pooch moves the file to
its name only after its SHA-256 is right, so a file with the final name is always whole.
Processes that want the same file wait for one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analog_model.errors import DataError
from analog_model.nn.images.catalogue import Download

if TYPE_CHECKING:
    import requests

# Told what is being done, with the fraction done.
Progress = Callable[[str, float], None]

CHUNK_BYTES = 1 << 16
# Seconds without an answer, then without another byte, until a server counts as dead.
TIMEOUT = (10.0, 30.0)


class _ServerError(Exception):
    """A server is of no use for this file; the text says why."""


def fetch(download: Download, folder: Path, *, progress: Progress) -> Path:
    """Path of the verified file in `folder`, from the first address that gives it.

    Raises DataError, with each server's failure, where none does, or where the folder
    cannot be written. What arrived so far is then kept for the next call.
    """
    from filelock import FileLock

    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{download.name}.lock"):
            for address in download.addresses:
                try:
                    return _fetch_from(address, _Transfer(download, folder, progress))
                except _ServerError as failure:
                    failures.append(f"{urlsplit(address).netloc}: {failure}")
    except OSError as error:
        raise DataError(
            str(folder),
            expected=f"a folder with room for {download.name} ({_megabytes(download.size)})",
            got=str(error),
            advice="Name another one with --data-dir or ANALOG_MODEL_DATA.",
        ) from error
    raise DataError(
        download.name,
        expected=f"one of its servers to give it ({_megabytes(download.size)})",
        got="; ".join(failures),
        advice=f"Connect to the network, then repeat: what arrived is kept. Or put the file into "
        f"{folder} yourself. The images mnist_5k need no download.",
    )


def _fetch_from(address: str, transfer: _Transfer) -> Path:
    """One server's file, resumed for as long as every attempt brings something."""
    import pooch
    import requests

    while True:
        before = transfer.arrived
        try:
            path = pooch.retrieve(
                address,
                known_hash=f"sha256:{transfer.download.sha256}",
                fname=transfer.download.name,
                path=transfer.folder,
                downloader=transfer,
            )
        except requests.RequestException as error:
            if transfer.arrived <= before:
                raise _ServerError(_reason(error)) from error
        except ValueError as error:
            # Bytes kept from another server may be the wrong ones: once more from the start.
            transfer.part.unlink(missing_ok=True)
            if before == 0:
                raise _ServerError("its content has another SHA-256") from error
        else:
            return Path(path)


@dataclass(frozen=True)
class _Transfer:
    """A downloader in pooch's sense: called with the address, the file to write, the caller."""

    download: Download
    folder: Path
    progress: Progress

    @property
    def part(self) -> Path:
        return self.folder / f"{self.download.name}.part"

    @property
    def arrived(self) -> int:
        """Bytes kept so far."""
        return self.part.stat().st_size if self.part.exists() else 0

    def __call__(self, address: str, output_file: str, _pooch: Any, /) -> None:
        import requests

        if self.arrived < self.download.size:
            self._receive(address)
        if self.arrived < self.download.size:
            raise requests.ConnectionError("the answer ended early")
        self.part.replace(output_file)

    def _receive(self, address: str) -> None:
        import requests

        offset = self.arrived
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            offset = _start(answer, offset)
            announced = answer.headers.get("Content-Length")
            if announced is not None and offset + int(announced) != self.download.size:
                raise _ServerError(f"it offers {offset + int(announced)} bytes")
            with self.part.open("ab" if offset else "wb") as file:
                for chunk in answer.iter_content(CHUNK_BYTES):
                    offset += len(chunk)
                    if offset > self.download.size:
                        file.truncate(0)
                        raise _ServerError("it sends too many bytes")
                    file.write(chunk)
                    self.progress(self.download.name, offset / self.download.size)


def _start(answer: requests.Response, asked: int) -> int:
    """Byte at which the answer begins: where `asked`, or 0 as a server may ignore that."""
    if answer.status_code == 206:
        if answer.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
            return asked
    elif answer.status_code == 200:
        return 0
    raise _ServerError(f"it answers {answer.status_code} {answer.reason}")


def _reason(error: Exception) -> str:
    """The innermost cause, which says more than the layers of libraries around it."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    return str(cause) or type(cause).__name__


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
