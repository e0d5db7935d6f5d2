"""The command `figure`: every figure of the catalogue from a file, what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import analog_model as am
from analog_model.cli import app
from analog_model.dataset.examples import data_folder
from analog_model.deployment.files import save_deployment
from analog_model.figures import crosstalk, story
from analog_model.figures.catalogue.entries import CATALOGUE, STORY
from analog_model.figures.paper import save_figure
from analog_model.nn.training.record import record_of, save_record
from tests.deployed import deployable_chip, deployed, exact, perceptron
from tests.printed_page import type_sizes
from tests.unit.test_cli_calibrate import planted

RESULTS = str(data_folder() / "results" / "recovery.nc")


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["figure", *map(str, arguments)])


def refused(*arguments: object) -> str:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return str(line)


def write_record(path: Path, *, mode: str = "float", images: str = "mnist_5k") -> None:
    """Record of a run of two epochs, a step each; nine of ten test images are right."""
    steps = [
        {"event": "step", "step": k, "loss": 2.0 / k, "accuracy": 0.5, "learning_rate": 0.1}
        for k in (1, 2)
    ]
    names = ("train_loss", "train_accuracy", "loss", "accuracy", "wall_time", "cpu_time")
    epochs = [{"event": "epoch", "epoch": k} | dict.fromkeys(names, 0.5 + 0.1 * k) for k in (0, 1)]
    attrs = {"network": "mlp_4x4", "mode": mode, "images": images, "evaluated_on": "test"}
    record = record_of(
        [*steps, *epochs],
        confusion=np.array([[5, 0], [1, 4]]),
        class_names=("0", "1"),
        attrs=attrs,
    )
    save_record(record, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of every kind that figures are made from."""
    path = tmp_path_factory.mktemp("figures")
    calibration = am.calibrate(planted())
    am.save_calibration(calibration, path / "calibration.nc")
    (path / "chip.yaml").write_text(calibration.chip.to_yaml(), encoding="utf-8")
    digital, inputs = perceptron()
    chip = deployable_chip()
    network = am.nn.convert(digital, chip, configuration=exact(), calibration_data=inputs)
    save_deployment(deployed(network.eval(), inputs, chip), path / "deployment")
    swept = am.sweep(chip, over={"coupling_scale": [0.0, 1.0]}, workers=1)
    am.save_sweep(swept, path / "sweep.nc")
    write_record(path / "float.nc")
    (path / "aware").mkdir()
    write_record(path / "aware" / "record.nc", mode="hardware_aware")
    return path


# What every figure is drawn from here: the poorest source that suffices.
SOURCES = {
    "calibration": ["calibration.nc"],
    "measurement": ["reference"],
    "chip": ["chip.yaml"],
    "layout": ["routed_feeders"],
    "record": ["float.nc", "aware"],
    "accuracy": [RESULTS],
    "deployment": ["deployment"],
    "sweep": ["sweep.nc"],
}


@pytest.mark.parametrize("need", SOURCES)
def test_every_figure_is_drawn_from_the_poorest_source(
    need: str, folder: Path, tmp_path: Path
) -> None:
    entries = [entry for entry in CATALOGUE.values() if entry.need == need]
    names = [entry.name for entry in entries]
    files = [folder / name if (folder / name).exists() else name for name in SOURCES[need]]
    options = [part for file in files for part in ("--from", file)]
    written = []
    # Several layers do not go into one figure.
    for choice in ((), ("--layer", "0")):
        asked = [one.name for one in entries if ("layer" in one.choices) == bool(choice)]
        if asked:
            to = tmp_path if len(asked) > 1 else tmp_path / f"{asked[0]}.pdf"
            done = run(*asked, *options, *choice, "--to", to, "--json")
            assert done.exit_code == 0, done.stderr
            written += json.loads(done.stdout)["written"]
    assert sorted(written) == sorted(str(tmp_path / f"{name}.pdf") for name in names)
    for name in written:
        assert Path(name).read_bytes().startswith(b"%PDF-")
        assert type_sizes(Path(name).read_bytes())


def test_the_list_has_every_figure_with_the_story() -> None:
    listed = json.loads(run("--list", "--json").stdout)
    assert [one["name"] for one in listed["figures"]] == list(CATALOGUE)
    assert set(STORY) <= set(CATALOGUE)
    assert {entry.need for entry in CATALOGUE.values()} == set(SOURCES)
    widths = {one["name"]: one["width"] for one in listed["presets"]}
    assert widths["nature_one_column"] == pytest.approx(0.089)
    assert "ser-ladder: story 4" in run("--list").stdout


def test_a_file_is_what_the_library_draws(folder: Path, tmp_path: Path) -> None:
    done = run(
        "slots", "--from", folder / "calibration.nc", "--to", tmp_path / "a.pdf",
        "--bit-line", 2, "--pattern", 3, "--preset", "slides", "--height", 0.1,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    calibration = am.open_calibration(folder / "calibration.nc")
    width = calibration.measurement.pulse_width.values[3]
    figure = story.slots_figure(calibration.chip, width, bit_line=2)
    target = io.BytesIO()
    save_figure(figure, target, format="pdf", preset="slides", height=0.1)
    assert (tmp_path / "a.pdf").read_bytes() == target.getvalue()


def test_a_layout_is_drawn_from_its_map(tmp_path: Path) -> None:
    """A map's classes as the chip of the same layout has them."""
    done = run("layout-classes", "--from", "uniform", "--to", tmp_path / "a.svg")
    assert done.exit_code == 0, done.stderr
    chip = am.synthetic_chip(16, 16, layout_rule="uniform")
    target = io.BytesIO()
    figure = crosstalk.layout_map(story.class_map(chip), chip.layout.class_names)
    save_figure(figure, target, format="svg")
    assert (tmp_path / "a.svg").read_bytes() == target.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ser-lader", "--from", "reference", "--to", "a.pdf"], "Did you mean 'ser-ladder'?"),
        (
            ["ser-ladder", "--from", "reference", "--to", "a.pdf"],
            "expected a calibration, got a measurement. `analog-model calibrate` writes one",
        ),
        (
            ["accuracy", "--from", "chip.yaml", "--to", "a.pdf"],
            "records of training runs or the file",
        ),
        (["weights", "--from", "chip.yaml", "--to", "a.jpg"], "expected pdf, svg or png"),
        (["weights", "--from", "chip.yaml", "--to", "no/a.pdf"], "an existing folder"),
        (["weights", "--from", "chip.yaml", "--to", "chip.yaml"], "expected pdf, svg or png"),
        (["weights", "drop", "--from", "chip.yaml", "--to", "a.pdf"], "a folder for several"),
        (["weights", "--from", "chip.yaml"], "option --to: expected a value, got none"),
        (["weights", "--from", "chip.yaml", "--to", "a.pdf", "--kind", "pair"], "(weight_set)"),
        (
            ["weights", "--from", "chip.yaml", "--to", "a.pdf", "--preset", "ieee_two_column"],
            "Did you mean 'ieee_two_columns'?",
        ),
        (
            ["drop", "--from", "chip.yaml", "--to", "a.pdf", "--time-slot", "99"],
            "time_slot: expected 0 to",
        ),
        (["pulses", "--from", "chip.yaml", "--to", "a.pdf", "--pattern", "1"], "a chip alone"),
        (
            ["drop", "--from", "chip.yaml", "--from", "reference", "--to", "a.pdf"],
            "figure 'drop': expected one file, got 2",
        ),
        (
            ["weights", "--from", "chip.yaml", "--from", "float.nc", "--to", "a.pdf"],
            "figure 'weights' from float.nc: expected a chip",
        ),
        (["weights", "--from", "chip.nc", "--to", "a.pdf"], "chip.nc: expected a file"),
        (["accuracy", "--from", ".", "--to", "a.pdf"], "folder of a finished run"),
        (
            ["accuracy", "--from", "float.nc", "--from", RESULTS, "--to", "a.pdf"],
            "2 files with a recovery among them",
        ),
        (["layer-signs", "--from", "deployment", "--to", "a.pdf"], "the name of one layer"),
        (["charges", "--from", "reference", "--to", "a.pdf", "--model", "fall"], "'full'?"),
    ],
)
def test_what_cannot_be_drawn_is_explained(
    arguments: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert said in refused(*arguments)
    assert not (folder / "a.pdf").exists()


def test_a_file_is_only_replaced_with_force(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"mine")
    arguments = ("weights", "--from", folder / "chip.yaml", "--to", target)
    assert "replace it with --force" in refused(*arguments)
    assert target.read_bytes() == b"mine"
    assert run(*arguments, "--force").exit_code == 0
    assert target.read_bytes().startswith(b"\x89PNG")
