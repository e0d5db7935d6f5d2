"""Files of a data set found on disk: every packing, every way to be wrong."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from pathlib import Path

import pytest

from analog_model.errors import DataError
from analog_model.nn.images.catalogue import CIFAR10, MNIST, Collection, Download, Member
from analog_model.nn.images.files import locate, read

CONTENTS = {"first.bin": b"first " * 1000, "second.bin": b"second " * 500}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


COLLECTION = Collection(
    name="toy",
    members=tuple(
        Member(name, len(content), sha256(content)) for name, content in CONTENTS.items()
    ),
    downloads=(Download("toy.tar.gz", 0, "", tuple(CONTENTS), ()),),
    subfolders=("toy", "."),
)


def archive(contents: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in {"folder/read.me": b"hello", **contents}.items():
            entry = tarfile.TarInfo(f"folder/{name}" if "/" not in name else name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


PACKINGS = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
}


@pytest.mark.parametrize("suffix", PACKINGS)
@pytest.mark.parametrize("subfolder", COLLECTION.subfolders)
def test_each_packing_is_found_and_read(tmp_path: Path, suffix: str, subfolder: str) -> None:
    (tmp_path / subfolder).mkdir(exist_ok=True)
    for name, content in CONTENTS.items():
        (tmp_path / subfolder / f"{name}{suffix}").write_bytes(PACKINGS[suffix](content))
    assert read(COLLECTION, locate(COLLECTION, [tmp_path])) == CONTENTS


def test_the_published_archive_is_read_without_unpacking(tmp_path: Path) -> None:
    (tmp_path / "toy.tar.gz").write_bytes(archive(CONTENTS))
    assert read(COLLECTION, locate(COLLECTION, [tmp_path])) == CONTENTS
    assert [path.name for path in tmp_path.iterdir()] == ["toy.tar.gz"]


def test_files_of_different_packing_complete_one_another(tmp_path: Path) -> None:
    (tmp_path / "first.bin.xz").write_bytes(lzma.compress(CONTENTS["first.bin"]))
    (tmp_path / "second.bin").write_bytes(CONTENTS["second.bin"])
    assert read(COLLECTION, locate(COLLECTION, [tmp_path])) == CONTENTS


def test_earlier_roots_win_and_plain_files_win_within_one(tmp_path: Path) -> None:
    for root in ("one", "two"):
        (tmp_path / root).mkdir()
        (tmp_path / root / "first.bin.gz").touch()
        (tmp_path / root / "second.bin").touch()
    (tmp_path / "two" / "first.bin").touch()
    one, two = tmp_path / "one", tmp_path / "two"
    assert locate(COLLECTION, [one, two])["first.bin"] == one / "first.bin.gz"
    assert locate(COLLECTION, [two, one])["first.bin"] == two / "first.bin"
    assert locate(COLLECTION, [tmp_path]) == {}


TORN = {
    "toy.tar.gz": lambda content: archive(CONTENTS)[:-40],
    "first.bin": lambda content: content[:-1],
    "first.bin.gz": lambda content: gzip.compress(content)[:-10],
    "first.bin.xz": lambda content: lzma.compress(content)[:-10],
}
CHANGED = {
    "toy.tar.gz": lambda content: archive({**CONTENTS, "first.bin": content[:-1] + b"?"}),
    "first.bin": lambda content: content[:-1] + b"?",
    "first.bin.gz": lambda content: gzip.compress(content[:-1] + b"?"),
    "first.bin.xz": lambda content: lzma.compress(content[:-1] + b"?"),
}
LONGER = {
    "toy.tar.gz": lambda content: archive({**CONTENTS, "first.bin": content + b"?"}),
    "first.bin": lambda content: content + b"?",
    "first.bin.gz": lambda content: gzip.compress(content + b"?"),
    "first.bin.xz": lambda content: lzma.compress(content + b"?"),
}
OTHER_FORMAT = {
    "toy.tar.gz": lambda content: b"<html>Log in to the network</html>",
    "first.bin.gz": lambda content: content,
    "first.bin.xz": gzip.compress,
}


@pytest.mark.parametrize(
    ("damage", "name", "said"),
    [
        *[(TORN, name, "whole, readable|truncated") for name in TORN],
        *[(CHANGED, name, "expected SHA-256") for name in CHANGED],
        *[(LONGER, name, "more than 6000 bytes") for name in LONGER],
        *[(OTHER_FORMAT, name, "whole, readable") for name in OTHER_FORMAT],
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: dict, name: str, said: str) -> None:
    (tmp_path / "second.bin").write_bytes(CONTENTS["second.bin"])
    (tmp_path / name).write_bytes(damage[name](CONTENTS["first.bin"]))
    with pytest.raises(DataError, match=said) as caught:
        read(COLLECTION, locate(COLLECTION, [tmp_path]))
    assert f"Delete {name}, then repeat" in str(caught.value)


def test_an_archive_without_a_member_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.tar.gz").write_bytes(archive({"first.bin": CONTENTS["first.bin"]}))
    with pytest.raises(DataError, match=r"second\.bin in .*toy\.tar\.gz: .* got 0 bytes"):
        read(COLLECTION, locate(COLLECTION, [tmp_path]))


@pytest.mark.parametrize("collection", [MNIST, CIFAR10], ids=lambda item: item.name)
def test_the_catalogue_agrees_with_itself(collection: Collection) -> None:
    assert {name for item in collection.downloads for name in item.holds} == {
        member.name for member in collection.members
    }
    checksums = [item.sha256 for item in (*collection.members, *collection.downloads)]
    assert len(set(checksums)) == len(checksums)
    assert all(len(bytes.fromhex(checksum)) == 32 for checksum in checksums)
    for item in collection.downloads:
        assert len(item.addresses) >= 2
        for address in item.addresses:
            assert address.startswith("https://")
            assert address.endswith(f"/{item.name}")
