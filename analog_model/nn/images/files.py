"""Files of a data set on this machine, each known by its checksum.

A member may lie there plain, as .gz or .xz, or inside the archive that is published. It is
read whole into memory, at most one byte beyond its known size, then compared with its
checksum; nothing is ever unpacked onto the disk.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from analog_model.errors import DataError
from analog_model.nn.images.catalogue import Collection, Member

ARCHIVE_SUFFIX = ".tar.gz"


def _plain(path: Path) -> BinaryIO:
    return path.open("rb")


def _gzip(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb"))


def _xz(path: Path) -> BinaryIO:
    return cast(BinaryIO, lzma.open(path, "rb"))


OPENERS: dict[str, Callable[[Path], BinaryIO]] = {"": _plain, ".gz": _gzip, ".xz": _xz}


def locate(collection: Collection, roots: Sequence[Path]) -> dict[str, Path]:
    """Path by member that lies below one of `roots`: its own file, else the archive.

    Earlier roots win, then earlier subfolders, then the plain file over a compressed one.
    """
    folders = [root / subfolder for root in roots for subfolder in collection.subfolders]
    archives = [item for item in collection.downloads if item.name.endswith(ARCHIVE_SUFFIX)]
    found: dict[str, Path] = {}
    for folder in folders:
        for member in collection.members:
            for suffix in OPENERS:
                path = folder / f"{member.name}{suffix}"
                if member.name not in found and path.is_file():
                    found[member.name] = path
        for archive in archives:
            path = folder / archive.name
            if path.is_file():
                found = dict.fromkeys(archive.holds, path) | found
    return found


def read(collection: Collection, paths: dict[str, Path]) -> dict[str, bytes]:
    """Verified content of every member, from the `paths` that `locate` gave.

    Raises DataError for a file that is torn, unreadable, or not what was published.
    """
    wanted: dict[Path, list[Member]] = {}
    for member in collection.members:
        wanted.setdefault(paths[member.name], []).append(member)
    # The decompressors release the interpreter, so that files are read side by side.
    with ThreadPoolExecutor() as pool:
        contents = list(pool.map(_read_file, wanted, wanted.values()))
    return {name: content for part in contents for name, content in part.items()}


def verify(content: bytes, *, size: int, sha256: str, where: str, advice: str) -> None:
    """Raise DataError unless `content` has the published size [bytes] and checksum."""
    if len(content) != size:
        more = len(content) > size
        raise DataError(
            where,
            expected=f"{size} bytes",
            got=f"more than {size} bytes" if more else f"{len(content)} bytes: it is truncated",
            advice=advice,
        )
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(where, expected=f"SHA-256 {sha256}", got=found, advice=advice)


def _read_file(path: Path, members: list[Member]) -> dict[str, bytes]:
    with _told_as_data_error(path):
        archive = path.name.endswith(ARCHIVE_SUFFIX)
        contents = _read_archive(path, members) if archive else _read_single(path, members[0])
    for member in members:
        inside = f"{member.name} in " if archive else ""
        verify(
            contents[member.name],
            size=member.size,
            sha256=member.sha256,
            where=f"{inside}{path}",
            advice=_advice(path),
        )
    return contents


def _read_single(path: Path, member: Member) -> dict[str, bytes]:
    suffix = path.name.removeprefix(member.name)
    with OPENERS[suffix](path) as file:
        return {member.name: file.read(member.size + 1)}


def _read_archive(path: Path, members: list[Member]) -> dict[str, bytes]:
    """Members by the last part of their path inside; one that is absent comes out empty."""
    sizes = {member.name: member.size for member in members}
    contents = dict.fromkeys(sizes, b"")
    with tarfile.open(path, "r:gz") as archive:
        for entry in archive:
            name = entry.name.rpartition("/")[2]
            file = archive.extractfile(entry) if name in sizes and entry.isfile() else None
            if file is not None:
                contents[name] = file.read(sizes[name] + 1)
    return contents


@contextmanager
def _told_as_data_error(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, OSError) as error:
        raise DataError(
            str(path), expected="a whole, readable file", got=str(error), advice=_advice(path)
        ) from error


def _advice(path: Path) -> str:
    return f"Delete {path.name}, then repeat: it is fetched again, or put a good copy there."
