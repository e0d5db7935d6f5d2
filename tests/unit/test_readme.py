"""The README: its Python runs, its commands work, its make targets and paths exist."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import analog_model as am
from analog_model.cli import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_python_example_runs_and_shows_a_gain(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    printed = dict(re.findall(r"^ *(\w+): .*\((\d+\.\d) dB\)$", capsys.readouterr().out, re.M))
    assert set(printed) == {"ideal", "simulated"}
    # What the text claims: the model explains a good part of the chip's error.
    assert float(printed["simulated"]) > float(printed["ideal"]) + 6
    assert names["wider"].pulse.alignment == "centred"
    assert set(names["without_drop"].effects) <= {"crosstalk"}


def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "data/measured/reference_wide.csv", "lab.csv")
    Path("chip.yaml").write_text(am.starting_chip(am.example_chip()).to_yaml(), encoding="utf-8")
    header = ",".join(f"t{j} [ns]" for j in range(16))
    Path("patterns.csv").write_text(f"{header}\n{','.join(['40'] * 16)}\n", encoding="utf-8")
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True) for line in lines if "analog-model" in line]
    commands = [words for words in commands if words[:1] == ["analog-model"]]
    assert {words[1] for words in commands} == {"info", "import", "simulate", "dashboard"}
    for words in commands:
        if words[1] != "dashboard":
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{words}: {done.stderr}"


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
