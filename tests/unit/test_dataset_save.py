"""Saving of a measurement: all or nothing, with the user's permissions."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analog_model.dataset import io
from analog_model.dataset.examples import data_folder, example_chip
from analog_model.errors import DataError


@pytest.fixture
def measurement() -> xr.Dataset:
    return example_chip().isel(pattern=slice(0, 8))


@pytest.fixture
def saved(measurement: xr.Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "chip.nc"
    io.save_measurement(measurement, path)
    return path


# Saving is all or nothing.


def fail_with(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("os.fsync", full_disk()),
        ("pathlib.Path.replace", PermissionError("denied")),
        ("os.fsync", KeyboardInterrupt()),
    ],
)
def test_failed_save_leaves_the_old_file(
    saved: Path,
    measurement: xr.Dataset,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    error: BaseException,
) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(target, fail_with(error))
    with pytest.raises(type(error)):
        io.save_measurement(measurement.isel(pattern=[0]), saved, overwrite=True)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["chip.nc"]


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are a Unix thing")
def test_disk_full_in_the_middle_of_writing(saved: Path, measurement: xr.Dataset) -> None:
    import resource
    import signal

    before = saved.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            io.save_measurement(measurement, saved, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["chip.nc"]


def test_invalid_measurement_is_not_saved(saved: Path, measurement: xr.Dataset) -> None:
    before = saved.read_bytes()
    broken = measurement.copy(deep=True)
    broken.charge.values[3, 2] = np.nan
    with pytest.raises(DataError, match=r"charge\[pattern=3, bit_line=2\]"):
        io.save_measurement(broken, saved, overwrite=True)
    assert saved.read_bytes() == before


def test_existing_file_is_kept_unless_told(saved: Path, measurement: xr.Dataset) -> None:
    before = saved.read_bytes()
    with pytest.raises(DataError, match="expected no file of this name, got one"):
        io.save_measurement(measurement, saved)
    assert saved.read_bytes() == before
    io.save_measurement(measurement.isel(pattern=[0]), saved, overwrite=True)
    assert io.open_measurement(saved).sizes["pattern"] == 1


def test_save_into_a_missing_folder(measurement: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file name in an existing folder"):
        io.save_measurement(measurement, tmp_path / "absent" / "chip.nc")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_saved_file_has_the_users_permissions(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("x")
    assert saved.stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_save_through_a_link_replaces_its_target(
    saved: Path, measurement: xr.Dataset, tmp_path: Path
) -> None:
    link = tmp_path / "latest.nc"
    link.symlink_to(saved)
    io.save_measurement(measurement.isel(pattern=[0]), link, overwrite=True)
    assert link.is_symlink()
    assert io.open_measurement(saved).sizes["pattern"] == 1


def test_opened_file_may_be_replaced_while_its_data_are_used(saved: Path) -> None:
    chip = io.open_measurement(saved)
    saved.unlink()
    assert np.isfinite(chip.charge.values).all()


def test_bundled_file_opens_by_path() -> None:
    chip = io.open_measurement(str(data_folder() / "measured" / "reference.nc"))
    assert chip.sizes == {"pattern": 708, "word_line": 16, "bit_line": 16, "weight_set": 2}


def test_text_is_saved_whole(tmp_path: Path) -> None:
    io.save_text("a,b\n1,2 µ\n", tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == "a,b\n1,2 µ\n".encode()
