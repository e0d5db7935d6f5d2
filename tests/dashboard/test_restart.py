"""A server that restarts under an open page: the page waits, comes back as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

import analog_model as am
from tests.dashboard.conftest import READY
from tests.dashboard.server_process import ServerProcess

# A server starts in seconds, on a busy machine in many.
_PATIENCE = 120_000
# What a browser itself says of a server that is not there.
_UNAVOIDABLE = re.compile(r"ERR_CONNECTION_|Could not open websocket|ERR_EMPTY_RESPONSE")


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "runs")
    server.start()
    yield server
    server.kill()


def open_page(server: ServerProcess, page: Page, query: str) -> list[str]:
    """Open a page; whatever goes wrong in it from now on is in the list."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    def note(message: Any) -> None:
        if message.type == "error" and not _UNAVOIDABLE.search(message.text):
            problems.append(message.text)

    page.on("console", note)
    page.set_default_timeout(_PATIENCE)
    page.goto(f"{server.address}/{query}")
    page.wait_for_function(READY)
    return problems


def test_an_open_page_comes_back_with_its_state(restartable: ServerProcess, page: Page) -> None:
    problems = open_page(restartable, page, "?page=error&src=synthetic&n=12&m=7&theme=dark")
    page.get_by_role("slider", name=re.compile("^Coupling")).press("ArrowRight")
    page.wait_for_function("location.search.includes('k=1.05')")
    link = page.evaluate("location.search")
    page.evaluate("window.ofBefore = true")
    restartable.kill()
    banner = page.locator("#connection")
    expect(banner).to_have_text("Connection to the server lost, reconnecting…")
    expect(banner).to_be_visible()
    # What would be changed now could not be kept.
    assert page.evaluate("document.querySelector('.columns').inert")
    restartable.start()
    page.wait_for_function("window.ofBefore === undefined", timeout=_PATIENCE)
    page.wait_for_function(READY)
    expect(banner).to_be_hidden()
    assert page.evaluate("location.search") == link
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#chip-name")).to_have_text("synthetic-12x7")
    expect(page.locator("#notices .notice")).to_have_count(0)
    # It is alive: what is changed reaches the server.
    page.get_by_role("slider", name=re.compile("^Coupling")).press("ArrowRight")
    page.wait_for_function("location.search.includes('k=1.1')")
    assert problems == []


def test_a_connection_that_breaks_again_and_again_is_left_to_the_user(visit: Any) -> None:
    page = visit("?k=1.05")
    for _ in range(3):
        page.evaluate("window.ofBefore = true; window.analogModelConnection.lost()")
        page.wait_for_function("window.ofBefore === undefined")
        page.wait_for_function(READY)
    page.evaluate("window.analogModelConnection.lost()")
    expect(page.locator("#connection")).to_contain_text("Reload the page to go on")
    assert page.evaluate("location.search") == "?k=1.05"


def test_a_link_to_chips_of_before_opens_after_a_restart(
    restartable: ServerProcess, page: Page
) -> None:
    problems = open_page(restartable, page, "")
    page.get_by_role("button", name="Upload", exact=True).click()
    chip = am.synthetic_chip(4, 3).replace(name="of before")
    page.set_input_files(
        "#upload-file",
        {"name": "chip.yaml", "mimeType": "text/yaml", "buffer": chip.to_yaml().encode()},
    )
    expect(page.locator("#chip-name")).to_have_text("of before")
    page.wait_for_function("location.search.includes('upload=')")
    link = page.evaluate("location.search")
    page.evaluate("window.ofBefore = true")
    restartable.kill()
    restartable.start()
    page.wait_for_function("window.ofBefore === undefined", timeout=_PATIENCE)
    page.wait_for_function(READY)
    expect(page.locator("#chip-name")).to_have_text("of before")
    assert page.evaluate("location.search") == link
    expect(page.locator("#notices .notice")).to_have_count(0)
    assert problems == []
