"""Calibration page in a browser: the bundled chip is calibrated live."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from dashboard.views.calibration import CalibrationView

# Time from a click to the frame in which the page says "Cancelled." [ms].
WATCH_CANCEL = """() => {
  const find = node => [...node.querySelectorAll('*')].reduce(
    (found, e) => found || (e.matches('progress') && e.closest('.run') ? e : null)
             || (e.shadowRoot ? find(e.shadowRoot) : null), null);
  const said = find(document).getRootNode();
  let clicked = null;
  window.cancelled = null;
  addEventListener('click', () => { clicked = performance.now(); }, {once: true, capture: true});
  const look = () => {
    if (clicked !== null && said.textContent.includes('Cancelled.'))
      requestAnimationFrame(() => { window.cancelled = performance.now() - clicked; });
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
# Plots that reach beyond the page, texts that were cut.
WIDER_THAN_PAGE = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"
OVERLAPS = """() => {
  const boxes = [];
  const look = node => {
    for (const e of node.querySelectorAll('*')) {
      const box = e.getBoundingClientRect();
      if (e.matches('.bk-Canvas, table, .summary') && box.width && box.height) boxes.push(box);
      if (e.shadowRoot) look(e.shadowRoot);
    }
  };
  look(document.getElementById('main'));
  return boxes.flatMap((a, k) => boxes.slice(k + 1).filter(b =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)).length;
}"""

ASPECTS = ("Models", "Residuals", "Parameters", "Extraction")
Visit = Callable[..., Page]


def check_widths(page: Page) -> None:
    """Nothing covers anything else or leaves the page, on a small screen as on a large one."""
    before = page.viewport_size
    assert before is not None
    for width in (1600, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 720})
        for aspect in ASPECTS:
            page.get_by_role("button", name=aspect, exact=True).click()
            page.wait_for_timeout(400)
            assert page.evaluate(OVERLAPS) == 0, (width, aspect)
            assert page.evaluate(WIDER_THAN_PAGE) == 0, (width, aspect)
    page.set_viewport_size(before)
    page.get_by_role("button", name="Models", exact=True).click()


def test_the_page_in_a_browser(visit: Visit, served: Any) -> None:
    """Calibrate live, cancel, calibrate on, use the chip, open its link, save a figure."""
    page = visit("?page=calibration")
    page.context.set_default_timeout(90_000)
    begin = page.get_by_role("button", name="Calibrate", exact=True)
    expect(page.get_by_text("316 calibration, 192 test")).to_be_visible()
    begin.click()
    progress = page.locator("progress[aria-label=Calibrate]")
    page.wait_for_function(
        """() => { const find = n => [...n.querySelectorAll('*')].reduce(
             (f, e) => f || (e.matches('progress[aria-label=Calibrate]') ? e : null)
                       || (e.shadowRoot ? find(e.shadowRoot) : null), null);
           const bar = find(document); return bar && bar.value > 5; }""",
        timeout=90_000,
        # At each frame the look through every shadow root would leave little to the run.
        polling=200,
    )
    expect(progress).to_be_visible()
    page.evaluate(WATCH_CANCEL)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.wait_for_function("window.cancelled !== null")
    assert page.evaluate("window.cancelled") < 500
    expect(page.get_by_text("Cancelled.")).to_be_visible()
    begin.click()
    expect(page.get_by_text(re.compile(r"^Done in \d+ s\.$"))).to_be_visible(timeout=120_000)
    expect(page.get_by_text("full model on")).to_be_visible()
    check_widths(page)
    page.get_by_label("Kind of pattern").select_option("sparse")
    expect(page.get_by_text(re.compile("read noise allows"))).to_be_visible()
    page.wait_for_function("location.search.includes('kind=sparse')")
    page.get_by_role("button", name="Residuals", exact=True).click()
    page.get_by_label("Model").select_option("ideal, one-hot reads")
    page.wait_for_function("location.search.includes('view=residuals')")
    page.get_by_role("button", name="Parameters", exact=True).click()
    expect(page.get_by_role("cell", name="Dead time of the edges")).to_be_visible()
    page.get_by_role("button", name="Export…").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save figure").click()
    assert download.value.suggested_filename == "reference-16x16_models_ieee-one-column.pdf"
    page.get_by_role("button", name="Use this chip").click()
    expect(page.locator("#chip-name")).to_have_text("reference-16x16 · calibrated")
    page.wait_for_function(r"/src=calibrated&chip=[0-9a-f]{16}/.test(location.search)")
    second = visit(page.evaluate("location.search"))
    expect(second.locator("#chip-name")).to_have_text("reference-16x16 · calibrated")
    # The result is known on this server: nothing has to run again.
    expect(second.get_by_role("cell", name="Dead time of the edges")).to_be_visible()
    second.get_by_role("link", name="Error against ideal").click()
    expect(second.locator("nav [aria-current=page]")).to_have_text("Error against ideal")


def test_a_closed_page_takes_its_run_along(visit: Visit, served: Any) -> None:
    from dashboard.jobs import job_queue

    def views() -> set[int]:
        gc.collect()
        return {id(o) for o in gc.get_objects() if isinstance(o, CalibrationView)}

    before = views()
    page = visit("?page=calibration")
    page.get_by_role("button", name="Calibrate", exact=True).click()
    deadline = time.monotonic() + 60
    while (job := job_queue()._running) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.close()
    assert job.ended.wait(30)
    assert job.status == "cancelled"
    while views() - before:
        assert time.monotonic() < deadline + 30
        time.sleep(0.5)
