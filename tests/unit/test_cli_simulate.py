"""The command `simulate`, against products worked out by hand and the loop-based oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from analog_model import BitLine, Chip, CouplingByClass, Layout, open_measurement, simulate
from analog_model.cli import app

# Two word lines, two bit lines. Ideal charges of (10 ns, 20 ns) on currents in nA:
# 10*1 + 20*3 = 70 aC and 10*2 + 20*4 = 100 aC; of (0, 5 ns): 15 aC and 20 aC.
CURRENT = np.array([[1e-9, 2e-9], [3e-9, 4e-9]])
PULSES = "kind,split,t0 [ns],t1 [ns]\nrandom,test,10,20\nsingle,calibration,0,5\n"
IDEAL = np.array([[70e-18, 100e-18], [15e-18, 20e-18]])


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def results(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def chip() -> Chip:
    return Chip(
        name="hand",
        cell_current=CURRENT,
        layout=Layout.uniform(2, 2),
        coupling=CouplingByClass(offsets=(-1, 1), kappa=np.array([[0.1, 0.05]])),
        bit_line=BitLine(wire_resistance=1e6, drain_sensitivity=0.2),
    )


@pytest.fixture
def files(tmp_path: Path, chip: Chip) -> tuple[Path, Path]:
    yaml, pulses = tmp_path / "chip.yaml", tmp_path / "pulses.csv"
    yaml.write_text(chip.to_yaml())
    pulses.write_text(PULSES)
    return yaml, pulses


def test_without_effects_the_charge_is_the_product(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    written = tmp_path / "ideal.nc"
    facts = results(*files, "--effects", "none", "--output", written)
    assert facts["effects"] == []
    measurement = open_measurement(written)
    np.testing.assert_allclose(measurement["charge"].values, IDEAL, rtol=1e-14)
    assert measurement["split"].values.tolist() == ["test", "calibration"]
    np.testing.assert_array_equal(measurement["cell_current"].values, CURRENT[np.newaxis])


def test_effects_select_and_the_file_says_which(
    files: tuple[Path, Path], tmp_path: Path, chip: Chip
) -> None:
    written = tmp_path / "crosstalk.nc"
    assert results(*files, "--effects", "crosstalk", "-o", written)["effects"] == ["crosstalk"]
    measurement = open_measurement(written)
    # While both word lines are high (10 ns), the neighbour multiplies the current by
    # e^kappa: offset +1 (0.05) lifts word line 0, offset -1 (0.1) lifts word line 1.
    first = 10e-9 * (1e-9 * np.exp(0.05) + 3e-9 * np.exp(0.1)) + 10e-9 * 3e-9
    assert measurement["charge"].values[0, 0] == pytest.approx(first, rel=1e-12)
    assert "effects: crosstalk" in measurement.attrs["source"]


def test_both_methods_agree_with_everything_on(files: tuple[Path, Path], tmp_path: Path) -> None:
    charges = []
    for method in ("slots", "reference"):
        written = tmp_path / f"{method}.nc"
        assert results(*files, "--method", method, "-o", written)["effects"] == [
            "crosstalk",
            "wire",
        ]
        with h5py.File(written) as file:
            charges.append(file["charge"][()])
    assert not np.allclose(charges[0], IDEAL, rtol=1e-3, atol=0)
    np.testing.assert_allclose(charges[0], charges[1], rtol=1e-12)


def test_the_closed_form_says_its_error_and_keeps_to_it(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    exact, close = tmp_path / "slots.nc", tmp_path / "closed_form.nc"
    results(*files, "-o", exact)
    facts = results(*files, "--method", "closed_form", "--tolerance", "1e-4", "-o", close)
    assert 0 < facts["error_estimate"] <= 1e-4
    assert "n_nodes" in facts["expansion"]
    with h5py.File(exact) as one, h5py.File(close) as other:
        missed = other["charge"][()] - one["charge"][()]
        assert np.sqrt(np.mean(missed**2) / np.mean(one["charge"][()] ** 2)) <= 1e-4
    printed = run(*files, "--method", "closed_form")
    assert "of the charge, rms" in printed.stdout
    refused = run(*files, "--tolerance", "1e-4")
    assert refused.exit_code != 0
    assert "Use method='closed_form'" in refused.stderr


def test_csv_output_holds_the_same_numbers(files: tuple[Path, Path], tmp_path: Path) -> None:
    netcdf, csv, again = (tmp_path / name for name in ("out.nc", "out.csv", "again.nc"))
    results(*files, "-o", netcdf)
    results(*files, "-o", csv)
    assert CliRunner().invoke(app, ["import", str(csv), str(again)]).exit_code == 0
    with h5py.File(netcdf) as one, h5py.File(again) as other:
        np.testing.assert_array_equal(one["charge"][()], other["charge"][()])


def test_a_measured_chip_is_compared_with_its_own_patterns(tmp_path: Path) -> None:
    facts = results("reference", "--weight-set", 1)
    with h5py.File(Path(__file__).resolve().parents[2] / "data/measured/reference.nc") as file:
        of_set = file["weight_set_of_pattern"][()] == 1
    assert facts["patterns"] == int(of_set.sum())
    by_split = {group["split"]: group for group in facts["against_measured"]}
    assert set(by_split) == {"calibration", "test"}
    ideal = results("reference", "--weight-set", 1, "--effects", "none")
    ideal_test = next(g for g in ideal["against_measured"] if g["split"] == "test")
    # Crosstalk is most of this chip's error, so the model must beat the ideal product.
    assert by_split["test"]["decibel"] > ideal_test["decibel"] + 6


def test_a_long_run_in_parts_equals_one_run(tmp_path: Path) -> None:
    """508 patterns go through in eight parts; each vector is independent of its batch."""
    from analog_model import example_chip, starting_chip

    written = tmp_path / "all.nc"
    results("reference", "-o", written)
    measurement = example_chip("reference")
    of_set = measurement.isel(pattern=measurement["weight_set_of_pattern"].values == 0)
    whole = simulate(starting_chip(measurement), of_set["pulse_width"].values)
    with h5py.File(written) as file:
        np.testing.assert_allclose(file["charge"][()], whole, rtol=1e-12)


def test_merging_reports_its_bound(files: tuple[Path, Path]) -> None:
    bound = results(*files, "--merge-tolerance", "1e-9")["merge_bound"]
    assert bound["units"] == "C"
    assert bound["value"] >= 0


def test_an_existing_file_is_kept_before_any_work(files: tuple[Path, Path], tmp_path: Path) -> None:
    kept = tmp_path / "kept.nc"
    kept.write_bytes(b"mine")
    done = run(*files, "-o", kept)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert kept.read_bytes() == b"mine"
    assert run(*files, "-o", kept, "--force").exit_code == 0
    assert open_measurement(kept).sizes["pattern"] == 2


def test_a_chip_file_needs_patterns(files: tuple[Path, Path]) -> None:
    done = run(files[0])
    assert done.exit_code == 2
    assert "a file of pulses" in done.stderr


def test_pulses_of_another_array_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("t0 [ns],t1 [ns],t2 [ns]\n1,2,3\n")
    done = run(files[0], other)
    assert done.exit_code == 2
    assert "expected 2 along 'word_line'" in done.stderr


def test_a_misspelt_field_of_a_chip_is_named(files: tuple[Path, Path]) -> None:
    files[0].write_text(files[0].read_text().replace("wire_resistance", "wire_resistence"))
    done = run(*files)
    assert done.exit_code == 2
    assert "Did you mean 'wire_resistance'?" in done.stderr


def test_a_file_that_names_no_chip_can_be_simulated(tmp_path: Path) -> None:
    """A laboratory's CSV carries no attributes; its one-hot reads still give a chip."""
    lab = tmp_path / "lab.csv"
    lab.write_text(
        "kind,split,t0 [ns],t1 [ns],q0 [fC]\n"
        "single,calibration,10,0,1\nsingle,calibration,0,10,2\nrandom,test,10,10,3\n"
    )
    by_split = {group["split"]: group for group in results(lab)["against_measured"]}
    # 10 ns at 0.1 uA and 10 ns at 0.2 uA are 1 fC and 2 fC; together the 3 fC measured.
    assert by_split["test"]["signal_to_error_ratio"] > 1e12 or (
        by_split["test"]["signal_to_error_ratio"] is None
    )
