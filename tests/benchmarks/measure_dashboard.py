"""Speed of the dashboard as a user meets it, measured in a real Chromium.

    python tests/benchmarks/measure_dashboard.py [--quick] [--no-readme]

A server runs in a process of its own. Measured are: first paint and first heatmap of a page
from a warm server, each in a fresh browser context without cache; the time from a key press
on a slider to the next different pixels of the heatmap, in arrays of three sizes, with the
bytes that crossed the websocket for it; documents and memory left on the server after many
sessions came and went. Results go to .benchmarks/dashboard.json and into the table
between the markers in README.md. Exit code 1 if a requirement is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SIZES = (16, 128, 1024)
READY = "document.getElementById('main')?.getAttribute('aria-busy') === 'false'"

# Limits the dashboard is held to.
LIMITS = {
    "first paint [s]": 1.0,
    "first heatmap [s]": 1.6,
    "median [ms]": 120.0,
    "p95 [ms]": 180.0,
    "sent per update [kB]": 300.0,
    "documents kept": 0.0,
}

# Serves, and answers what is left in the process at /left.
SERVER = """
import gc, json, psutil, sys
from bokeh.document import Document
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler
from dashboard.app import make_server
from dashboard.state import State
from dashboard.warm_up import warm_up

class Left(RequestHandler):
    def get(self):
        gc.collect()
        objects = gc.get_objects()
        self.write({
            "documents": sum(type(o) is Document for o in objects),
            "states": sum(type(o) is State for o in objects),
            "sessions": len(server.get_sessions()),
            "memory": psutil.Process().memory_info().rss,
        })

server = make_server(port=0, session_lifetime=4.0)
server._tornado.add_handlers(r".*", [("/left", Left)])
exec(sys.argv[1])
warm_up()
print(server.port, flush=True)
IOLoop.current().start()
"""

# Finds the largest canvas of the figure through all shadow roots, and tells its pixels apart.
WATCH = """
(() => {
  const canvases = (node, found) => {
    if (node.tagName === "CANVAS" && node.width > 150 && node.height > 150) found.push(node);
    if (node.shadowRoot) for (const child of node.shadowRoot.children) canvases(child, found);
    for (const child of node.children || []) canvases(child, found);
    return found;
  };
  const pixels = (canvas) => canvas.getContext("2d").getImageData(
    Math.floor(canvas.width * 0.1), Math.floor(canvas.height * 0.1),
    Math.floor(canvas.width * 0.8), Math.floor(canvas.height * 0.8)).data;
  // The heatmap is the canvas with the most distinct colours that are no grey of a text.
  const colours = (data) => {
    const seen = new Set();
    for (let k = 0; k < data.length; k += 4 * 7) {
      const [r, g, b] = [data[k], data[k + 1], data[k + 2]];
      if (Math.max(r, g, b) - Math.min(r, g, b) > 30) seen.add((r << 16) | (g << 8) | b);
    }
    return seen.size;
  };
  const digest = (data) => {
    let hash = 0;
    for (let k = 0; k < data.length; k += 4 * 3) {
      hash = (hash * 31 + data[k] + 7 * data[k + 1] + 13 * data[k + 2]) | 0;
    }
    return hash;
  };
  window.findHeatmap = () => {
    let best = null, most = 5;
    for (const canvas of canvases(document.getElementById("main"), [])) {
      const count = colours(pixels(canvas));
      if (count > most) { most = count; best = canvas; }
    }
    return best;
  };
  window.firstHeatmap = null;
  const look = () => {
    const there = document.getElementById("main") && window.findHeatmap();
    if (there) window.firstHeatmap = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);

  window.watchRepaint = () => {
    const canvas = window.findHeatmap();
    const before = digest(pixels(canvas));
    let start = null;
    window.repaint = null;
    const press = () => { start = performance.now(); };
    window.addEventListener("keydown", press, { once: true, capture: true });
    const tick = () => {
      const changed = start !== null && digest(pixels(canvas)) !== before;
      if (changed) window.repaint = performance.now() - start;
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  };
})();
"""


@contextmanager
def server_process(settings: str = "", variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """Address of a dashboard in a process of its own, that runs lines of settings first."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(10)


def left(address: str) -> dict[str, int]:
    """What the server process holds."""
    with urllib.request.urlopen(f"{address}/left") as answer:
        result: dict[str, int] = json.load(answer)
    return result


def fresh_page(browser: Browser) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(WATCH)
    return page


def measure_start(browser: Browser, address: str, repeats: int) -> dict[str, float]:
    """First paint, first heatmap of the default page [s], median."""
    paints, heatmaps = [], []
    for attempt in range(repeats + 2):
        page = fresh_page(browser)
        page.goto(address)
        page.wait_for_function("window.firstHeatmap !== null")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        if attempt >= 2:  # the first ones warm the server
            paints.append(paint / 1e3)
            heatmaps.append(page.evaluate("window.firstHeatmap") / 1e3)
        page.context.close()
        time.sleep(0.2)
    return {
        "first paint [s]": statistics.median(paints),
        "first heatmap [s]": statistics.median(heatmaps),
    }


def measure_slider(browser: Browser, address: str, size: int, repeats: int) -> dict[str, float]:
    """Key press on the coupling slider to different pixels of the heatmap [ms]."""
    page = fresh_page(browser)
    received: list[int] = []

    def count(payload: Any) -> None:
        received.append(len(payload if isinstance(payload, bytes) else payload.encode()))

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    page.goto(f"{address}/?src=synthetic&n={size}&m={size}&k=1.5")
    page.wait_for_function("window.firstHeatmap !== null")
    page.wait_for_timeout(1500)
    slider = page.get_by_role("slider", name="Coupling")
    slider.focus()
    times, sent = [], []
    for attempt in range(repeats + 3):
        page.evaluate("window.watchRepaint()")
        received.clear()
        page.keyboard.press("ArrowRight" if attempt % 2 else "ArrowLeft")
        page.wait_for_function("window.repaint !== null")
        page.wait_for_timeout(250)
        if attempt >= 3:
            times.append(page.evaluate("window.repaint"))
            sent.append(sum(received) / 1e3)
    page.context.close()
    return {
        "median [ms]": statistics.median(times),
        "p95 [ms]": statistics.quantiles(times, n=20)[18],
        "sent per update [kB]": max(sent),
    }


def measure_sessions(
    browser: Browser, address: str, count: int, fresh: dict[str, int]
) -> dict[str, float]:
    """Documents kept since the server was fresh, memory grown by sessions that came and went."""

    def open_and_close(times: int) -> None:
        for _ in range(times):
            page = fresh_page(browser)
            page.goto(address)
            page.wait_for_function(READY)
            page.context.close()
        deadline = time.monotonic() + 60
        while left(address)["sessions"] and time.monotonic() < deadline:
            time.sleep(1)
        time.sleep(2)

    open_and_close(10)  # caches and allocator settle
    before = left(address)
    open_and_close(count)
    after = left(address)
    return {
        "sessions": count,
        "documents kept": after["documents"] - fresh["documents"],
        "states kept": after["states"] - fresh["states"],
        "memory per session [MB]": (after["memory"] - before["memory"]) / count / 1e6,
    }


def verdict(name: str, value: float) -> str:
    limit = LIMITS.get(name)
    return "" if limit is None else (f"{limit:g}" + (" ✓" if value <= limit else " ✗ missed"))


def rows_of(results: dict[str, Any]) -> list[tuple[str, float, str]]:
    rows = [(name, value, verdict(name, value)) for name, value in results["start"].items()]
    for size, figures in results["slider"].items():
        for name, value in figures.items():
            rows.append((f"slider to repaint, {size}: {name}", value, verdict(name, value)))
    rows += [
        (f"after {results['sessions']['sessions']} sessions: {name}", value, verdict(name, value))
        for name, value in results["sessions"].items()
        if name != "sessions"
    ]
    return rows


def table(results: dict[str, Any]) -> str:
    """The figures as a Markdown table, with what they were measured on."""
    lines = ["| measured in Chromium | value | at most |", "|---|---|---|"]
    for name, value, judged in rows_of(results):
        lines.append(f"| {name} | {value:.3g} | {judged} |")
    return "\n".join([*lines, "", results["machine"]])


def write_readme(text: str, *, name: str) -> None:
    """Replace what stands between the markers of that name."""
    path = ROOT / "README.md"
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = path.read_text(encoding="utf-8").split(start, 1)
    after = rest.split(end, 1)[1]
    path.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"Measured with `make benchmark` on {os.cpu_count()} cores shared by server and browser, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"load average {load:.1f} at the start."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--no-readme", action="store_true", help="leave README.md as it is")
    options = parser.parse_args()
    repeats, sessions = (5, 15) if options.quick else (30, 100)
    results: dict[str, Any] = {"machine": machine()}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with server_process() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        fresh = left(address)
        results["start"] = measure_start(browser, address, max(repeats // 3, 5))
        results["slider"] = {
            f"{size}x{size}": measure_slider(browser, address, size, repeats) for size in SIZES
        }
        results["sessions"] = measure_sessions(browser, address, sessions, fresh)
        browser.close()
    print(table(results))
    folder = ROOT / ".benchmarks"
    folder.mkdir(exist_ok=True)
    (folder / "dashboard.json").write_text(json.dumps(results, indent=2))
    if not options.no_readme:
        write_readme(table(results), name="dashboard benchmark")
    return int(any("missed" in judged for _, _, judged in rows_of(results)))


if __name__ == "__main__":
    sys.exit(main())
