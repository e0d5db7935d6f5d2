"""Uploaded measurements, uploaded or calibrated chips, kept by content hash.

A file is stored only after it was read as a measurement, always as NetCDF, or as a chip,
always as YAML, in a folder of the server process that goes away with it. Names on disk
come from the hash alone, never from the user. Number and size are capped; the oldest upload
leaves first.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import xarray as xr
import yaml

import analog_model as am
from analog_model.chip import Chip
from analog_model.dataset.csv_table import MEMORY_PER_BYTE
from analog_model.dataset.ingest import measurement_from_files
from analog_model.dataset.io import MAX_BYTES, save_text
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import DataError

MAX_UPLOAD_BYTES = 64 * 2**20
# What the library reads of text, whose cells take many times their bytes in memory.
MAX_CSV_BYTES = MAX_BYTES // MEMORY_PER_BYTE
# 512 x 512 cells, with a coupling for every class.
MAX_CHIP_BYTES = 8 * 2**20
CHIP_SUFFIXES = (".yaml", ".yml")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_STORED_BYTES = 512 * 2**20
MAX_STORED_FILES = 64
ID_LENGTH = 16
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


@dataclass(frozen=True)
class ChipRecord:
    """A calibrated chip as YAML, the upload it was calibrated from ("" for the bundled one).

    `shared_chip`: the same without what single cells add, "" where nobody handed it over.
    """

    chip: str
    upload_id: str
    weight_set: int
    shared_chip: str = ""


class UploadStore:
    """Measurements, calibrated chips by content hash in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        max_upload_bytes: int = MAX_UPLOAD_BYTES,
        max_stored_bytes: int = MAX_STORED_BYTES,
        max_stored_files: int = MAX_STORED_FILES,
    ) -> None:
        self.folder = folder
        self.max_upload_bytes = max_upload_bytes
        self.max_stored_bytes = max_stored_bytes
        self.max_stored_files = max_stored_files
        self._lock = threading.Lock()

    def put(
        self,
        content: bytes,
        *,
        name: str = "upload",
        pulse_width_unit: str | None = None,
        charge_unit: str | None = None,
    ) -> str:
        """Check an upload, keep it and return its id.

        `name` is for messages; one that ends in .yaml or .yml says that the file is a chip,
        every other is a measurement. Raises `DataError` for a file that is too large or not
        what its name says; nothing is kept then.
        """
        if name.lower().endswith(CHIP_SUFFIXES):
            return self._put_uploaded_chip(content, name)
        file = SourceFile(name, content)
        limit = self.max_upload_bytes if file.is_netcdf else MAX_CSV_BYTES
        if len(content) > limit:
            raise DataError(
                name,
                expected=f"at most {megabytes(limit)}",
                got=megabytes(len(content)),
                advice="Split the patterns over several files; NetCDF may be larger than CSV.",
            )
        units = f"{pulse_width_unit}|{charge_unit}".encode()
        upload_id = hashlib.sha256(units + b"\n" + content).hexdigest()[:ID_LENGTH]
        if not self._path(upload_id).exists():
            measurement = measurement_from_files(
                file,
                pulse_width_unit=pulse_width_unit,
                charge_unit=charge_unit,
            )
            with self._lock:
                am.save_measurement(measurement, self._path(upload_id), overwrite=True)
                self._evict(spare=self._path(upload_id))
        return upload_id

    def _put_uploaded_chip(self, content: bytes, name: str) -> str:
        """Keep a chip that was uploaded as YAML, written anew from what was read."""
        upload_id = hashlib.sha256(b"chip\n" + content).hexdigest()[:ID_LENGTH]
        path = self._uploaded_chip_path(upload_id)
        if not path.exists():
            text = chip_of_upload(content, name).to_yaml()
            with self._lock:
                save_text(text, path, overwrite=True)
                self._evict(spare=path)
        return upload_id

    def uploaded_chip(self, upload_id: str) -> Chip | None:
        """The chip of an upload; None where the upload is a measurement, or there is none."""
        if not _ID.fullmatch(upload_id) or not self._uploaded_chip_path(upload_id).exists():
            return None
        return Chip.from_yaml(self._uploaded_chip_path(upload_id).read_text(encoding="utf-8"))

    def _uploaded_chip_path(self, upload_id: str) -> Path:
        return self.folder / f"{upload_id}.yaml"

    def open(self, upload_id: str) -> xr.Dataset:
        """The measurement of an upload; `DataError` where the server has none of that id."""
        if not _ID.fullmatch(upload_id) or not self._path(upload_id).exists():
            raise DataError(
                "upload in the link",
                expected="a file that this server still has",
                got=f"{upload_id[:40]!r}",
                advice="Upload the file again: servers keep uploads only while they run.",
            )
        return am.open_measurement(self._path(upload_id))

    def put_chip(self, record: ChipRecord) -> str:
        """Keep a calibrated chip and return its id."""
        content = json.dumps(asdict(record), sort_keys=True).encode("utf-8")
        chip_id = hashlib.sha256(content).hexdigest()[:ID_LENGTH]
        path = self._chip_path(chip_id)
        if not path.exists():
            with self._lock:
                path.write_bytes(content)
                self._evict(spare=path)
        return chip_id

    def open_chip(self, chip_id: str) -> ChipRecord:
        """The record of a calibrated chip; `DataError` where the server has none of that id."""
        if not _ID.fullmatch(chip_id) or not self._chip_path(chip_id).exists():
            raise DataError(
                "calibrated chip in the link",
                expected="a chip that this server still has",
                got=f"{chip_id[:40]!r}",
                advice="Calibrate again: servers keep calibrated chips only while they run.",
            )
        return ChipRecord(**json.loads(self._chip_path(chip_id).read_bytes()))

    def _chip_path(self, chip_id: str) -> Path:
        return self.folder / f"{chip_id}.json"

    def _path(self, upload_id: str) -> Path:
        return self.folder / f"{upload_id}.nc"

    def _evict(self, spare: Path) -> None:
        files = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime)
        sizes = {path: path.stat().st_size for path in files}
        for path in files:
            fits = sum(sizes.values()) <= self.max_stored_bytes
            if fits and len(sizes) <= self.max_stored_files:
                return
            if path != spare:
                del sizes[path]
                path.unlink()


def chip_of_upload(content: bytes, name: str) -> Chip:
    """The chip in the bytes of a YAML file from elsewhere.

    No aliases: nested, they make gigabytes of a few bytes. No chip this package writes
    has any.
    """
    if len(content) > MAX_CHIP_BYTES:
        raise DataError(
            name, expected=f"at most {megabytes(MAX_CHIP_BYTES)}", got=megabytes(len(content))
        )
    try:
        text = content.decode("utf-8")
        aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(name, expected="YAML text in UTF-8", got=reason) from None
    if aliases:
        raise DataError(name, expected="YAML without aliases", got="an alias")
    return Chip.from_yaml(text)


def megabytes(n_bytes: int) -> str:
    """A size for people."""
    return f"{n_bytes / 2**20:.3g} MiB"


@lru_cache(maxsize=1)
def _scratch_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="analog-model-uploads-")


@lru_cache(maxsize=1)
def upload_store() -> UploadStore:
    """The store of this process; its folder is removed when the process ends."""
    return UploadStore(Path(_scratch_folder().name))
