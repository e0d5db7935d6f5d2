"""The command `import`: a laboratory's CSV becomes a measurement file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from typer.testing import CliRunner

from analog_model.cli import app

MEASURED = Path(__file__).resolve().parents[2] / "data/measured"
PULSES = "pattern,word_line,pulse_width\n0,0,10\n0,1,20\n1,0,0\n1,1,5\n"
CHARGES = "pattern,bit_line,charge\n0,0,1.5\n1,0,-0.25\n"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_wide_csv_gives_the_numbers_of_the_netcdf(tmp_path: Path) -> None:
    written = tmp_path / "wide.nc"
    done = run(MEASURED / "reference_wide.csv", written, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["sizes"] == {"pattern": 508, "word_line": 16, "bit_line": 16}
    with h5py.File(MEASURED / "reference.nc") as original, h5py.File(written) as copy:
        first_weights = original["weight_set_of_pattern"][()] == 0
        widths = original["pulse_width"][()][first_weights]
        charges = original["charge"][()][first_weights]
        np.testing.assert_allclose(copy["pulse_width"][()], widths, rtol=1e-12)
        # The CSV prints six digits.
        np.testing.assert_allclose(copy["charge"][()], charges, rtol=5.1e-6)


def test_tidy_pair_with_units_as_options(tmp_path: Path) -> None:
    pulses, charges, written = (tmp_path / name for name in ("p.csv", "q.csv", "chip.nc"))
    pulses.write_text(PULSES)
    charges.write_text(CHARGES)
    units = ["--pulse-width-unit", "ns", "--charge-unit", "fC"]
    attributes = ["--attribute", "chip=007", "--attribute", "v_word_line=2.5"]
    done = run(pulses, written, "--charge", charges, *units, *attributes)
    assert done.exit_code == 0, done.stderr
    with h5py.File(written) as file:
        assert file["pulse_width"][()].tolist() == [[10e-9, 20e-9], [0.0, 5e-9]]
        assert file["charge"][()].tolist() == [[1.5e-15], [-0.25e-15]]
        assert file.attrs["chip"] == "007"
        assert file.attrs["v_word_line"] == 2.5


def test_a_unit_is_never_guessed(tmp_path: Path) -> None:
    pulses, charges, written = (tmp_path / name for name in ("p.csv", "q.csv", "chip.nc"))
    pulses.write_text(PULSES)
    charges.write_text(CHARGES)
    done = run(pulses, written, "--charge", charges, "--charge-unit", "fC")
    assert done.exit_code == 2
    assert "pulse_width" in done.stderr
    assert "unit" in done.stderr
    assert not written.exists()


def test_line_and_column_of_what_is_wrong(tmp_path: Path) -> None:
    source = tmp_path / "lab.csv"
    source.write_text("t0 [ns],q0 [fC]\n10,1\n10,one\n")
    done = run(source, tmp_path / "chip.nc")
    assert done.exit_code == 2
    assert "lab.csv line 3, column 'q0'" in done.stderr
    assert "'one'" in done.stderr


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    source, written = tmp_path / "lab.csv", tmp_path / "chip.nc"
    source.write_text("t0 [ns],q0 [fC]\n10,1\n")
    written.write_bytes(b"mine")
    done = run(source, written)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert written.read_bytes() == b"mine"
    assert run(source, written, "--force").exit_code == 0
    with h5py.File(written) as file:
        assert file["charge"][()].tolist() == [[1e-15]]


def test_attributes_must_be_readable(tmp_path: Path) -> None:
    source = tmp_path / "lab.csv"
    source.write_text("t0 [ns],q0 [fC]\n10,1\n")
    for text, said in (
        ("chip", "NAME=VALUE"),
        ("v_word_line=high", "a number in V"),
        ("bits=2.5", "a whole number"),
    ):
        done = run(source, tmp_path / "chip.nc", "--attribute", text)
        assert done.exit_code == 2
        assert said in done.stderr
