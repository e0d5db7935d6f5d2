"""Every notebook runs from top to bottom, in a fresh kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The other one runs where it belongs, in JupyterLab.
IN_JUPYTERLAB = "06_dashboard_in_a_notebook"
NOTEBOOKS = [
    path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if path.stem != IN_JUPYTERLAB
]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_stays_without_output(notebook: Path) -> None:
    before = notebook.read_bytes()
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=300", "-q",
            "-p", "no:cacheprovider", "-p", "no:xdist", str(notebook),
        ],
        cwd=ROOT,
        # The kernel finds the packages of this checkout, wherever the test runs.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert notebook.read_bytes() == before
