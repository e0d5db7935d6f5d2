"""Every page by the rules of axe-core: nothing serious, nothing critical."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from playwright.sync_api import Page

from dashboard.pages import PAGES

axe = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
AXE = Path(axe.__file__).with_name("axe.min.js")
# A second of computing each: one way of looking at every page, all ways in turn.
WAYS = ((1280, "light"), (820, "dark"), (820, "light"), (1280, "dark"))
SEEN = [(name, *WAYS[number % len(WAYS)]) for number, name in enumerate(PAGES)]
FOUND = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 120)).join(" | ")}`)
"""
NAMED = """
() => {
  const unnamed = root => [...root.querySelectorAll("*")].some(element =>
    (element.matches(".bk-spin-btn, .noUi-handle") && !element.hasAttribute("aria-label"))
    || (element.shadowRoot && unnamed(element.shadowRoot)));
  return !unnamed(document);
}
"""


@pytest.mark.parametrize(("name", "width", "theme"), SEEN)
def test_no_page_shuts_anybody_out(
    visit: Callable[..., Page], name: str, width: int, theme: str
) -> None:
    # As a server does before the first visitor comes: torch takes seconds.
    import_module(PAGES[name].module)
    page = visit(f"?page={name}&theme={theme}", width=width)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    page.wait_for_function(NAMED, polling=200)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate(FOUND) == []


def test_narrow_screens_have_every_page_and_room_for_it(visit: Callable[..., Page]) -> None:
    """The row of pages scrolls to the one in front; the sidebar goes and comes by keyboard."""
    page = visit("?page=design", width=480)
    assert page.locator("#sidebar").is_hidden()
    box = page.get_by_role("link", name="Design", exact=True).bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 480
    page.get_by_role("button", name="Chip and its parameters").press("Enter")
    assert page.locator("#sidebar").is_visible()
    page = visit("?page=runs", width=820)
    page.get_by_role("button", name="Chip and its parameters").press("Enter")
    assert page.locator("#sidebar").is_hidden()
    wider = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"
    assert page.evaluate(wider) == 0
