"""Uploaded measurements, uploaded or calibrated chips, kept by content hash.

A file is stored only after it was read as a measurement, always as NetCDF, or as a chip,
always as YAML. It stays beside the training runs when the server ends, so that a link to it
opens after a restart.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import xarray as xr
import yaml

import analog_model as am
from analog_model.chip import Chip
from analog_model.dataset.csv_table import MEMORY_PER_BYTE
from analog_model.dataset.ingest import measurement_from_files
from analog_model.dataset.io import MAX_BYTES, encode_measurement, read_bytes
from analog_model.dataset.source_file import SourceFile
from analog_model.errors import DataError
from dashboard.kept_files import KeptFiles, id_of
from dashboard.run_store import run_store

MAX_UPLOAD_BYTES = 64 * 2**20
# What the library reads of text, whose cells take many times their bytes in memory.
MAX_CSV_BYTES = MAX_BYTES // MEMORY_PER_BYTE
# 512 x 512 cells, with a coupling for every class.
MAX_CHIP_BYTES = 8 * 2**20
CHIP_SUFFIXES = (".yaml", ".yml")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_STORED_BYTES = 512 * 2**20
MAX_STORED_FILES = 512
# With a leading dot, so that no run can be of that name.
_FOLDER = ".chips"
_MEASUREMENT, _CHIP, _RECORD = "nc", "yaml", "json"


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
        self.max_upload_bytes = max_upload_bytes
        self._files = KeptFiles(folder, max_bytes=max_stored_bytes, max_files=max_stored_files)

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
        upload_id = id_of(units + b"\n" + content)
        if self._files.find(upload_id, _MEASUREMENT) is None:
            measurement = measurement_from_files(
                file,
                pulse_width_unit=pulse_width_unit,
                charge_unit=charge_unit,
            )
            self._files.keep(upload_id, _MEASUREMENT, encode_measurement(measurement))
        return upload_id

    def _put_uploaded_chip(self, content: bytes, name: str) -> str:
        """Keep a chip that was uploaded as YAML, written anew from what was read."""
        upload_id = id_of(b"chip\n" + content)
        if self._files.find(upload_id, _CHIP) is None:
            text = chip_of_upload(content, name).to_yaml()
            self._files.keep(upload_id, _CHIP, text.encode("utf-8"))
        return upload_id

    def uploaded_chip(self, upload_id: str) -> Chip | None:
        """The chip of an upload; None where the upload is a measurement, or there is none."""
        path = self._files.find(upload_id, _CHIP)
        if path is None:
            return None
        return Chip.from_yaml(read_bytes(path).decode("utf-8", errors="replace"))

    def open(self, upload_id: str) -> xr.Dataset:
        """The measurement of an upload; `DataError` where the server has none of that id."""
        path = self._files.find(upload_id, _MEASUREMENT)
        if path is None:
            raise DataError(
                "upload in the link",
                expected="a file that this server still has",
                got=f"{upload_id[:40]!r}",
                advice="Upload the file again: a server drops what nobody asked for the longest.",
            )
        return am.open_measurement(path)

    def put_chip(self, record: ChipRecord) -> str:
        """Keep a calibrated chip and return its id."""
        content = json.dumps(asdict(record), sort_keys=True).encode("utf-8")
        chip_id = id_of(content)
        if self._files.find(chip_id, _RECORD) is None:
            self._files.keep(chip_id, _RECORD, content)
        return chip_id

    def open_chip(self, chip_id: str) -> ChipRecord:
        """The record of a calibrated chip; `DataError` where the server has none of that id."""
        path = self._files.find(chip_id, _RECORD)
        content = b"" if path is None else read_bytes(path)
        # The name is the hash of what was written: anything else is damaged.
        if id_of(content) != chip_id:
            raise DataError(
                "calibrated chip in the link",
                expected="a chip that this server still has",
                got=f"{chip_id[:40]!r}",
                advice="Calibrate again: a server drops what nobody asked for the longest.",
            )
        return ChipRecord(**json.loads(content))


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
def upload_store() -> UploadStore:
    """The store of this process: a folder beside the training runs."""
    return UploadStore(run_store().folder / _FOLDER)
