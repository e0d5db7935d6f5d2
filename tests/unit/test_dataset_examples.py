"""The bundled data are what data/README.md says, and their provenance can be followed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from analog_model.dataset import provenance
from analog_model.dataset.examples import (
    data_folder,
    example_chip,
    example_layout,
    example_names,
)
from analog_model.dataset.pulses import open_pulses
from analog_model.errors import ConfigurationError, DataError
from analog_model.version import __version__
from tests.benchmarks.planted_recovery import coverage


@pytest.fixture(scope="module")
def readme() -> str:
    return (data_folder() / "README.md").read_text(encoding="utf-8")


def test_hashes_of_the_readme_are_those_of_the_files(readme: str) -> None:
    stated = dict(re.findall(r"^\| `([\w/.]+)` \| `([0-9a-f]{64})` \|$", readme, re.MULTILINE))
    # Gathered records change with each new run; the README's tables are tested against them.
    gathered = {"recovery.nc", "robustness.nc"}
    files = [
        path
        for path in data_folder().rglob("*")
        if path.suffix in (".nc", ".csv") and path.name not in gathered
    ]
    actual = {
        path.relative_to(data_folder()).as_posix(): provenance.sha256(path.read_bytes())
        for path in files
    }
    assert stated == actual


def test_pattern_counts_of_the_readme_are_those_of_the_chip(readme: str) -> None:
    chip = example_chip()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", readme, re.M)
    stated = {kind: list(map(int, counts)) for kind, *counts in rows}
    actual = {
        kind: [
            int(((chip.kind == kind) & (chip.split == split) & (weight_set == number)).sum())
            for number in (0, 1)
            for split in ("calibration", "test")
        ]
        for weight_set in [chip.weight_set_of_pattern]
        for kind in np.unique(chip.kind)
    }
    assert stated == actual


def test_coverage_of_the_readme_is_that_of_the_record(readme: str) -> None:
    record = data_folder() / "results" / "planted_recovery.nc"
    with xr.open_dataset(record, engine="h5netcdf") as runs:
        covered = {str(name): float(part) for name, part in coverage(runs).to_series().items()}
        cells = [runs[f"{name}_z"].values for name in ("weight", "kappa")]
    kappas = [part for name, part in covered.items() if name.startswith("kappa")]
    rest = [part for name, part in covered.items() if not name.startswith("kappa")]
    # Outer neighbours that a cell does not have are NaN.
    single = [float((np.abs(z[np.isfinite(z)]) < 1.96).mean()) for z in cells]
    table = readme.partition("| parameter | coverage [%] |")[2]
    stated = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    numbers = [float(number) for cell in stated for number in cell.split(" to ")]
    actual = [min(kappas), max(kappas), *rest, *single]
    assert numbers == pytest.approx([100 * part for part in actual], abs=0.0501)


def test_readme_names_every_variable_with_its_unit(readme: str) -> None:
    for name, variable in example_chip().variables.items():
        if name in ("pattern", "word_line", "bit_line", "weight_set"):
            continue
        row = f"| `{name}` | {', '.join(variable.dims)} | {variable.attrs.get('units', '')}"
        assert row.rstrip() in readme


def test_readme_says_that_it_is_no_silicon(readme: str) -> None:
    assert "not\nfrom silicon" in readme or "not from silicon" in readme
    assert "not silicon" in example_chip().attrs["source"]


def test_example_chip_has_the_one_hot_reads_of_its_cells() -> None:
    chip = example_chip()
    single = chip.isel(pattern=((chip.kind == "single") & (chip.weight_set_of_pattern == 0)).values)
    charge = single.pulse_width.values @ chip.cell_current.sel(weight_set=0).values
    # The static read leaves out the pulses' edges (2 ns of 1240 ns) and the drop.
    largest = np.abs(charge).max()
    assert np.abs(single.charge.values - charge).max() < 0.01 * largest


def test_example_chip_is_fresh_each_time() -> None:
    example_chip().charge.values[:] = 0
    assert np.abs(example_chip().charge.values).max() > 1e-12


@pytest.mark.parametrize("open_example", [example_chip, example_layout])
def test_unknown_example_is_named(open_example: object) -> None:
    assert callable(open_example)
    with pytest.raises(ConfigurationError, match="got 'refernce'"):
        open_example("refernce")


def test_misspelt_example_gets_advice() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'reference'"):
        example_chip("refernce")
    assert "reference" in example_names()


# Provenance.


def test_history_gains_one_line_a_step() -> None:
    chip = provenance.with_step(xr.Dataset(), "imported\nchip.csv")
    chip = provenance.with_step(chip, "saved")
    lines = chip.attrs["history"].split("\n")
    assert [line.split(f"analog-model {__version__}: ")[1] for line in lines] == [
        "imported chip.csv",
        "saved",
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)


def test_fingerprint_ignores_order_width_and_history() -> None:
    chip = example_chip()
    other = chip[list(chip.data_vars)[::-1]]
    other.attrs = dict(reversed(chip.attrs.items()))
    other = provenance.with_step(other.assign(layout_class=chip.layout_class.astype("i8")), "seen")
    assert provenance.fingerprint(other) == provenance.fingerprint(chip)


def test_fingerprint_takes_equal_zeros_as_equal() -> None:
    zero, negative = xr.Dataset({"charge": ("x", [0.0])}), xr.Dataset({"charge": ("x", [-0.0])})
    assert provenance.fingerprint(zero) == provenance.fingerprint(negative)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.assign_attrs(v_word_line=2.1),
        lambda d: d.assign(charge=d.charge * (1 + 2e-16)),
        lambda d: d.assign(charge=d.charge.assign_attrs(units="fC")),
        lambda d: d.assign_coords(kind=d.kind.str.upper()),
        lambda d: d.rename(target_current="wanted_current"),
        lambda d: d.isel(pattern=slice(None, None, -1)),
        lambda d: d.reset_coords("split"),
    ],
)
def test_fingerprint_sees_every_change_of_content(change: object) -> None:
    assert callable(change)
    chip = example_chip()
    assert provenance.fingerprint(change(chip)) != provenance.fingerprint(chip)


# Pulses without charges.


def test_pulses_need_no_charges(tmp_path: Path) -> None:
    path = tmp_path / "pulses.csv"
    path.write_text("kind,t0 [ns],t1 [ns]\nrandom,40,0\nmixed,80,120\n")
    pulses = open_pulses(path)
    assert pulses.pulse_width.values.tolist() == [[4e-8, 0.0], [8e-8, 1.2e-7]]
    assert pulses.pulse_width.attrs["units"] == "s"
    assert pulses.kind.values.tolist() == ["random", "mixed"]
    assert "charge" not in pulses


def test_pulses_of_one_word_line(tmp_path: Path) -> None:
    path = tmp_path / "pulses.csv"
    path.write_text("t0 [ns]\n40\n80\n")
    assert open_pulses(path).pulse_width.values.tolist() == [[4e-8], [8e-8]]


def test_pulses_of_a_wide_measurement() -> None:
    pulses = open_pulses(data_folder() / "measured" / "reference_wide.csv")
    assert pulses.sizes == {"pattern": 508, "word_line": 16}


def test_pulses_of_a_netcdf_measurement() -> None:
    pulses = open_pulses(data_folder() / "measured" / "reference.nc")
    assert pulses.pulse_width.identical(example_chip().pulse_width)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t0,t1\n1,2\n", "expected its unit"),
        ("t0 [ns],t2 [ns]\n1,2\n", "got no column 't1'"),
        ("t0 [ns],u1\n1,2\n", "column 'u1'"),
        ("kind\nrandom\n", "got no column 't0'"),
        ("t0 t1\n1 2\n", "separated by commas, semicolons or tabs"),
    ],
)
def test_fault_of_a_pulse_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pulses.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        open_pulses(path)
