"""The README: its Python runs, its commands work, its make targets and paths exist."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import analog_model as am
from analog_model.calibration.result import model_report
from analog_model.cli import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README's commands read."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copy(ROOT / "data/measured/reference_wide.csv", path / "lab.csv")
    chip = am.starting_chip(am.example_chip()).to_yaml()
    (path / "chip.yaml").write_text(chip, encoding="utf-8")
    header = ",".join(f"t{j} [ns]" for j in range(16))
    row = ",".join(["40"] * 16)
    (path / "patterns.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def commands(folder: Path) -> Iterator[list[list[str]]]:
    """The README's commands, run in their order; one calibration serves every test."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    found = [shlex.split(line, comments=True) for line in lines if "analog-model" in line]
    found = [words for words in found if words[:1] == ["analog-model"]]
    with contextlib.chdir(folder):
        for words in found:
            if words[1] != "dashboard":
                done = CliRunner().invoke(app, words[1:])
                assert done.exit_code == 0, f"{words}: {done.stderr}"
        yield found


def test_the_commands_run(commands: list[list[str]]) -> None:
    assert {words[1] for words in commands} == {
        *("info", "import", "simulate", "calibrate", "extract", "dashboard")
    }


@pytest.mark.usefixtures("commands")
def test_the_python_example_runs_and_shows_a_gain(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    torch.manual_seed(0)  # of the network's weights, of the images
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    printed = dict(re.findall(r"^ *(\w+): .*\((\d+\.\d) dB\)$", capsys.readouterr().out, re.M))
    assert set(printed) == {"ideal", "simulated"}
    # What the text claims: the model explains a good part of the chip's error.
    assert float(printed["simulated"]) > float(printed["ideal"]) + 6
    assert names["wider"].pulse.alignment == "centred"
    assert set(names["without_drop"].effects) <= {"crosstalk"}
    assert names["other"].effects == names["calibration"].chip.effects
    # Five layers on arrays, each within its tolerance; every weight has its place, a gradient.
    assert {one.computed for one in names["report"]} == {"analog"}
    assert [one.error < 3e-3 for one in names["report"]] == [True] * 5
    assert len(names["cells"].cell) == 2 * 61_470
    assert all(one.grad.abs().sum() > 0 for one in names["network"].parameters())


# Row of the README's table -> model of the report.
ROWS = {
    "ideal, one-hot weights": "ideal",
    "ideal, weights refitted": "ideal_refit",
    "crosstalk by layout class": "crosstalk",
    "+ strong cells feel less": "crosstalk_ekv",
    "+ dead time": "dead_time",
    "+ drop": "drop",
    "full, single cells too": "full",
}


@pytest.mark.usefixtures("commands")
def test_the_calibration_table_is_what_calibrate_finds(folder: Path) -> None:
    """Every ratio of the table within 2 %, every decibel that of its ratio."""
    calibration = am.open_calibration(folder / "calibrated.nc")
    report = calibration.report()
    second = am.example_chip()["cell_current"].values[1]
    chips = {"other": calibration.chip.with_weights(second)}
    carried = model_report(chips, calibration.measurement, 1)
    text = README.partition("<!-- calibration table -->")[2].partition("<!-- /calibration")[0]
    table = {
        cells[0]: cells[1:]
        for line in text.strip().splitlines()[2:]
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert list(table) == [*ROWS, "what the read noise allows", "other weights, not refitted"]
    for name, cells in table.items():
        found = (
            carried.sel(model="other")
            if name.startswith("other")
            else report.sel(model=ROWS.get(name, "full"))
        )
        variable = "ceiling" if name.startswith("what") else "signal_to_error_ratio"
        for kind, cell in zip(("random", "sparse", "binary"), cells, strict=False):
            ratio, decibel = map(float, re.fullmatch(r"([\d.]+) \(([\d.]+) dB\)", cell).groups())
            assert found[variable].sel(split="test", kind=kind).item() == pytest.approx(
                ratio, rel=0.02
            ), (name, kind)
            assert decibel == pytest.approx(am.decibel(ratio), abs=0.08)
        if cells[3]:
            chi_square = found["chi_square"].sel(split="test", kind="all").item()
            assert float(cells[3]) == pytest.approx(chi_square, rel=0.05), name


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(
        re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)
    )
    assert {"dashboard", "test"} <= named <= targets


def test_every_path_named_exists() -> None:
    named = re.findall(r"`((?:analog_model|dashboard|notebooks|data|tests)/[^` *]*)`", README)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_it_leads_with_the_two_commands() -> None:
    assert README.splitlines()[2:5] == [
        "```sh",
        "make dashboard   # set up, then open the dashboard on the bundled chip",
        "make test        # set up, then run every test",
    ]
