"""Deployment page in a browser: a trained network deployed live, its files saved."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import analog_model as am
from dashboard.run_store import run_store
from tests.training_runs import quick

Visit = Callable[..., Page]
WIDER_THAN_PAGE = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One finished run where the server looks for runs."""
    am.nn.train(quick(epochs=1), run_directory=tmp_path / "trained")
    monkeypatch.setenv("ANALOG_MODEL_RUNS", str(tmp_path))
    run_store.cache_clear()
    yield tmp_path
    run_store.cache_clear()


def test_the_page_in_a_browser(runs: Path, visit: Visit) -> None:
    """From the empty page by keyboard to arrays, cost, accuracy, targets; the link holds it."""
    page = visit("?page=deployment&dchips=2")
    page.context.set_default_timeout(60_000)
    expect(page.get_by_text("takes the network of trained")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Deploy this network").press("Enter")
    expect(page.get_by_text(re.compile(r"^Done in \d+ s\.$"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text("predicted accuracy on 2 chips")).to_be_visible()
    page.get_by_label("Array", exact=True).select_option("Array 2 · layer 3")
    page.wait_for_function("location.search.includes('darray=2')")
    for width in (820, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        for aspect in ("Cost", "Accuracy", "Arrays"):
            page.get_by_role("button", name=aspect, exact=True).click()
            page.wait_for_timeout(300)
            assert page.evaluate(WIDER_THAN_PAGE) == 0, (width, aspect)
    page.get_by_role("button", name="Cost", exact=True).click()
    expect(page.get_by_text("no energy of drivers, readout")).to_be_visible()
    page.wait_for_function("location.search.includes('dview=cost')")
    with page.expect_download() as download:
        page.get_by_role("button", name="Targets (zip)").click()
        saved = page.get_by_text("Saved mlp-4x4-on-reference-16x16_targets.zip").first
        expect(saved).to_be_visible()
    assert download.value.suggested_filename == "mlp-4x4-on-reference-16x16_targets.zip"
    content = Path(download.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert any(name.endswith("/deployment.nc") for name in archive.namelist())
    # What was deployed once is there at once, in a second tab.
    second = visit(page.evaluate("location.search"))
    expect(second.get_by_text("no energy of drivers, readout")).to_be_visible()
