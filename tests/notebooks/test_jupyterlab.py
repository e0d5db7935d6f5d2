"""The live views in JupyterLab, driven in a real Chromium that reaches this machine only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import TimeoutError as NotInTime
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "06_dashboard_in_a_notebook.ipynb"
CALIBRATION = "calibration.ipynb"
# Four bit lines of the bundled chip: enough for every model, done in seconds.
CALIBRATION_CELLS = (
    """import panel as pn
import analog_model as am
from dashboard import CalibrationView, State
pn.extension(inline=True)
measurement = am.example_chip("reference").isel(bit_line=slice(0, 4))
state = State.from_chip(am.starting_chip(measurement), measurement)""",
    "view = CalibrationView(state)\npn.Column(view, sizing_mode='stretch_width', height=640)",
)

TRAINING = "training.ipynb"
TRAINING_CELLS = (
    """import panel as pn
from dashboard import DeploymentView, DesignView, RetrainingView, RunsView, State, training_plan
from tests.dashboard.retraining_runs import short_recipe
training_plan.recipe = short_recipe  # before anything is planned
pn.extension(inline=True)
state = State(defences=["hardware_aware"], epochs=2)""",
    *(
        f"pn.Column({view}(state), sizing_mode='stretch_width', height=640)"
        for view in ("RetrainingView", "RunsView", "DeploymentView", "DesignView")
    ),
)


def notebook_of(cells: tuple[str, ...]) -> dict[str, Any]:
    """A notebook with these code cells, as JSON."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell{k}",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for k, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab that serves a copy of the notebook, and one of the test's own."""
    (tmp_path / "work").mkdir()
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path / "work")
    (tmp_path / "work" / CALIBRATION).write_text(json.dumps(notebook_of(CALIBRATION_CELLS)))
    (tmp_path / "work" / TRAINING).write_text(json.dumps(notebook_of(TRAINING_CELLS)))
    port = free_port()
    folders = ("config", "data", "runtime", "ipython")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            "--IdentityProvider.token=", "--ServerApp.password=",
            "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            f"--ServerApp.root_dir={tmp_path / 'work'}",
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ANALOG_MODEL_RUNS": str(tmp_path / "runs"),
            # A user's own settings must not decide what the test sees.
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(tmp_path / "data"),
            "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "config" / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "config" / "workspaces"),
            "IPYTHONDIR": str(tmp_path / folders[3]),
        },
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "lab.log").open("w"),
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, tmp_path / "lab.log")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2)
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
        else:
            return
    raise AssertionError(log.read_text())


# Every Bokeh document of the page, whichever copy of Bokeh drew it.
SUMMARY = """
() => {
  const found = [];
  const look = root => {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) look(element.shadowRoot);
    }
    for (const text of root.querySelectorAll('span')) {
      if (/dB · ×/.test(text.textContent)) found.push(text.textContent);
    }
  };
  look(document);
  return found[0] || '';
}
"""
CANVASES = """
() => {
  let count = 0;
  const look = root => {
    for (const element of root.querySelectorAll('*')) {
      if (element.tagName === 'CANVAS' && element.width > 100) count += 1;
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  look(document);
  return count;
}
"""


def wait_until(page: Any, condition: str) -> None:
    # Looking through every shadow root at each frame would leave no time for the kernel.
    page.wait_for_function(condition, timeout=120_000, polling=500)


# Pixels of the plots on screen.
PLOT = """
() => {
  const found = [];
  const look = root => {
    for (const element of root.querySelectorAll('*')) {
      if (element.tagName === 'CANVAS' && element.width > 250 && element.offsetParent)
        found.push(element);
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  look(document);
  return found.map(canvas => canvas.toDataURL()).join('');
}
"""


def run_all(page: Any, lab: str, notebook: str) -> list[str]:
    """Open a notebook, run its cells; the addresses outside the machine that it asks for."""
    outside: list[str] = []

    def only_here(route: Any) -> None:
        if route.request.url.startswith((lab, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    page.route("**/*", only_here)
    page.set_viewport_size({"width": 1400, "height": 1000})
    page.set_default_timeout(120_000)
    page.goto(f"{lab}/lab/tree/{notebook}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    # Before the kernel is there, JupyterLab would ask which one to run on.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    return outside


def run_below_last_cell(page: Any, code: str) -> None:
    """Insert a cell and run it, each key once the one before has had its effect."""
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    n_cells = cells.count()
    page.keyboard.press("Escape")
    cells.last.locator(".jp-InputPrompt").click()
    page.locator(".jp-Notebook.jp-mod-commandMode .jp-CodeCell.jp-mod-active").wait_for()
    page.keyboard.press("b")
    expect(cells).to_have_count(n_cells + 1)
    page.keyboard.press("Enter")
    page.locator(".jp-Notebook.jp-mod-editMode").wait_for()
    # In one go: typed key by key, JupyterLab would close brackets of its own.
    page.keyboard.insert_text(code)
    expect(cells.last.locator(".cm-content")).to_have_text(code)
    page.keyboard.press("Control+Enter")


def uncheck_until(page: Any, label: str, text: str) -> None:
    """Uncheck a box of the notebook until the kernel has written what follows from it.

    Panel's page holds an event back while the kernel has not acknowledged the one before;
    where that acknowledgement was lost, the next event sends both. So would a user click again.
    """
    box = page.get_by_label(label, exact=True).first
    for _ in range(6):
        box.uncheck()
        try:
            page.get_by_text(text).wait_for(timeout=10_000)
        except NotInTime:
            box.check()
        else:
            return
    raise AssertionError(f"the kernel never wrote {text!r}")


def press_until(button: Any, outcome: Any) -> None:
    """Press a button until what it begins has come; it cannot be pressed meanwhile.

    JupyterLab's page may hold a click back (`uncheck_until`): a second one sends both.
    """
    for _ in range(10):
        with contextlib.suppress(NotInTime):
            button.click(timeout=1000)
        with contextlib.suppress(NotInTime):
            outcome.wait_for(timeout=20_000)
            return
    raise AssertionError(f"{button} never led to {outcome}")


def calibrate_until_cancelled(page: Any) -> None:
    """Begin a calibration, cancel it; anew where the click came too late.

    JupyterLab's page may hold the click back (`uncheck_until`): a second one sends both.
    """
    begin = page.get_by_role("button", name="Calibrate", exact=True)
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    ended = page.get_by_text(re.compile(r"^(Cancelled\.|Done in \d+ s\.)$"))
    for _ in range(3):
        begin.click()
        page.get_by_text(re.compile("[1-9][0-9]? %")).first.wait_for()
        for _ in range(60):
            if ended.count():
                break
            # Between two looks the run may end, and the button with it. Beside other tests a
            # click takes its time.
            with contextlib.suppress(NotInTime):
                cancel.click(timeout=5000)
            page.wait_for_timeout(1000)
        if ended.inner_text() == "Cancelled.":
            return
    raise AssertionError("three calibrations ran to their ends, cancelled")


@pytest.mark.notebook
@pytest.mark.slow
def test_live_views_render_and_follow_the_state(lab: str, page: Any) -> None:
    outside = run_all(page, lab, NOTEBOOK)
    # The last cell shows the error page: its canvases and the ratio it states.
    wait_until(page, f"({SUMMARY})() !== ''")
    assert page.evaluate(CANVASES) >= 4
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert page.get_by_text("AssertionError").count() == 0

    # A cell hands over another chip, another comparison; the views above follow.
    before = page.evaluate(SUMMARY)
    assert re.fullmatch(r"26\.\d dB · ×2\d\.\d", before)
    run_below_last_cell(
        page, "state.show(chip, measurement); state.compared = 'measured_simulated'"
    )
    wait_until(page, f"({SUMMARY})().startsWith('44.')")

    # A click on a widget changes the chip in the kernel. The line above the page is written
    # there: once it has changed, the click has come, however busy the machine is.
    uncheck_until(page, "crosstalk", "largest kappa 0.000")
    run_below_last_cell(page, "'crosstalk' in chip.effects, 'crosstalk' in state.chip.effects")
    page.get_by_text("(True, False)").wait_for()
    # The page below follows: without crosstalk the simulation is the ideal product.
    wait_until(page, f"({SUMMARY})().startsWith('26.')")
    # A click in the page reaches the kernel, and the page follows.
    page.get_by_role("button", name="Calibration").last.click()
    wait_until(page, f"({SUMMARY})() !== '' && ({SUMMARY})() !== {before!r}")
    assert sorted(set(outside)) == []


@pytest.mark.notebook
@pytest.mark.slow
def test_a_calibration_runs_in_a_notebook(lab: str, page: Any) -> None:
    """Cancel one, see the other through; its plots follow clicks."""
    outside = run_all(page, lab, CALIBRATION)
    begin = page.get_by_role("button", name="Calibrate", exact=True)
    calibrate_until_cancelled(page)
    begin.click()
    page.wait_for_timeout(1000)
    empty = page.evaluate(PLOT)
    page.get_by_text(re.compile(r"^Done in \d+ s\.$")).wait_for()
    models = page.evaluate(PLOT)
    # The bars were drawn while the models came in.
    assert len(models) > len(empty) > 0
    page.get_by_role("button", name="Residuals", exact=True).click()
    page.get_by_label("Model").wait_for()
    page.wait_for_timeout(1500)
    full = page.evaluate(PLOT)
    page.get_by_label("Model").select_option("ideal, one-hot reads")
    page.get_by_text("model “ideal, one-hot reads”").wait_for()
    page.wait_for_timeout(1500)
    assert page.evaluate(PLOT) != full
    page.get_by_role("button", name="Parameters", exact=True).click()
    page.get_by_role("cell", name="Dead time of the edges").wait_for()
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert sorted(set(outside)) == []


@pytest.mark.notebook
@pytest.mark.slow
def test_a_network_is_trained_and_deployed_in_a_notebook(lab: str, page: Any) -> None:
    """What one view trained is there for the next; a sweep runs beside them."""
    outside = run_all(page, lab, TRAINING)
    train = page.get_by_role("button", name="Train", exact=True)
    train.wait_for()
    press_until(train, page.get_by_role("button", name="Trained", exact=True))
    predicted = page.get_by_text(re.compile("predicted accuracy on [0-9]+ chips"))
    press_until(page.get_by_role("button", name="Deploy this network"), predicted)
    done = page.get_by_text(re.compile(r"^Done in \d+ s\.$"))
    press_until(page.get_by_role("button", name="Run", exact=True).last, done.last)
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    assert sorted(set(outside)) == []
