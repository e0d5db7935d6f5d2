"""The command `deploy`, on runs of a moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import analog_model as am
from analog_model.cli import app
from tests.deployed import deployable_chip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float run, one on a chip, the chip, ones with three, ten times its coupling."""
    made = tmp_path_factory.mktemp("deploy")
    # Crosstalk alone, which the closed form settles fastest.
    chip = deployable_chip(16, 16, bit_line=am.BitLine())
    assert isinstance(chip.coupling, am.CouplingByClass)
    for name, factor in (("chip", 1), ("harsh", 3), ("harshest", 10)):
        coupling = chip.coupling.replace(kappa=factor * chip.coupling.kappa)
        (made / f"{name}.yaml").write_text(chip.replace(coupling=coupling).to_yaml())
    changes = {"epochs": 1, "threads": 1}
    am.nn.train(am.nn.recipe("mlp_4x4", changes=changes), run_directory=made / "float")
    on_chip = am.nn.recipe("mlp_4x4", mode="hardware_aware", changes=changes)
    am.nn.train(on_chip, run_directory=made / "aware", start=made / "float", chip=chip)
    return made


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["deploy", *map(str, arguments)])


def results(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_float_run_goes_onto_a_chip(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    options = ("--chips", 2, "--images", 200, "--kappa-mismatch", 0, "--programming-error", 0.3)
    facts = results(folder / "float", "--chip", folder / "chip.yaml", "--to", to, *options)
    found = am.open_deployment(to)
    assert facts["arrays"] == 4
    assert facts["placement"] == list(found.sentences())
    assert facts["accuracy"]["images"] == 200
    assert facts["accuracy"]["chips"] == found.accuracy["accuracy"].values.tolist()
    assert facts["accuracy"]["digital"] > 0.3
    of_layers = sum(layer["energy"] for layer in facts["layers"])
    assert facts["energy"] == pytest.approx(of_layers, rel=1e-9, abs=0)
    assert facts["latency"] == pytest.approx(float(found.cost["latency"].sum()), abs=0)
    assert facts["programming"]["residual"] < 0.01 < facts["programming"]["first_residual"]
    assert any("misses by 0.3 of its step" in one for one in facts["assumptions"])
    assert any("assumed, not measured" in one for one in facts["assumptions"])

    again = run(folder / "float", "--chip", folder / "chip.yaml", "--to", to)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    printed = run(folder / "float", "--chip", folder / "chip.yaml", "--to", to, *options, "--force")
    assert printed.exit_code == 0, printed.stderr
    for expected in ("4 arrays in all", "before conversion", "assumed, not measured", "pJ"):
        assert expected in " ".join(printed.stdout.split()), expected


def test_a_run_on_a_chip_goes_onto_its_own_or_another(folder: Path, tmp_path: Path) -> None:
    options = ("--chips", 1, "--images", 300)
    reading = ("--reading", "in_context", "--iterations", 2)
    own = results(folder / "aware", "--to", tmp_path / "own", *options, *reading)
    other = results(
        folder / "aware", "--chip", folder / "harsh.yaml", "--to", tmp_path / "other", *options
    )
    assert any("by the reading 'in_context'" in one for one in own["assumptions"])
    assert own["programming"]["iterations"] == 2
    assert own["accuracy"]["digital"] is None
    assert own["chip"] == other["chip"] == "physical"
    first, second = (am.open_deployment(tmp_path / name) for name in ("own", "other"))
    # The same weights on other physics: same targets, other outputs.
    assert first.arrays.equals(second.arrays)
    assert first.chip != second.chip
    assert own["accuracy"]["flawless"] != other["accuracy"]["flawless"]


def test_strong_couplings_need_a_wider_tolerance(folder: Path, tmp_path: Path) -> None:
    options = ("--chip", folder / "harshest.yaml", "--to", tmp_path / "out", "--chips", 1)
    refused = run(folder / "float", *options, "--images", 100)
    assert refused.exit_code == 2
    assert "option --tolerance: expected a closed form within 0.001 of the" in refused.stderr
    facts = results(folder / "float", *options, "--images", 100, "--tolerance", 0.05)
    assert facts["accuracy"]["images"] == 100


def test_cells_are_written_to_a_tolerance_of_their_own(folder: Path, tmp_path: Path) -> None:
    options = ("--chips", 1, "--images", 100, "--programming-error", 0.3, "--iterations", 20)
    coarse, fine = (
        results(folder / "aware", "--to", tmp_path / name, *options, "--cell-tolerance", tolerance)
        for name, tolerance in (("coarse", 0.05), ("fine", 0.002))
    )
    assert fine["programming"]["residual"] < 0.002 < coarse["programming"]["residual"]
    assert fine["programming"]["iterations"] > coarse["programming"]["iterations"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("float",), "mode 'float' trained on none"),
        (("nowhere",), "the directory of a training run"),
        (("aware", "--arrays", "2"), "expected 4 arrays"),
        (("aware", "--images", "2000"), "1 to 1000"),
        (("aware", "--reading", "one_hot"), "WriteVerify.reading"),
        (("aware", "--array-shape", "16"), "WORDLINESxBITLINES"),
        (("aware", "--tolerance", "2"), "option --tolerance: expected less than 1"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    name, *options = arguments
    done = run(folder / name, "--to", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_chip_without_pulse_codes_asks_for_the_window(folder: Path, tmp_path: Path) -> None:
    uncoded = deployable_chip(16, 16, pulse=am.Pulse(dead_time=2e-9)).to_yaml()
    (tmp_path / "chip.yaml").write_text(uncoded)
    done = run(folder / "float", "--chip", tmp_path / "chip.yaml", "--to", tmp_path / "out")
    assert done.exit_code == 2
    assert "option --window: expected the widest pulse" in done.stderr
    assert done.stderr.rstrip().endswith("Give --window.")
