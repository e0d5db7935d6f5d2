"""The commands `calibrate` and `extract`: what they write, refuse, keep when interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import analog_model as am
from analog_model.cli import app
from analog_model.cli.calibrate import checkpoint_path

# kappa of the neighbour before and after, by layout class.
KAPPA = np.array([[0.09, 0.03], [0.05, 0.02]])


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def results(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def planted() -> xr.Dataset:
    """Five word lines, two layout classes, weak inversion: charges by the formula itself.

    With p, n the factors e^kappa - 1 of the neighbours before, after, a and b the times that
    cell and neighbour are on together, Q_i = sum_j I_ji (t_j + p a + n b + p n min(a, b)).
    """
    generator = np.random.default_rng(0)
    current = generator.uniform(0.2e-6, 0.8e-6, (5, 4))
    before, after = np.expm1(KAPPA[[0, 1, 0, 1]]).T
    width = 1e-6 * generator.integers(0, 32, (100, 5)) / 31
    above = np.minimum(width, np.pad(width, ((0, 0), (1, 0)))[:, :-1])
    below = np.minimum(width, np.pad(width, ((0, 0), (0, 1)))[:, 1:])
    both = np.minimum(above, below)
    charge = (
        width @ current
        + before * (above @ current)
        + after * (below @ current)
        + before * after * (both @ current)
    )
    charge = charge + 1e-4 * charge.max() * generator.standard_normal(charge.shape)
    cells = ("word_line", "bit_line")
    return xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), width, {"units": "s"}),
            "charge": (("pattern", "bit_line"), charge, {"units": "C"}),
            "cell_current": (("weight_set", *cells), current[None], {"units": "A"}),
            "layout_class": (cells, np.array([[0, 1, 0, 1]] * 5)),
        },
        coords={
            "pattern": np.arange(100),
            "kind": ("pattern", ["random"] * 100),
            "split": ("pattern", ["calibration"] * 80 + ["test"] * 20),
        },
        attrs={
            "schema": "analog-model/measurement/1",
            "chip": "planted",
            "noise": "sigma = hypot(0.0001*max(charge), 0.0*charge)",
        },
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planted") / "planted.nc"
    am.save_measurement(planted(), path)
    return path


@pytest.fixture(scope="module")
def written(source: Path) -> tuple[dict[str, Any], Path]:
    destination = source.with_name("calibration.nc")
    return results("calibrate", source, destination), destination


def test_both_files_open_again(written: tuple[dict[str, Any], Path]) -> None:
    summary, destination = written
    calibration = am.open_calibration(destination)
    chip = am.Chip.from_yaml(destination.with_suffix(".yaml").read_text(encoding="utf-8"))
    assert chip == calibration.chip
    assert summary["written"] == {
        "calibration": str(destination),
        "chip": str(destination.with_suffix(".yaml")),
    }
    assert sorted(path.name for path in destination.parent.iterdir()) == [
        "calibration.nc",
        "calibration.yaml",
        "planted.nc",
    ]


def test_what_is_told_is_what_is_written(written: tuple[dict[str, Any], Path]) -> None:
    summary, destination = written
    calibration = am.open_calibration(destination)
    table = calibration.parameters
    assert [one["name"] for one in summary["parameters"]] == list(table["parameter"].values)
    for one in summary["parameters"]:
        value = table["value"].sel(parameter=one["name"]).item()
        assert one["value"] == (None if np.isnan(value) else value)
        assert one["status"] == table["status"].sel(parameter=one["name"]).item()
    assert [model["model"] for model in summary["models"]] == list(calibration.chips)
    # Both directions of a class are within five standard errors of what was planted.
    for k, name in enumerate(("class 0", "class 1")):
        for offset, kappa in (("-1", KAPPA[k, 0]), ("+1", KAPPA[k, 1])):
            one = table.sel(parameter=f"kappa[{name}, {offset}]")
            assert abs(one["value"].item() - kappa) < 5 * one["standard_error"].item() < 0.02
    best = summary["models"][-1]
    test = next(g for g in best["judged"] if (g["kind"], g["split"]) == ("all", "test"))
    assert test["count"] == 20
    # The model's equations are those the charges were planted with, so noise is all it misses.
    assert 0.5 < test["chi_square"] < 1.5
    ideal = next(g for g in summary["models"][0]["judged"] if g["split"] == "test")
    assert test["signal_to_error_ratio"] > 20 * ideal["signal_to_error_ratio"]


def test_info_tells_a_calibration_again(written: tuple[dict[str, Any], Path]) -> None:
    told = results("info", written[1])
    assert told == {key: value for key, value in written[0].items() if key != "written"}
    assert "SER on test patterns" in run("info", written[1]).stdout


def test_the_chip_serves_simulate_as_it_is(
    written: tuple[dict[str, Any], Path], source: Path
) -> None:
    chip = written[1].with_suffix(".yaml")
    groups = results("simulate", chip, source)["against_measured"]
    by_split = {group["split"]: group for group in groups}
    told = next(
        group
        for group in written[0]["models"][-1]["judged"]
        if (group["kind"], group["split"]) == ("all", "test")
    )
    assert by_split["test"]["signal_to_error_ratio"] == pytest.approx(told["signal_to_error_ratio"])


def test_the_chip_serves_the_dashboard_as_it_is(written: tuple[dict[str, Any], Path]) -> None:
    from dashboard.state import State

    chip = am.Chip.from_yaml(written[1].with_suffix(".yaml").read_text(encoding="utf-8"))
    assert State.from_chip(chip).chip == chip


def test_tables_for_people_name_models_and_units(source: Path, tmp_path: Path) -> None:
    done = run("calibrate", source, tmp_path / "c.nc")
    assert done.exit_code == 0, done.stderr
    for said in ("SER on test patterns", "ideal", "chi-square", "95 % from", "dead cells"):
        assert said in done.stdout


def test_existing_files_are_kept_before_any_work(source: Path, tmp_path: Path) -> None:
    for kept in (tmp_path / "c.nc", tmp_path / "c.yaml"):
        kept.write_text("mine")
        start = time.monotonic()
        done = run("calibrate", source, tmp_path / "c.nc")
        assert (done.exit_code, kept.read_text()) == (2, "mine")
        assert "--force" in done.stderr
        assert time.monotonic() - start < 2
        kept.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calibrate", "reference", "c.txt"], "ends in .nc"),
        (["calibrate", "reference", "nowhere/c.nc"], "no such folder"),
        (["calibrate", "reference", "c.nc", "--chip", "c.json"], "ends in .yaml"),
        (["calibrate", "reference", "c.nc", "--weight-set", "7"], "one of 0, 1"),
        (["calibrate", "reference", "c.nc", "--drain-sensitivity", "-1"], "more than 0 /V"),
        (["extract", "reference", "--method", "joined"], "Did you mean 'joint'?"),
        (["extract", "reference", "-o", "w.txt"], ".nc or .csv"),
        (["extract", "reference", "--calibration", "missing.nc"], "no such file"),
    ],
)
def test_bad_input_is_code_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert said in done.stderr


def test_a_damaged_checkpoint_is_told_and_left_behind(
    source: Path, written: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    destination = tmp_path / "c.nc"
    checkpoint_path(destination).write_bytes(b"half a file")
    done = run("calibrate", source, destination)
    assert done.exit_code == 0
    assert "beginning anew" in done.stderr
    assert not checkpoint_path(destination).exists()
    assert am.open_calibration(destination).chip == am.open_calibration(written[1]).chip


# A process started in the background may inherit an ignored Ctrl-C; a terminal's does not.
_INTERRUPTED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from analog_model.calibration import problem
fit = problem.fit_shared
def slow(*arguments, **options):
    done = fit(*arguments, **options)
    print("fitted", flush=True)
    time.sleep(0.5)
    return done
problem.fit_shared = slow
from analog_model.cli import app
app(["calibrate", *sys.argv[1:]])
"""


def test_ctrl_c_leaves_no_half_file_and_the_next_run_goes_on(
    source: Path, written: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    """A real process, interrupted after its third fit by the signal that Ctrl-C sends."""
    destination = tmp_path / "c.nc"
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(source), str(destination)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline() == "fitted\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted: nothing written" in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == [checkpoint_path(destination)]
    done = run("calibrate", source, destination)
    assert done.exit_code == 0, done.stderr
    assert "going on from" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"c.nc", "c.yaml"}
    # Not a digit differs from the run that nobody interrupted.
    again, straight = am.open_calibration(destination), am.open_calibration(written[1])
    assert again.chip == straight.chip
    xr.testing.assert_identical(again.parameters, straight.parameters)
    xr.testing.assert_identical(again.cells, straight.cells)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_while_files_are_written() -> None:
    from analog_model.cli.work import undisturbed

    steps = []

    def write() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            steps.append("written")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert steps == ["written"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_extracted_weights_are_the_librarys(source: Path, tmp_path: Path) -> None:
    summary = results("extract", source, "--method", "regression", "-o", tmp_path / "w.nc")
    saved = am.open_extraction(tmp_path / "w.nc")
    expected = am.extract_weights(planted(), "regression")
    np.testing.assert_array_equal(saved["cell_current"].values, expected["cell_current"].values)
    np.testing.assert_array_equal(saved["standard_error"].values, expected["standard_error"].values)
    assert summary["measurements"] == saved.attrs["n_measurements"]


def test_extracted_csv_is_taken_by_the_import(source: Path, tmp_path: Path) -> None:
    results("extract", source, "--method", "regression", "-o", tmp_path / "w.csv")
    lab = tmp_path / "lab.csv"
    lab.write_text(
        "t0 [ns],t1 [ns],t2 [ns],t3 [ns],t4 [ns],q0 [fC],q1 [fC],q2 [fC],q3 [fC]\n"
        "1,2,3,4,5,6,7,8,9\n"
    )
    done = run("import", lab, tmp_path / "again.nc", "--cell-current", tmp_path / "w.csv")
    assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(
        am.open_measurement(tmp_path / "again.nc")["cell_current"].values[0],
        am.extract_weights(planted(), "regression")["cell_current"].values,
    )


def test_methods_side_by_side_from_a_calibration_at_hand(
    written: tuple[dict[str, Any], Path], source: Path
) -> None:
    rows = results("extract", source, "--compare", "--calibration", written[1])["comparison"]
    found = {(row["method"], row["model"]): row for row in rows}
    assert set(found) == {
        (method, model)
        for method in ("single", "regression", "joint")
        for model in ("ideal", "full")
    }
    # Refitted weights take up crosstalk in part.
    ratio = {key: row["signal_to_error_ratio"]["all"] for key, row in found.items()}
    assert ratio["joint", "full"] > 10 * ratio["single", "ideal"]
    assert ratio["regression", "ideal"] > 1.5 * ratio["single", "ideal"]


def test_a_calibration_of_another_measurement_is_refused(
    written: tuple[dict[str, Any], Path],
) -> None:
    done = run("extract", "reference", "--calibration", written[1])
    assert done.exit_code == 2
    assert "one of the same measurement" in done.stderr
