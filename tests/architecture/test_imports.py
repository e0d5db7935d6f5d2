"""The direction of imports (pyproject.toml, [tool.importlinter]), and what importing costs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the checkout on the packages under `root`."""
    config = ROOT / "pyproject.toml"
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--config",
            str(config),
            "--no-cache",
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_contracts_hold() -> None:
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("vocabulary.py", "import analog_model.dataset.io", "point downward"),
        ("physics/__init__.py", "import xarray", "labelled arrays"),
        ("dataset/io.py", "from dashboard import app", "imports the dashboard"),
        ("simulation.py", "def late():\n    import holoviews", "Plots are drawn"),
        ("brand_new.py", "", "point downward"),
    ],
)
def test_a_wrong_import_is_caught(tmp_path: Path, module: str, line: str, broken: str) -> None:
    for package in ("analog_model", "dashboard"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    target = tmp_path / "analog_model" / module
    source = target.read_text(encoding="utf-8") if target.exists() else '"""Text."""\n'
    target.write_text(f"{source}\n{line}\n", encoding="utf-8")
    checked = lint_imports(tmp_path)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert broken in checked.stdout
    assert "BROKEN" in checked.stdout


def imported_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


HEAVY = {
    "panel",
    "panel_material_ui",
    "bokeh",
    "holoviews",
    "hvplot",
    "datashader",
    "matplotlib",
    "pytorch_lightning",
    "lightning",
    "dashboard",
}


@pytest.mark.parametrize(
    "statement",
    [
        "import analog_model",
        "import analog_model as am; am.open_measurement, am.Chip, am.simulate",
        "import analog_model as am; am.nn.convert, am.nn.TrainingConfiguration, am.nn.recipe",
        "import analog_model.cli",
    ],
)
def test_the_library_needs_no_dashboard(statement: str) -> None:
    assert imported_by(statement) & HEAVY == set()


def test_importing_executes_nothing() -> None:
    """The public names are lazy, so importing the package costs less than a second."""
    assert imported_by("import analog_model") & {"torch", "xarray", "scipy", "pydantic"} == set()


def test_every_public_name_resolves() -> None:
    import analog_model

    assert analog_model.__all__
    for name in analog_model.__all__:
        assert getattr(analog_model, name) is not None
    assert set(analog_model.__all__) <= set(dir(analog_model))
