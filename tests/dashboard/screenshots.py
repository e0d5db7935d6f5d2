"""Pictures of the dashboard's pages for README.md, in the order of its walk-through.

    python tests/dashboard/screenshots.py [--to data/figures/pages]

Serves the dashboard with empty folders of runs, of sweeps, goes from the bundled measurement
to a calibrated chip, a deployed network, a retrained one, a sweep, in Chromium at 1280x720,
and writes one PNG a page. Takes some minutes: it trains.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
READY = "document.getElementById('main')?.getAttribute('aria-busy') === 'false'"
# Long enough for a training on a busy machine.
_PATIENCE = 600_000
# Couplings of the calibrated chip are mild: at so many times theirs a network suffers.
_COUPLING = 4


@contextmanager
def served() -> Iterator[str]:
    """Address of a dashboard without runs, without sweeps."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "ANALOG_MODEL_RUNS": f"{folder}/runs",
            "ANALOG_MODEL_SWEEPS": f"{folder}/sweeps",
        }
        command = "from analog_model.cli import app; app()"
        server = subprocess.Popen(
            [sys.executable, "-c", command, "dashboard", "--no-open", "--port", "0"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            found = next(
                re.finditer(r"http://\S+", line) for line in server.stdout if "http" in line
            )
            yield next(found).group().rstrip("/")
        finally:
            server.terminate()
            server.wait(30)


def open_page(page: Any, name: str, **changes: object) -> None:
    """Another page with the chip in view, some parts of the link changed."""
    script = """([name, changes]) => {
        const query = new URLSearchParams(location.search);
        query.set('page', name);
        for (const [key, value] of Object.entries(changes)) query.set(key, value);
        return location.origin + '/?' + query;
    }"""
    page.goto(page.evaluate(script, [name, {key: str(value) for key, value in changes.items()}]))
    page.wait_for_function(READY)


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def walk(page: Any, address: str) -> Iterator[str]:
    """Name of a page as soon as it shows what a user would have there."""
    page.goto(f"{address}/?page=calibration")
    page.wait_for_function(READY)
    press(page, "Calibrate")
    expect(page.get_by_role("button", name="Use this chip")).to_be_enabled(timeout=_PATIENCE)
    yield "calibration"
    press(page, "Use this chip")
    page.wait_for_function("location.search.includes('src=calibrated')")
    open_page(page, "crosstalk")
    yield "crosstalk"
    open_page(page, "error")
    yield "error"
    open_page(page, "deployment", k=_COUPLING)
    press(page, "Deploy this network")
    expect(page.get_by_role("button", name="Targets (zip)")).to_be_enabled(timeout=_PATIENCE)
    yield "deployment"
    open_page(page, "retraining")
    press(page, "Train")
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=_PATIENCE)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden(timeout=_PATIENCE)
    yield "retraining"
    open_page(page, "runs")
    boxes = page.get_by_role("checkbox", name=re.compile("mlp_4x4"))
    expect(boxes.first).to_be_visible()
    for box in boxes.all():
        box.check()
    yield "runs"
    open_page(page, "design")
    press(page, "Run")
    expect(page.get_by_role("button", name="Take its values")).to_be_visible(timeout=_PATIENCE)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=_PATIENCE)
    yield "design"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=ROOT / "data" / "figures" / "pages")
    folder = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium")
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(60_000)
        for name in walk(page, address):
            # Figures fade in.
            page.wait_for_timeout(3000)
            page.screenshot(path=folder / f"{name}.png")
            print(folder / f"{name}.png", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
