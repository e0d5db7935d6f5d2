"""The command line's frame: exit codes, one-line errors, help, a real process."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analog_model.cli import app, output
from analog_model.version import __version__
from dashboard.app import Serving


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_line(stderr: str) -> str:
    (line,) = stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_version() -> None:
    done = run("--version")
    assert (done.exit_code, done.stdout) == (0, f"analog-model {__version__}\n")


def test_every_command_has_help() -> None:
    for command in ("info", "import", "simulate", "calibrate", "extract", "dashboard"):
        done = run(command, "--help")
        assert done.exit_code == 0
        assert "Usage: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inof"], "Did you mean 'info'?"),
        (["info", "--jsn"], "--json"),
        (["info", "nowhere.nc"], "nowhere.nc: expected a file, got no such file"),
        (["info", "referense"], "Did you mean 'reference'?"),
        (["import", "a.csv"], "Missing argument 'destination'"),
        (["simulate", "reference", "--method", "slot"], "Did you mean 'slots'?"),
        (["simulate", "reference", "--effects", "crostalk"], "Did you mean 'crosstalk'?"),
        (["simulate", "reference", "--weight-set", "7"], "expected one of 0, 1, got 7"),
        (["simulate", "reference", "--output", "x.txt"], "ends in .nc or .csv"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\nnothing", b"a: [1", b"\xff\xfe\x00"])
@pytest.mark.parametrize("name", ["broken.yaml", "broken.nc", "broken.csv"])
def test_broken_files_are_bad_input(tmp_path: Path, name: str, content: bytes) -> None:
    broken = tmp_path / name
    broken.write_bytes(content)
    done = run("info", broken)
    assert done.exit_code == 2
    one_line(done.stderr)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "chip.nc"), "No space left"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero (a defect"),
    ],
)
def test_a_failed_run_is_one_line_and_code_1(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("analog_model.cli.sources.read_measurement", fail)
    done = run("info")
    assert done.exit_code == 1
    assert said in one_line(done.stderr)


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("analog_model.cli.sources.read_measurement", fail)
    done = run("--debug", "info")
    assert done.exit_code == 1
    assert 'raise ZeroDivisionError("division by zero")' in done.stderr


def test_a_real_process(tmp_path: Path) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "analog-model"), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    good = call("info", "reference")
    assert good.returncode == 0
    assert "16 word lines x 16 bit lines" in good.stdout
    assert good.stderr == ""
    bad = call("info", "missing.nc")
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert "Traceback" not in one_line(bad.stderr)


def test_dashboard_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def serve(**options: object) -> None:
        seen.update(options)

    monkeypatch.setattr("dashboard.app.serve", serve)
    done = run("dashboard", "--port", "0", "--no-open")
    assert done.exit_code == 0, done.stderr
    assert seen == {
        "host": "127.0.0.1",
        "port": 0,
        "open_browser": False,
        "allow_websocket_origin": None,
        "serving": Serving(),
        "log_level": "WARNING",
    }


def test_dashboard_without_its_libraries_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "dashboard.app", raising=False)
    monkeypatch.setitem(sys.modules, "panel", None)
    done = run("dashboard")
    assert done.exit_code == 2
    assert "pip install 'analog-model[dashboard]'" in one_line(done.stderr)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.24e-6, "s", "1.24 us"),
        (-3.5e-14, "C", "-35 fC"),
        (0.0, "A", "0 A"),
        (2.0, "V", "2 V"),
        (9.9999e-10, "A", "1000 pA"),
        (4.2e-18, "C", "0.0042 fC"),
    ],
)
def test_units_carry_a_prefix(value: float, unit: str, text: str) -> None:
    assert output.in_unit(value, unit) == text


def test_json_has_no_infinity() -> None:
    assert output.plain({"ratio": float("inf"), "n": [1, 2.5]}) == {"ratio": None, "n": [1, 2.5]}
