"""Every notebook runs from top to bottom, in a fresh kernel."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

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
    """A cell that raises is an error here, its traceback the message."""
    before = notebook.read_bytes()
    read = nbformat.reads(before.decode("utf-8"), as_version=4)
    folder = {"metadata": {"path": str(notebook.parent)}}
    # The kernel finds the packages of this checkout, wherever the test runs.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    NotebookClient(read, timeout=300, resources=folder).execute(env=environment)
    code = [cell for cell in read.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)
    assert notebook.read_bytes() == before
