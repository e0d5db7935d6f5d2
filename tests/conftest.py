"""Shared set-up of the tests: outside tools, the browser, hypothesis profiles.

Outside tools. A test that needs one asks for it:

    def test_against_circuit(require_tool):
        ngspice = require_tool("ngspice")      # a Path

Without the tool the test is skipped, with its reason in pytest's closing summary; with
`CI=true` in the environment it fails instead, so that CI cannot turn green on skips.

Browser. Take pytest-playwright's own fixtures (`page`, `context`, `new_context`); they
start the system's Chromium, or the one that `playwright install chromium` downloaded, with
arguments that work as root and keep the browser quiet. A test that uses one of them is
marked `browser` by itself. The launch arguments also resolve no host name but localhost:
a page that asks for anything outside this machine sees that request fail. Serve on
127.0.0.1 with port 0, and take the port from the server.

Hypothesis. The profile `ci` (chosen by CI=true) draws the same examples each time; neither
profile has a deadline, since two workers share the cores with a browser.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest

BROWSER_FIXTURES = {"page", "context", "new_context", "browser", "launch_browser"}

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
]

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


def _missing(tool: str, advice: str) -> NoReturn:
    """Skip the test, or fail it where every tool is expected."""
    reason = f"{tool} is not installed; {advice}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: a missing tool is a failure)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], Path]:
    """A function from the name of a program to its path; see the module's docstring."""

    def require(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            _missing(name, f"on Debian or Ubuntu: apt-get install {name}")
        return Path(found)

    return require


@pytest.fixture(scope="session")
def compiler(require_tool: Callable[[str], Path]) -> Path:
    """The C++ compiler that torch.compile calls, beside the headers of this Python."""
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        _missing("Python.h", "on Debian or Ubuntu: apt-get install python3-dev")
    return require_tool("g++")


@pytest.fixture
def double_precision() -> Iterator[None]:
    """New tensors, buffers among them, are of double precision."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_type: Any
) -> dict[str, Any]:
    """Launch arguments for pytest-playwright: the system's Chromium, else its own download."""
    if browser_type.name != "chromium":
        return browser_type_launch_args
    system = shutil.which("chromium") or shutil.which("chromium-browser")
    if system is None and not Path(browser_type.executable_path).exists():
        _missing(
            "Chromium",
            "install the system's package, or run: .venv/bin/playwright install chromium",
        )
    chosen = {} if system is None else {"executable_path": system}
    arguments = [*browser_type_launch_args.get("args", []), *CHROMIUM_ARGUMENTS]
    return {**browser_type_launch_args, **chosen, "args": arguments}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a browser fixture."""
    for item in items:
        if BROWSER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)
