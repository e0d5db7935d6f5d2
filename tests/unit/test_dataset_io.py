"""Files that are opened: what is refused before it is read."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from analog_model.dataset import io
from analog_model.dataset.examples import example_chip
from analog_model.errors import DataError

MEBIBYTE = 1 << 20


@pytest.fixture
def measurement() -> xr.Dataset:
    return example_chip().isel(pattern=slice(0, 8))


@pytest.fixture
def saved(measurement: xr.Dataset, tmp_path: Path) -> Path:
    path = tmp_path / "chip.nc"
    io.save_measurement(measurement, path)
    return path


def refusal(path: Path, **options: int) -> str:
    with pytest.raises(DataError) as caught:
        io.open_measurement(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What is no measurement file at all.


def test_missing_file(tmp_path: Path) -> None:
    assert "expected a file, got no such file" in refusal(tmp_path / "absent.nc")


def test_folder(tmp_path: Path) -> None:
    assert "expected a file, got a folder" in refusal(tmp_path)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.nc").touch()
    assert "empty.nc: expected a file with content, got an empty file" in refusal(
        tmp_path / "empty.nc"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_named_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nc")
    assert "something that is no plain file" in refusal(tmp_path / "pipe.nc")


def test_text_is_no_netcdf(tmp_path: Path) -> None:
    (tmp_path / "chip.nc").write_text("t0,q0\n1,2\n")
    message = refusal(tmp_path / "chip.nc")
    assert "chip.nc: expected a NetCDF4 (HDF5) file, got a file beginning b't0,q0" in message
    assert "import_measurement" in message


def test_classic_netcdf_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "old.nc").write_bytes(b"CDF\x01" + bytes(60))
    message = refusal(tmp_path / "old.nc")
    assert "got a NetCDF classic file" in message
    assert "nccopy -k nc4" in message


def test_two_gigabytes_of_zeros_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "zeros.nc"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    opened: list[object] = []
    monkeypatch.setattr(io, "decode", lambda *args, **options: opened.append(args))
    assert "zeros.nc: expected at most 268435456 bytes, got 2147483648 bytes" in refusal(path)
    assert not opened


def test_zeros_of_allowed_size_are_no_netcdf(tmp_path: Path) -> None:
    (tmp_path / "zeros.nc").write_bytes(bytes(MEBIBYTE))
    assert "expected a NetCDF4 (HDF5) file" in refusal(tmp_path / "zeros.nc")


# Damaged files.


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_truncated_file(saved: Path, part: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * part)])
    message = refusal(saved)
    assert "chip.nc: expected an intact NetCDF4 file, got one that cannot be read" in message
    assert "truncated" in message


def test_flipped_bit_in_the_values_is_found(saved: Path) -> None:
    with h5py.File(saved) as file:
        chunk = file["charge"].id.get_chunk_info(0)
    content = bytearray(saved.read_bytes())
    content[chunk.byte_offset + chunk.size // 2] ^= 1
    saved.write_bytes(content)
    assert "expected an intact NetCDF4 file" in refusal(saved)


def test_random_damage_never_shows_another_error(saved: Path) -> None:
    content = saved.read_bytes()
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(8, len(content) // 4, size=12):
            damaged[place] = random.integers(256)
        try:
            io.decode_measurement(bytes(damaged))
        except DataError:
            refused += 1
    assert refused > 30


# Files that are larger, or reach further, than they look.


def hdf5(path: Path, fill: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "analog-model/measurement/1"
        fill(file)
    return path


def test_declared_terabyte_is_refused_by_its_shape(tmp_path: Path) -> None:
    path = hdf5(
        tmp_path / "bomb.nc",
        lambda f: f.create_dataset(
            "charge", shape=(1 << 20, 1 << 17), dtype="f8", chunks=(64, 64), compression="gzip"
        ),
    )
    assert path.stat().st_size < MEBIBYTE
    message = refusal(path)
    assert "charge in bomb.nc: expected at most 268435456 bytes of data in the file" in message
    assert "shape (1048576, 131072)" in message


def test_many_arrays_are_counted_together(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        for k in range(8):
            file.create_dataset(f"v{k}", shape=(MEBIBYTE,), dtype="f8", chunks=(1024,))

    assert "v4 in bomb.nc" in refusal(hdf5(tmp_path / "bomb.nc", fill), max_bytes=36 * MEBIBYTE)


def test_huge_chunk_behind_a_small_array_is_refused(tmp_path: Path) -> None:
    path = hdf5(
        tmp_path / "bomb.nc",
        lambda f: f.create_dataset(
            "charge", shape=(1, 1), maxshape=(None, None), dtype="f8", chunks=(1 << 14, 1 << 14)
        ),
    )
    assert "charge in bomb.nc: expected at most" in refusal(path)


def test_bound_is_the_callers(saved: Path, measurement: xr.Dataset) -> None:
    io.open_measurement(saved, max_bytes=MEBIBYTE)
    assert "expected at most 1000 bytes" in refusal(saved, max_bytes=1000)


def test_one_long_text_for_many_patterns_is_refused(tmp_path: Path) -> None:
    texts = np.array(["x" * 100_000] + ["single"] * 999, dtype=object)
    path = hdf5(
        tmp_path / "long.nc",
        lambda f: f.create_dataset("kind", data=texts, dtype=h5py.string_dtype()),
    )
    assert "kind in long.nc: expected texts of at most 256 bytes, got one of 100000" in refusal(
        path
    )


def test_room_that_texts_take_in_memory_counts(tmp_path: Path) -> None:
    texts = np.array(["x" * 200] * 4000, dtype=object)
    path = hdf5(
        tmp_path / "texts.nc",
        lambda f: f.create_dataset("kind", data=texts, dtype=h5py.string_dtype()),
    )
    assert "kind in texts.nc: expected at most 2097152 bytes of data" in refusal(
        path, max_bytes=2 * MEBIBYTE
    )


def test_long_characters_are_refused(tmp_path: Path) -> None:
    path = hdf5(
        tmp_path / "texts.nc",
        lambda f: f.create_dataset("kind", shape=(4, 10_000), dtype="S1"),
    )
    assert "kind in texts.nc: expected texts of at most 256 bytes, got one of 10000" in refusal(
        path
    )


@pytest.mark.parametrize(
    ("fill", "fragment"),
    [
        (lambda f: f.create_group("raw"), "expected a variable in a file without groups"),
        (
            lambda f: f.__setitem__("charge", h5py.ExternalLink("/etc/passwd", "/")),
            "charge in odd.nc: expected a variable in the file, got a link to another file",
        ),
        (lambda f: f.__setitem__("charge", h5py.SoftLink("/other")), "got a soft link"),
        (
            lambda f: f.create_dataset(
                "charge", shape=(8,), dtype="u1", external=[("/etc/passwd", 0, 8)]
            ),
            "expected values stored in the file itself, got values kept in another file",
        ),
        (
            lambda f: f.create_dataset("charge", data=np.zeros(2, dtype=[("a", "f8")])),
            "charge in odd.nc: expected numbers or text, got HDF5 type",
        ),
        (
            lambda f: f.create_dataset("charge", data=np.array([b"\x80\x04K"], dtype="V3")),
            "charge in odd.nc: expected numbers or text, got HDF5 type",
        ),
        (
            lambda f: f.create_dataset("charge", data=h5py.Empty("f8")),
            "charge in odd.nc: expected an array, got an empty dataspace",
        ),
        (
            lambda f: f.create_dataset(
                "charge", data=np.zeros((2, 2)), chunks=(2, 2), compression="lzf"
            ),
            "charge in odd.nc: expected no compression, or gzip, got HDF5 filter 32000",
        ),
        (
            lambda f: f.attrs.create("title", ["x"] * 3, dtype=h5py.string_dtype()),
            "attribute title of odd.nc: expected one text, or a few numbers, got shape (3,)",
        ),
    ],
)
def test_structures_that_a_measurement_has_no_use_for(
    tmp_path: Path, fill: Callable[[h5py.File], object], fragment: str
) -> None:
    assert fragment in refusal(hdf5(tmp_path / "odd.nc", fill))


def test_virtual_array_does_not_read_another_file(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(4,))
    path = hdf5(tmp_path / "odd.nc", lambda f: f.create_virtual_dataset("charge", layout))
    assert "got values kept in another file" in refusal(path)


def test_plain_hdf5_without_dimensions_is_no_measurement(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "plain.nc", lambda f: f.create_dataset("charge", data=np.zeros((2, 2))))
    assert "plain.nc: expected" in refusal(path)


def test_text_stored_as_characters_is_read(saved: Path, measurement: xr.Dataset) -> None:
    chip = io.open_measurement(saved)
    chip["kind"] = chip.kind.astype("S")
    chip.to_netcdf(saved, engine="h5netcdf", encoding={"kind": {"dtype": "S1"}})
    with h5py.File(saved) as file:
        assert file["kind"].dtype == np.dtype("S1")
    assert io.open_measurement(saved).kind.values.tolist() == measurement.kind.values.tolist()


def test_coordinates_need_not_be_listed_in_the_file(saved: Path) -> None:
    io.open_measurement(saved).reset_coords(["kind", "split"]).to_netcdf(saved, engine="h5netcdf")
    assert {"kind", "split"} <= set(io.open_measurement(saved).coords)


def test_packed_values_are_unpacked(saved: Path) -> None:
    chip = io.open_measurement(saved)
    packing = {"dtype": "i2", "scale_factor": 4e-8, "_FillValue": -1}
    chip.to_netcdf(saved, engine="h5netcdf", encoding={"pulse_width": packing})
    with h5py.File(saved) as file:
        assert file["pulse_width"][0, 0] == 31
    opened = io.open_measurement(saved).pulse_width
    np.testing.assert_allclose(opened, chip.pulse_width, rtol=1e-12)


def test_saved_file_declares_no_fill_value(saved: Path) -> None:
    with h5py.File(saved) as file:
        assert not [name for name in file if "_FillValue" in file[name].attrs]


# Nothing in a file is executed, and no file carries Python objects.


def test_nothing_is_unpickled(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("load", "loads", "dump", "dumps", "Unpickler", "Pickler"):
        monkeypatch.setattr(pickle, name, refuse)
    chip = io.open_measurement(saved)
    io.save_measurement(chip, saved, overwrite=True)
    assert all(variable.dtype.kind != "O" for variable in chip.variables.values())


def test_objects_are_not_saved(measurement: xr.Dataset, tmp_path: Path) -> None:
    objects = measurement.assign_coords(kind=measurement.kind.astype(object))
    with pytest.raises(DataError, match="kind in dataset: expected text, got dtype object"):
        io.save_measurement(objects, tmp_path / "chip.nc")
    assert not list(tmp_path.iterdir())
