"""Uploads on the server: what is kept, under which name, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.errors import AnalogModelError, DataError
from dashboard.run_store import run_store
from dashboard.store import ChipRecord, UploadStore, upload_store


def wide_csv(scale: float = 1.0) -> bytes:
    """Two word lines, one bit line: a one-hot read of each, then both."""
    rows = ["single,calibration,40,0,{:.6f}", "single,calibration,0,40,{:.6f}"]
    rows += ["random,test,80,40,{:.6f}"]
    charges = [scale * 4.0, scale * 2.0, scale * 10.5]
    lines = [row.format(q) for row, q in zip(rows, charges, strict=True)]
    header = ["# time in ns, charge in fC", "kind,split,t0,t1,q0"]
    return "\n".join([*header, *lines, ""]).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store may put its files; it makes the folder itself."""
    return tmp_path / "runs" / ".chips"


@pytest.fixture
def store(folder: Path) -> UploadStore:
    return UploadStore(folder, max_upload_bytes=2**20, max_stored_files=3)


def kept(folder: Path) -> list[str]:
    """Names of the files in a folder that need not be there."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_upload_opens_again_by_its_id(store: UploadStore, folder: Path) -> None:
    upload_id = store.put(wide_csv(), name="lab.csv")
    measurement = store.open(upload_id)
    np.testing.assert_allclose(measurement[v.CHARGE].values[:, 0], [4e-15, 2e-15, 10.5e-15])
    np.testing.assert_allclose(measurement[v.PULSE_WIDTH].values[2], [80e-9, 40e-9])
    assert store.put(wide_csv(), name="another name.csv") == upload_id
    assert kept(folder) == [f"{upload_id}.nc"]


def test_units_are_part_of_what_was_uploaded(store: UploadStore) -> None:
    bare = wide_csv().split(b"\n", 1)[1]
    with pytest.raises(DataError, match="unit"):
        store.put(bare)
    nano = store.put(bare, pulse_width_unit="ns", charge_unit="fC")
    pico = store.put(bare, pulse_width_unit="ns", charge_unit="pC")
    ratio = store.open(pico)[v.CHARGE].values / store.open(nano)[v.CHARGE].values
    np.testing.assert_allclose(ratio, 1e3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "header line"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 500, "NetCDF"),
        (b"PK\x03\x04 a zip file" + bytes(range(256)), "bad.csv"),
        (b"\0" * (2**20 + 1), "bad.csv"),
        (wide_csv().replace(b"4.000000", b"four"), "four"),
    ],
)
def test_a_refused_upload_leaves_nothing(
    store: UploadStore, folder: Path, content: bytes, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        store.put(content, name="bad.csv")
    assert kept(folder) == []


def test_too_large_says_both_sizes(tmp_path: Path) -> None:
    store = UploadStore(tmp_path, max_upload_bytes=100)
    with pytest.raises(DataError, match=r"at most 9.54e-05 MiB, got 0.000195 MiB"):
        store.put(b"\x89HDF\r\n\x1a\n".ljust(204, b"\0"))


@pytest.mark.parametrize(
    "upload_id", ["", "../store", "0" * 15, "0" * 16, "A" * 16, "/etc/passwd", "0" * 16 + "\n"]
)
def test_only_ids_of_uploads_open(store: UploadStore, folder: Path, upload_id: str) -> None:
    folder.mkdir(parents=True)
    for suffix in ("nc", "json", "yaml"):
        (folder / f"store.{suffix}").write_bytes(b"not for you")
        (folder.parent / f"store.{suffix}").write_bytes(b"not for you")
    with pytest.raises(DataError, match="Upload the file again"):
        store.open(upload_id)
    with pytest.raises(DataError, match="Calibrate again"):
        store.open_chip(upload_id)
    assert store.uploaded_chip(upload_id) is None


def test_what_nobody_asked_for_the_longest_leaves_first(store: UploadStore, folder: Path) -> None:
    ids = []
    for k in range(3):
        ids.append(store.put(wide_csv(scale=1 + k)))
        os.utime(folder / f"{ids[-1]}.nc", (k, k))
    store.open(ids[0])
    # Not the store's: neither counted nor dropped.
    (folder / "notes.txt").write_bytes(b"by hand")
    ids.append(store.put(wide_csv(scale=9)))
    with pytest.raises(DataError):
        store.open(ids[1])
    for there in (ids[0], ids[2], ids[3]):
        assert isinstance(store.open(there), xr.Dataset)
    assert "notes.txt" in kept(folder)


def test_stored_bytes_are_capped_but_the_newest_stays(tmp_path: Path) -> None:
    store = UploadStore(tmp_path, max_stored_bytes=1)
    store.put(wide_csv(1.0))
    newest = store.put(wide_csv(2.0))
    assert [path.stem for path in tmp_path.iterdir()] == [newest]


def test_what_a_link_names_outlives_the_process(store: UploadStore, folder: Path) -> None:
    chip = am.synthetic_chip(4, 3)
    measured, uploaded = store.put(wide_csv()), store.put(chip.to_yaml().encode(), name="c.yaml")
    calibrated = store.put_chip(ChipRecord(chip.to_yaml(), measured, 0))
    after = UploadStore(folder)
    assert after.open(measured).identical(store.open(measured))
    assert after.uploaded_chip(uploaded) == chip
    assert after.open_chip(calibrated) == store.open_chip(calibrated)
    assert folder.stat().st_mode & 0o077 == 0


def test_a_damaged_record_counts_as_gone(store: UploadStore, folder: Path) -> None:
    record = ChipRecord(am.synthetic_chip(4, 3).to_yaml(), "", 0)
    chip_id = store.put_chip(record)
    (folder / f"{chip_id}.json").write_bytes(b'{"chip": "another"}')
    with pytest.raises(DataError, match="Calibrate again"):
        store.open_chip(chip_id)


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match="one that can be written"):
        UploadStore(tmp_path / "runs" / ".chips").put(wide_csv())


def test_the_server_keeps_them_beside_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALOG_MODEL_RUNS", str(tmp_path))
    run_store.cache_clear()
    try:
        # Without its cache: the tests' own store stays.
        chip_id = upload_store.__wrapped__().put_chip(ChipRecord("chip", "", 0))
        assert kept(tmp_path / ".chips") == [f"{chip_id}.json"]
        assert run_store().names() == []
    finally:
        run_store.cache_clear()


def test_the_reference_chip_as_csv_is_the_reference_chip(store: UploadStore) -> None:
    """What the browser gets from the CSV export of a lab is what the library reads."""
    reference = am.example_chip("reference")
    names = ["kind", "split", *(f"t{j}" for j in range(16)), *(f"q{i}" for i in range(16))]
    rows = [",".join(names)]
    for k in range(0, 400, 40):
        row = reference.isel({v.PATTERN: k})
        widths, charges = row[v.PULSE_WIDTH].values * 1e9, row[v.CHARGE].values * 1e15
        cells = [f"{x:.9g}" for x in (*widths, *charges)]
        rows.append(",".join([str(row[v.KIND].item()), str(row[v.SPLIT].item()), *cells]))
    content = "\n".join(["# time in ns, charge in fC", *rows, ""]).encode()
    measurement = store.open(store.put(content))
    picked = reference.isel({v.PATTERN: slice(0, 400, 40)})
    np.testing.assert_allclose(measurement[v.CHARGE].values, picked[v.CHARGE].values, rtol=1e-8)


def test_a_chip_file_is_an_upload_too(store: UploadStore) -> None:
    chip = am.synthetic_chip(5, 3, seed=2)
    upload_id = store.put(chip.to_yaml().encode(), name="calibrated.yaml")
    assert store.uploaded_chip(upload_id) == chip
    assert store.put(chip.to_yaml().encode(), name="other.YML") == upload_id
    measured = store.put(wide_csv(), name="lab.csv")
    assert store.uploaded_chip(measured) is None
    assert store.uploaded_chip("../../etc/passwd") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name: [1", "YAML text"),
        (b"\xff\xfe", "YAML text"),
        (b"a: &x [1, 2]\nb: [*x, *x]\n", "without aliases"),
        (b"name: chip\n", "cell_current"),
        (b"#" * (8 * 2**20 + 1), "at most 8 MiB"),
    ],
)
def test_a_spoilt_chip_file_leaves_nothing(
    store: UploadStore, folder: Path, content: bytes, words: str
) -> None:
    with pytest.raises(AnalogModelError, match=words):
        store.put(content, name="bad.yaml")
    assert kept(folder) == []


def test_an_uploaded_chip_is_the_chip_in_view() -> None:
    from dashboard.state import State

    chip = am.synthetic_chip(5, 3, seed=3)
    state = State()
    upload_id = state.load_upload(chip.to_yaml().encode(), name="chip.yaml")
    assert state.source_chip == chip
    assert state.measurement is None
    # A second tab with the link shows the same.
    assert State(source="upload", upload_id=upload_id).source_chip == chip
