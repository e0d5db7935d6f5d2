"""Files of a calibration: its archive gives it back, its checkpoint the same numbers again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.calibration import problem
from analog_model.calibration.checkpoint import Checkpoint
from analog_model.calibration.result import Calibration
from analog_model.errors import AnalogModelError, DataError


def small_measurement(seed: int = 0) -> xr.Dataset:
    """A 4x2 array with crosstalk and drop, simulated, with read noise."""
    chip = am.synthetic_chip(4, 2, layout_rule="mirrored_columns", seed=1)
    generator = np.random.default_rng(seed)
    single = 1e-6 * np.eye(4)
    width = np.concatenate([single, 1e-6 * generator.integers(0, 32, (40, 4)) / 31])
    charge = am.simulate(chip, width)
    charge = charge + 1e-3 * charge.max() * generator.standard_normal(charge.shape)
    cells = ("word_line", "bit_line")
    return xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), width, {"units": "s"}),
            "charge": (("pattern", "bit_line"), charge, {"units": "C"}),
            "cell_current": (("weight_set", *cells), chip.cell_current[None], {"units": "A"}),
            "layout_class": (cells, chip.layout.layout_class),
        },
        coords={
            "pattern": np.arange(44),
            "kind": ("pattern", ["single"] * 4 + ["random"] * 40),
            "split": ("pattern", ["calibration"] * 30 + ["test"] * 14),
        },
        attrs={
            "schema": "analog-model/measurement/1",
            "chip": "small",
            "noise": "sigma = hypot(0.001*max(charge), 0.0*charge)",
        },
    )


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return am.calibrate(small_measurement())


def assert_same(one: Calibration, other: Calibration) -> None:
    assert one.chip == other.chip
    assert one.shared_chip == other.shared_chip
    assert dict(one.chips) == dict(other.chips)
    for name in ("parameters", "ladder", "cells"):
        xr.testing.assert_identical(getattr(one, name), getattr(other, name))
    for name in ("weight_set", "outlier_patterns", "dead_cells", "notes", "noise"):
        assert getattr(one, name) == getattr(other, name), name


def test_an_archive_gives_the_calibration_back(calibration: Calibration, tmp_path: Path) -> None:
    am.save_calibration(calibration, tmp_path / "c.nc")
    again = am.open_calibration(tmp_path / "c.nc")
    assert_same(calibration, again)
    history = again.measurement.attrs.pop("history")
    assert history.endswith("calibrated")
    xr.testing.assert_identical(again.measurement, calibration.measurement)
    xr.testing.assert_identical(again.report(), calibration.report())


def test_an_existing_file_is_kept(calibration: Calibration, tmp_path: Path) -> None:
    (tmp_path / "c.nc").write_bytes(b"mine")
    with pytest.raises(DataError, match="expected no file of this name"):
        am.save_calibration(calibration, tmp_path / "c.nc")
    assert (tmp_path / "c.nc").read_bytes() == b"mine"


def _without(name: str) -> Any:
    def spoil(file: h5py.File) -> None:
        del file[name]

    return spoil


def _with_attribute(group: str, name: str, value: str) -> Any:
    def spoil(file: h5py.File) -> None:
        file[group].attrs[name] = value

    return spoil


def _link(file: h5py.File) -> None:
    file["cells/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


def _bomb(file: h5py.File) -> None:
    file["cells"].create_dataset(
        "bomb", shape=(1 << 20, 1 << 17), dtype="f8", chunks=(64, 64), compression="gzip"
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without("ladder"), "group ladder in c.nc: expected the variables .* no such group"),
        (_without("cells/kappa_deviation"), "group cells in c.nc.*none called kappa_deviation"),
        (_without("measurement/charge"), "charge in group measurement in c.nc"),
        (_with_attribute("chips", "full", "name: [1"), "YAML|yaml|chip"),
        (_with_attribute("/", "schema", "analog-model/measurement/1"), "attribute schema"),
        (_with_attribute("/", "dead_cells", "[[1]]"), "attributes of c.nc"),
        (_link, "elsewhere in cells in c.nc.*a link to another file"),
        (_bomb, "bomb in cells in c.nc: expected at most 268435456 bytes"),
    ],
)
def test_a_spoilt_archive_is_refused(
    calibration: Calibration, tmp_path: Path, spoil: Any, said: str
) -> None:
    am.save_calibration(calibration, tmp_path / "c.nc")
    with h5py.File(tmp_path / "c.nc", "a") as file:
        spoil(file)
    with pytest.raises(AnalogModelError, match=said):
        am.open_calibration(tmp_path / "c.nc")


def test_a_truncated_archive_is_refused(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "c.nc"
    am.save_calibration(calibration, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="intact NetCDF4"):
        am.open_calibration(path)


class InterruptionError(Exception):
    """Raised by the progress listener, as Ctrl-C would be."""


def test_an_interrupted_calibration_goes_on_to_the_same_numbers(
    calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.nc"

    def stop(stage: str, fraction: float) -> None:
        if fraction > 0.3:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        am.calibrate(small_measurement(), progress=stop, checkpoint=Checkpoint(path, interval=0.0))
    finished = len(Checkpoint(path))
    assert finished >= 3
    fitted: list[str] = []
    original = problem.fit_shared

    def counted(*arguments: Any, **options: Any) -> Any:
        fitted.append(arguments[0].rung.name)
        return original(*arguments, **options)

    monkeypatch.setattr(problem, "fit_shared", counted)
    again = am.calibrate(small_measurement(), checkpoint=Checkpoint(path, interval=0.0))
    assert_same(again, calibration)
    # Those finished before were not fitted again.
    assert "ideal" not in fitted
    complete = Checkpoint(path)
    assert len(complete) > finished
    fitted.clear()
    assert_same(am.calibrate(small_measurement(), checkpoint=complete), calibration)
    assert fitted == []
    complete.remove()
    assert not path.exists()


def test_another_measurement_recalls_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.nc"

    def stop_after_one(stage: str, fraction: float) -> None:
        if fraction > 0.1:
            raise InterruptionError

    for seed in (0, 1):
        with pytest.raises(InterruptionError):
            am.calibrate(
                small_measurement(seed),
                progress=stop_after_one,
                checkpoint=Checkpoint(path, interval=0.0),
            )
    with_both = len(Checkpoint(path))
    path.unlink()
    with pytest.raises(InterruptionError):
        am.calibrate(
            small_measurement(1),
            progress=stop_after_one,
            checkpoint=Checkpoint(path, interval=0.0),
        )
    assert with_both == 2 * len(Checkpoint(path))


def test_a_checkpoint_is_no_code_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.nc"
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(DataError, match="NetCDF4"):
        Checkpoint(path)


def test_joint_weights_are_the_calibrations(calibration: Calibration) -> None:
    found = am.extract_weights(small_measurement(), "joint", calibration=calibration)
    np.testing.assert_array_equal(
        found["cell_current"].values, calibration.cells["cell_current"].values
    )
    assert found.attrs["n_measurements"] == 30 + 4
    table = am.compare_extractions(small_measurement(), calibration=calibration)
    assert list(table["extraction"].values) == ["single", "regression", "joint"]
    assert "leave_one_out: measurement: expected an all-on pattern" in table.attrs["left_out"]
    # The number of each method and model, computed from the chip alone.
    test = small_measurement().isel(pattern=slice(30, None))
    charge = test["charge"].values
    weights = am.extract_weights(small_measurement(), "regression")["cell_current"].values
    ideal = test["pulse_width"].values @ weights
    full = am.simulate(calibration.chip.with_weights(weights), test["pulse_width"].values)
    for model, predicted in (("ideal", ideal), ("full", full)):
        ratio = np.sqrt((charge**2).mean() / ((charge - predicted) ** 2).mean())
        judged = table["signal_to_error_ratio"].sel(
            extraction="regression", model=model, kind="all"
        )
        assert judged.sel(split="test").item() == pytest.approx(ratio)
    assert list(table["split"].values) == ["test"]
