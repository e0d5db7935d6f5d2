"""The live views in JupyterLab, driven in a real Chromium that reaches this machine only."""

from __future__ import annotations

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

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "01_measured_chip.ipynb"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab that serves a copy of the notebook."""
    (tmp_path / "work").mkdir()
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path / "work")
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


@pytest.mark.notebook
@pytest.mark.slow
def test_live_views_render_and_follow_the_state(lab: str, page: Any) -> None:
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
    page.goto(f"{lab}/lab/tree/{NOTEBOOK}")
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for()
    # Before the kernel is there, JupyterLab would ask which one to run on.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    # The last cell shows the error page: its canvases and the ratio it states.
    wait_until(page, f"({SUMMARY})() !== ''")
    assert page.evaluate(CANVASES) >= 4
    assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0

    # A cell changes the state; the view above follows.
    before = page.evaluate(SUMMARY)
    assert re.fullmatch(r"26\.\d dB · ×2\d\.\d", before)
    page.keyboard.press("Escape")
    cells.last.locator(".jp-InputPrompt").click()
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.keyboard.type("state.compared = 'measured_simulated'")
    page.keyboard.press("Control+Enter")
    wait_until(page, f"({SUMMARY})().startsWith('44.')")

    # A click in the view reaches the kernel.
    page.get_by_role("button", name="Calibration").last.click()
    wait_until(page, f"({SUMMARY})() !== '' && !({SUMMARY})().startsWith('44.')")
    assert sorted(set(outside)) == []
