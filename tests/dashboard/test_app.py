"""The served page, driven in a real Chromium: controls, links, themes, uploads, failures.

Every page opened through `visit` fails its test on a console error, an exception, a server
traceback or a request that leaves this machine.
"""

from __future__ import annotations

import gc
import re
import time
import urllib.request
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import analog_model as am
from dashboard import page as page_module
from dashboard.pages import PAGES, PageSpec
from dashboard.state import State
from dashboard.store import upload_store
from tests.dashboard.retraining_runs import serving

Visit = Callable[..., Page]


def query(page: Page) -> str:
    return page.evaluate("window.location.search")


def wait_for_query(page: Page, pattern: str) -> None:
    page.wait_for_function("pattern => new RegExp(pattern).test(location.search)", arg=pattern)


def slider(page: Page, title: str) -> Any:
    """Handle of the slider whose title begins with `title`."""
    return page.get_by_role("slider", name=re.compile(f"^{re.escape(title)}"))


def test_controls_write_the_link_and_history_undoes_them(visit: Visit) -> None:
    page = visit()
    assert query(page) == ""
    slider(page, "Coupling").press("ArrowRight")
    wait_for_query(page, r"^\?k=1\.05$")
    page.get_by_role("checkbox", name="Wire drop").uncheck()
    wait_for_query(page, "effects=crosstalk%2Clumped|effects=crosstalk,lumped")
    page.get_by_role("checkbox", name="Wire drop").check()
    wait_for_query(page, r"^\?k=1\.05$")
    page.get_by_role("link", name="Error against ideal").click()
    wait_for_query(page, "page=error")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Error against ideal")
    page.go_back()
    wait_for_query(page, r"^\?k=1\.05$")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Crosstalk")
    page.get_by_role("button", name="Reset to the chip's own values").click()
    wait_for_query(page, "^$")


def test_a_link_opens_the_same_view_in_a_second_tab(visit: Visit) -> None:
    page = visit("?src=synthetic&n=12&m=7&theme=dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#chip-name")).to_have_text("synthetic-12x7")
    page.get_by_role("button", name="Dark theme").click()
    wait_for_query(page, r"^\?src=synthetic&n=12&m=7$")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_label("Bit lines", exact=True).fill("9")
    page.get_by_label("Bit lines", exact=True).press("Enter")
    wait_for_query(page, "m=9")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#copy-link")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    again = visit("?" + copied.split("?")[1])
    expect(again.locator("#chip-name")).to_have_text("synthetic-12x9")


def test_a_bad_link_says_so_and_shows_the_rest(visit: Visit) -> None:
    page = visit("?n=0&nonsense=1&src=synthetic&m=5&upload=zzz&wl=99&%3Cimg%20onerror=1%3E=1")
    notices = page.locator("#notices .notice")
    expect(notices).to_have_count(4)
    expect(notices.filter(has_text="whole number from 1 to 1024")).to_have_count(1)
    expect(notices.filter(has_text="'nonsense'")).to_have_count(1)
    expect(notices.filter(has_text="word line 15 is shown")).to_have_count(1)
    expect(page.locator("#chip-name")).to_have_text("synthetic-16x5")
    notices.first.get_by_role("button", name="Dismiss").click()
    expect(notices).to_have_count(3)
    gone = visit("?src=upload&upload=0123456789abcdef")
    expect(gone.locator("#notices .error")).to_contain_text("Upload the file again")
    expect(gone.locator("#chip-name")).to_have_text("reference-16x16")


def test_uploads(visit: Visit, tmp_path: Path) -> None:
    """A broken file leaves the chip; a good one becomes it, and its link opens elsewhere."""
    page = visit()
    page.get_by_role("button", name="Upload", exact=True).click()
    box, message = page.locator("#upload"), page.locator("#upload-message")
    expect(box).to_be_visible()
    expect(page.locator("#chip-name")).to_have_text("reference-16x16")

    def choose(name: str, content: bytes) -> None:
        page.set_input_files(
            "#upload-file", {"name": name, "mimeType": "text/csv", "buffer": content}
        )

    rows = b"kind,split,t0,t1,q0\nsingle,calibration,40,0,4\nsingle,calibration,0,40,2\n"
    choose("<b>broken</b>.csv", b"# time in ns, charge in fC\n" + rows.replace(b"0,40", b"0,zero"))
    expect(message).to_contain_text("zero")
    expect(message).to_contain_text("<b>broken</b>.csv")
    choose("nounit.csv", rows)
    expect(message).to_contain_text("unit")
    expect(page.locator("#chip-name")).to_have_text("reference-16x16")
    assert "upload" not in query(page)
    page.locator("#upload-time-unit").select_option("ns")
    page.locator("#upload-charge-unit").select_option("fC")
    choose("nounit.csv", rows)
    expect(message).to_contain_text("nounit.csv is shown")
    wait_for_query(page, r"src=upload&upload=[0-9a-f]{16}$")
    expect(page.locator("#chip-name")).not_to_have_text("reference-16x16")
    shown = page.locator("#chip-name").inner_text()
    other = visit(query(page))
    expect(other.locator("#chip-name")).to_have_text(shown)
    chip = am.synthetic_chip(4, 3).replace(name="from its own file")
    choose("chip.yaml", chip.to_yaml().encode())
    expect(message).to_contain_text("chip.yaml is shown")
    expect(page.locator("#chip-name")).to_have_text("from its own file")
    # Larger than the limit: refused in the page, without a byte sent.
    page.evaluate("document.getElementById('upload').dataset.limit = '10'")
    choose("large.csv", rows)
    expect(message).to_contain_text("large.csv has")


def test_a_netcdf_upload_of_thirty_megabytes(visit: Visit, tmp_path: Path) -> None:
    """What used to break the websocket goes over HTTP; the session stays alive."""
    import numpy as np
    import xarray as xr

    reference = am.example_chip("reference")
    many = xr.concat([reference] * 160, "pattern", data_vars="minimal", coords="minimal")
    many = many.assign_coords(pattern=np.arange(many.sizes["pattern"]))
    noise = np.random.default_rng(0).normal(1, 1e-3, many["charge"].shape)
    many["charge"] = many["charge"] * noise
    path = tmp_path / "large.nc"
    am.save_measurement(many, path)
    assert 15e6 < path.stat().st_size < upload_store().max_upload_bytes
    page = visit()
    page.get_by_role("button", name="Upload", exact=True).click()
    page.set_input_files("#upload-file", path)
    expect(page.locator("#upload-message")).to_contain_text("is shown", timeout=60_000)
    page.get_by_role("button", name="Bundled").click()
    wait_for_query(page, "^(?!.*src=)")


def test_a_broken_link_is_put_right_in_the_address(visit: Visit) -> None:
    page = visit("?n=none&bogus=1&k=1.05&page=error")
    expect(page.get_by_text("unknown part 'bogus'")).to_be_visible()
    wait_for_query(page, r"^\?(?=.*page=error)(?=.*k=1\.05)(?!.*(bogus|n=none))")
    # A link that says the same in other words stays as it was written.
    page = visit("?k=1.05&page=error")
    page.wait_for_timeout(500)
    assert query(page) == "?k=1.05&page=error"


def test_foreign_pages_cannot_upload(served: Any) -> None:
    def post(headers: dict[str, str]) -> int:
        request = urllib.request.Request(
            f"{served.address}/upload?name=a", data=b"x", headers=headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    own = {"Origin": served.address, "X-Analog-Model": "1"}
    assert post(own) == 200
    assert post({**own, "Origin": "http://evil.example"}) == 403
    assert post({"Origin": served.address}) == 403
    assert post({"X-Analog-Model": "1"}) == 403


def test_headers_keep_the_page_to_itself(served: Any) -> None:
    with urllib.request.urlopen(f"{served.address}/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        html = answer.read().decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", html)


def test_a_view_that_cannot_be_built_is_a_message(
    visit: Visit, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(page: str, state: Any) -> Any:
        raise RuntimeError("no <b>view</b>")

    monkeypatch.setattr(PageSpec, "build", broken)
    page = visit()
    alert = page.get_by_role("alert").filter(has_text="could not be drawn")
    expect(alert).to_contain_text("RuntimeError: no <b>view</b>")
    assert any("could not be built" in text for text in served.recorder.messages)
    served.recorder.messages.clear()


def test_a_session_that_cannot_be_built_is_a_page(
    served: Any, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> Any:
        raise RuntimeError("no {{ session }}")

    monkeypatch.setattr(page_module.Page, "template", broken)
    page.goto(served.address)
    expect(page.get_by_role("alert")).to_contain_text("RuntimeError: no {{ session }}")
    expect(page.get_by_role("link", name="Start afresh")).to_be_visible()
    served.recorder.messages.clear()


def test_sessions_that_end_leave_nothing(served: Any, context: Any) -> None:
    """Documents, states, views of closed pages are gone once the server dropped them."""
    from dashboard.state import State

    gc.collect()
    before = {id(o) for o in gc.get_objects() if isinstance(o, State)}
    documents = []
    for _ in range(4):
        page = context.new_page()
        page.goto(served.address)
        page.wait_for_function(
            "document.getElementById('main').getAttribute('aria-busy') === 'false'"
        )
        slider(page, "Coupling").press("ArrowRight")
        wait_for_query(page, "k=1.05")
        documents += [weakref.ref(session.document) for session in served.sessions()]
        page.close()
    deadline = time.monotonic() + 60
    while served.sessions() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert served.sessions() == []
    left = 1
    while left and time.monotonic() < deadline:
        time.sleep(0.5)
        gc.collect()
        states = [o for o in gc.get_objects() if isinstance(o, State) and id(o) not in before]
        left = len(states) + sum(ref() is not None for ref in documents)
        del states
    assert left == 0


def test_a_browser_slower_than_its_session_gets_every_part(
    visit: Visit, served: Any, context: Any
) -> None:
    """Its session is made anew over the websocket, which has the document fetched at once.

    What is added to the document between that and the browser's first word used to be lost,
    with "reference isn't known" for all that named it later.
    """
    held: list[str] = []

    def hold_back(route: Any) -> None:
        held.append(route.request.url)
        deadline = time.monotonic() + 40
        while served.sessions() and time.monotonic() < deadline:
            time.sleep(0.2)
        route.continue_()

    context.route("**/bokeh.min.js*", hold_back)
    context.set_default_timeout(60_000)
    page = visit("?src=synthetic&n=12&m=7")
    assert len(held) == 1
    expect(page.get_by_role("application", name=re.compile("Heatmap"))).to_be_visible()
    slider(page, "Coupling").press("ArrowRight")
    wait_for_query(page, "k=1.05")
    (session,) = served.sessions()
    page.wait_for_function(
        "ids => ids.every(id => Bokeh.documents[0]._all_models.has(id))",
        arg=[model.id for model in session.document.models],
    )


def test_a_page_that_has_nothing_yet_has_nothing_to_scroll(visit: Visit, tmp_path: Path) -> None:
    with serving(tmp_path):
        for name in ("calibration", "retraining", "runs", "design"):
            page = visit(f"?page={name}")
            expect(page.locator("main").get_by_role("heading").first).to_be_visible()
            page.wait_for_function(
                "(m => m.scrollHeight <= m.clientHeight)(document.getElementById('main'))"
            )
        page = visit("?page=runs")
        expect(page.get_by_text("No training runs yet")).to_be_visible()
        # Nothing is there that could be resumed.
        expect(page.get_by_role("button", name="Resume")).to_be_hidden()


def test_keyboard_reaches_every_control(visit: Visit) -> None:
    """Tab goes through header and sidebar in order, with a visible focus."""
    page = visit()
    seen = []
    for _ in range(15):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  let e = document.activeElement;
                  while (e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
                  return e.getAttribute('aria-label') || e.textContent.trim() || e.tagName;
                }"""
            )
        )
    labels = [page.label for page in PAGES.values()]
    fold = "Chip and its parameters"
    header = ["Skip to the figure", fold, *labels, "Copy link", "Dark theme"]
    assert seen[: len(header)] == header
    assert {"Bundled", "Upload", "Synthetic"} <= set(seen)


@pytest.mark.parametrize("width", [820, 1024])
def test_the_array_stands_below_its_pattern_on_a_tablet(visit: Visit, width: int) -> None:
    """Nothing is cut off, no part lies on another, sidebar folded or not."""
    page = visit()
    page.set_viewport_size({"width": width, "height": 720})
    for _ in range(2):
        page.wait_for_timeout(500)
        wide = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"
        assert page.evaluate(wide) == 0
        cell = page.get_by_text("current shift", exact=True).bounding_box()
        comparison = page.get_by_text("Measured crosstalk, simulated").bounding_box()
        assert cell is not None
        assert comparison is not None
        assert comparison["y"] > cell["y"] + cell["height"]
        # The buttons above the heatmap that they belong to, its key below it.
        button = page.get_by_role("button", name="Zoom in").bounding_box()
        heatmap = page.get_by_label("Heatmap of the array").bounding_box()
        key = page.get_by_text("Current shift (%)").bounding_box()
        assert button is not None
        assert heatmap is not None
        assert key is not None
        assert 0 <= heatmap["y"] - button["y"] - button["height"] < 40
        assert 0 <= key["y"] - heatmap["y"] - heatmap["height"] < 40
        page.get_by_label("Chip and its parameters").click()


@pytest.mark.parametrize("name", PAGES)
def test_a_tablet_shows_every_page_whole(visit: Visit, name: str) -> None:
    """Nothing reaches beyond the page, whichever was open before."""
    page = visit(f"?page={name}", width=820, height=1180)
    page.wait_for_timeout(800)
    wide = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"
    assert page.evaluate(wide) == 0


def test_the_headline_of_the_error_page_stands_above_its_plots(visit: Visit) -> None:
    page = visit("?page=error", width=820, height=1180)
    headline = page.get_by_text("192 patterns on 16 bit lines").bounding_box()
    plot = page.locator(".bk-Figure").first.bounding_box()
    assert headline is not None
    assert plot is not None
    assert headline["y"] + headline["height"] <= plot["y"]


def test_every_source_of_the_chip_fits_beside_a_tablets_page(visit: Visit) -> None:
    """Four of them once something was calibrated."""
    state = State()
    state.use_calibrated(state.chip)
    page = visit(f"?src=calibrated&chip={state.chip_id}", width=820)
    button = page.get_by_role("button", name="Calibrated", exact=True).bounding_box()
    sidebar = page.locator("#sidebar").bounding_box()
    assert button is not None
    assert sidebar is not None
    assert button["x"] + button["width"] <= sidebar["x"] + sidebar["width"]


def test_everything_of_the_sidebar_explains_itself(visit: Visit) -> None:
    """In one sentence with its unit, to the mouse and to screen readers, whatever the chip has."""
    page = visit("?src=synthetic&align=staggered")
    handle = slider(page, "Wire resistance")
    unit = "Bit-line metal from one cell to the next [Ω/pitch]."
    expect(handle).to_have_attribute("aria-description", unit)
    unexplained = """() => {
      const found = [];
      const look = (node, explained) => {
        for (const e of node.children ?? []) {
          const own = explained || e.title !== "";
          const quantity = e.matches('.noUi-handle, input:not([type=file]), select');
          if (quantity && !own && e.checkVisibility()) found.push(e.outerHTML.slice(0, 120));
          look(e, own);
          if (e.shadowRoot) look(e.shadowRoot, own);
        }
      };
      look(document.getElementById('sidebar'), false);
      return found;
    }"""
    page.wait_for_function(f"({unexplained})().length === 0")
    left_open = slider(page, "Readout full scale, unlimited")
    expect(left_open).to_have_attribute("aria-description", re.compile(r"saturates .* \[pC\]\.$"))


def test_nothing_scrolls_or_jumps_at_1280_by_720(visit: Visit) -> None:
    page = visit()
    overflow = page.evaluate(
        """() => {
          const main = document.getElementById('main'), root = document.documentElement;
          return { page: root.scrollHeight - root.clientHeight,
                   wide: main.scrollWidth - main.clientWidth,
                   side: document.querySelector('.sidebar').scrollWidth
                         - document.querySelector('.sidebar').clientWidth };
        }"""
    )
    assert overflow == {"page": 0, "wide": 0, "side": 0}
    shift = page.evaluate(
        """() => new Promise(resolve => {
          new PerformanceObserver(list => resolve(
            list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
            .observe({type: 'layout-shift', buffered: true});
          setTimeout(() => resolve(0), 500);
        })"""
    )
    assert shift < 0.1
