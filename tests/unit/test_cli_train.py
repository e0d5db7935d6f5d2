"""The commands `train` and `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import analog_model as am
from analog_model.cli import app
from tests.training_runs import QUICK, harsh_chip


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with options, a chip, a finished float run."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "options.yaml").write_text(yaml.safe_dump(QUICK))
    (folder / "chip.yaml").write_text(harsh_chip().to_yaml())
    done = run(
        *("train", "mlp_4x4", "--options", folder / "options.yaml", "--epochs", 2),
        *("--run", folder / "float", "--json"),
    )
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    record = am.nn.open_record(folder / "float" / "record.nc")
    assert facts["accuracy"] == float(record["accuracy"])
    # An option goes before the file, the file before the recipe.
    assert (facts["epochs"], facts["steps"], facts["images"]) == (2, 78, "mnist_5k")
    return folder


def test_a_network_is_trained_for_a_chip_and_judged(folder: Path) -> None:
    options = yaml.safe_dump(
        {**QUICK, "epochs": 1, "layer": {"tolerance": 0.3, "readout_bits": 10}}
    )
    (folder / "retraining.yaml").write_text(options)
    done = run(
        *("train", "mlp_4x4", "--mode", "hardware-aware", "--from", folder / "float"),
        *("--chip", folder / "chip.yaml", "--array-shape", "16x12", "--chips", 2),
        *("--options", folder / "retraining.yaml", "--run", folder / "aware"),
        *("--tolerance", 0.01),
    )
    assert done.exit_code == 0, done.stderr
    assert "hardware-aware training of mlp_4x4" in done.stdout
    assert "mnist_5k, 1000 of them the test part" in done.stdout
    configuration = yaml.safe_load((folder / "aware" / "configuration.yaml").read_text())
    assert configuration["array_shape"] == [16, 12]
    assert configuration["variation"]["n_chips"] == 2
    layer = configuration["layer"]
    assert (layer["tolerance"], layer["readout_bits"]) == (0.01, 10)
    record = am.nn.open_record(folder / "aware" / "record.nc")
    written = folder / "judged.nc"
    judged = run(
        *("evaluate", folder / "aware", "--chip", folder / "chip.yaml", "--chips", 2),
        *("--json", "--output", written),
    )
    assert judged.exit_code == 0, judged.stderr
    facts = json.loads(judged.stdout)
    assert facts["accuracy"] == float(record["accuracy"])
    assert facts["chips"]["count"] == 2
    assert [one["layer"] for one in facts["layers"]] == ["1", "3"]
    assert written.exists()
    plain = run("evaluate", folder / "float")
    assert plain.exit_code == 0, plain.stderr
    assert "as trained" in plain.stdout
    again = run("train", "--resume", folder / "aware", "--json")
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["accuracy"] == facts["accuracy"]


def test_a_stopped_run_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analog_model.nn.training.stop_request import StopRequest

    # As if the signal came before the first step.
    monkeypatch.setattr(StopRequest, "install", lambda self: setattr(self, "asked", True))
    options = ("--options", folder / "options.yaml", "--run", folder / "stopped")
    done = run("train", "mlp_4x4", *options, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "stopped after 1 steps; go on with: analog-model train --resume" in done.stderr
    assert not (folder / "stopped" / "record.nc").exists()
    monkeypatch.undo()
    assert run("train", "--resume", folder / "stopped").exit_code == 0


def test_a_chip_whose_cells_differ_needs_a_wider_tolerance(folder: Path) -> None:
    judging = ("evaluate", folder / "float", "--chip", folder / "chip.yaml", "--chips", 2)
    refused = run(*judging, "--mismatch", 0.1)
    assert refused.exit_code == 2
    told = one_line(refused.stderr)
    assert "option --tolerance: expected a closed form within 0.001 of the slot simulation" in told
    assert told.endswith("Give a larger --tolerance.")
    done = run(*judging, "--mismatch", 0.1, "--tolerance", 0.05, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["chips"]["count"] == 2


def test_one_other_chip_is_told_as_several_are(folder: Path) -> None:
    """Their spread apart, which one chip does not have."""
    judging = ("evaluate", folder / "float", "--chip", folder / "chip.yaml", "--chips", 1)
    done = run(*judging, "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)["chips"]
    assert (facts["count"], facts["spread"], facts["lowest"]) == (1, None, facts["mean"])
    printed = run(*judging)
    assert f"on 1 other chip {facts['mean']:.2%}" in one_line(printed.stdout)


def test_a_training_out_of_the_tolerances_reach_names_the_option(
    folder: Path, tmp_path: Path
) -> None:
    training = ("train", "mlp_4x4", "--mode", "hardware-aware", "--from", folder / "float")
    done = run(
        *(*training, "--chip", folder / "chip.yaml", "--options", folder / "options.yaml"),
        *("--tolerance", 1e-12, "--run", tmp_path / "run"),
    )
    assert done.exit_code == 2
    assert "layer '1': option --tolerance: expected a closed form" in one_line(done.stderr)


def test_a_setting_of_a_file_keeps_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "options.yaml").write_text(yaml.safe_dump({"layer": {"tolerance": 2.0}}))
    done = run("train", "lenet5", "--options", tmp_path / "options.yaml")
    assert done.exit_code == 2
    assert "LayerConfiguration.tolerance: expected" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "argument NETWORK: expected a network, or --resume"),
        (["train", "lenet"], "Did you mean 'lenet5'?"),
        (["train", "lenet5", "--mode", "hardware"], "Did you mean 'hardware-aware'?"),
        (["train", "lenet5", "--mode", "noise", "--chip", "{}/chip.yaml"], "trains on no chip"),
        (["train", "lenet5", "--mode", "hardware-aware"], "train.chip: expected one"),
        (["train", "lenet5", "--array-shape", "16"], "WORDLINESxBITLINES"),
        (["train", "lenet5", "--resume", "{}/float"], "none with --resume"),
        (["train", "--resume", "{}/float", "--epochs", "3"], "option --epochs: expected none"),
        (["train", "lenet5", "--tolerance", "2"], "option --tolerance: expected less than 1"),
        (["train", "--resume", "{}/nothing"], "the directory of a training run"),
        (["train", "mlp_4x4", "--run", "{}/float"], "a name that is not taken, got a run"),
        (["train", "mlp_4x4", "--options", "{}/chip.yaml"], "TrainingConfiguration.name"),
        (
            ["train", "lenet5", "--images", "mnist", "--data-dir", "{}", "--no-download"],
            "allow the download. The images mnist_5k need none.",
        ),
        (["evaluate", "{}/float", "--chips", "3"], "expected --chip, whose kind they are"),
        (["evaluate", "{}/nothing"], "the directory of a training run"),
    ],
)
def test_bad_input_is_told_in_one_line(
    folder: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ANALOG_MODEL_DATA", raising=False)
    done = run(*[argument.format(folder) for argument in arguments])
    assert done.exit_code == 2, done.stdout + done.stderr
    assert message in one_line(done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
