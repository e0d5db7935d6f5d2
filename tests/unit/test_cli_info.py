"""The command `info`, against the bundled file read without the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from analog_model import Chip, Layout
from analog_model.cli import app

REFERENCE = Path(__file__).resolve().parents[2] / "data/measured/reference.nc"


def info(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["info", *map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    with h5py.File(REFERENCE) as file:
        return {
            name: file[name][()] if file[name].dtype.kind != "O" else file[name].asstr()[()]
            for name in (
                *("pulse_width", "charge", "cell_current"),
                *("kind", "split", "weight_set_of_pattern"),
            )
        }


def test_counts_by_kind_and_split(raw: dict[str, Any]) -> None:
    groups = json.loads(info("reference", "--json"))["patterns"]
    counted = {(g["kind"], g["split"]): g["count"] for g in groups if g["kind"] != "all"}
    expected: dict[tuple[str, str], int] = {}
    for pair in zip(raw["kind"].tolist(), raw["split"].tolist(), strict=True):
        expected[pair] = expected.get(pair, 0) + 1
    assert counted == expected
    assert sum(counted.values()) == 708


def test_the_ideal_product_is_judged_under_each_patterns_own_weights(raw: dict[str, Any]) -> None:
    weights = raw["cell_current"][raw["weight_set_of_pattern"]]
    ideal = np.einsum("pj,pji->pi", raw["pulse_width"], weights)
    test = raw["split"] == "test"
    error = raw["charge"][test] - ideal[test]
    expected = np.sqrt(np.mean(raw["charge"][test] ** 2) / np.mean(error**2))
    groups = json.loads(info("reference", "--json"))["patterns"]
    (all_test,) = [g for g in groups if (g["kind"], g["split"]) == ("all", "test")]
    assert all_test["ideal_signal_to_error_ratio"] == pytest.approx(expected, rel=1e-12)
    assert all_test["ideal_decibel"] == pytest.approx(20 * np.log10(expected), rel=1e-12)


def test_calibration_and_test_patterns_are_never_pooled() -> None:
    groups = json.loads(info("reference", "--json"))["patterns"]
    assert {group["split"] for group in groups} == {"calibration", "test"}


def test_a_path_and_a_bundled_name_say_the_same() -> None:
    assert (
        json.loads(info(REFERENCE, "--json"))["fingerprint"]
        == (json.loads(info("--json"))["fingerprint"])
    )


def test_the_table_names_origin_and_units() -> None:
    text = " ".join(info("reference").split())
    assert "not silicon" in text
    assert "pulse lsb 40 ns" in text
    assert "SER of the ideal product" in text


def test_a_file_without_currents_or_labels(tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("t0 [ns],t1 [ns],q0 [fC]\n10,0,3\n0,10,4\n")
    (group,) = [g for g in json.loads(info(bare, "--json"))["patterns"] if g["kind"] == "all"]
    assert group == {"kind": "all", "split": None, "count": 2}
    assert "SER" not in info(bare)


def test_a_chip_file(tmp_path: Path) -> None:
    chip = Chip(
        name="two by three",
        cell_current=np.array([[1e-9, 2e-9, 3e-9], [4e-9, 5e-9, 6e-9]]),
        layout=Layout.uniform(2, 3),
    )
    path = tmp_path / "chip.yaml"
    path.write_text(chip.to_yaml())
    facts = json.loads(info(path, "--json"))
    assert facts["sizes"] == {"word_line": 2, "bit_line": 3}
    assert facts["effects"] == []
    assert facts["cell_current"] == {"smallest": 1e-9, "largest": 6e-9, "units": "A"}
    assert facts["fingerprint"] == chip.fingerprint()
    assert "1 nA to 6 nA" in info(path)
