"""Export of what a page shows: figures for a paper, numbers for further work.

A page that can be exported offers `Exportable`. Files are made away from the event loop,
since a paper figure takes longer than another session should wait.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import count
from typing import Any, Protocol

import panel as pn
import xarray as xr

from analog_model.chip import Chip
from analog_model.figures.preset import PRESETS
from dashboard.views.html import Html
from dashboard.views.waiting import Latest

FORMATS = {"PDF": "pdf", "SVG": "svg", "PNG": "png"}
# Page of the figure as a person calls it, with its width.
PAGES = {
    f"{preset.label} ({1e3 * preset.width:.0f} mm)": preset.name for preset in PRESETS.values()
}
_MIME = {
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "nc": "application/x-netcdf",
    "csv": "text/csv",
    "yaml": "application/yaml",
    "zip": "application/zip",
}
# The one button that a box or a page is about.
PRIMARY = """
:host(.solid) .bk-btn.bk-btn-default {
  color: var(--on-accent, #ffffff); background-color: var(--accent, #0b62a8);
}
:host(.solid) .bk-btn.bk-btn-default:hover {
  background-color: var(--accent, #0b62a8); opacity: 0.9;
}
"""
_numbers = count(1)
# Runs in the browser: turns the text of a file into a download, then empties the text, here
# as in the session. Were it the session that empties it, both changes could leave in one
# message, and the browser would never see the file.
_SAVE = """
if (!cb_obj.value) return;
const file = JSON.parse(cb_obj.value);
const bytes = Uint8Array.from(atob(file.content), c => c.charCodeAt(0));
const url = URL.createObjectURL(new Blob([bytes], {type: file.mime}));
const link = document.createElement("a");
link.href = url;
link.download = file.name;
document.body.append(link);
link.click();
link.remove();
setTimeout(() => URL.revokeObjectURL(url), 10000);
cb_obj.value = "";
"""


class Exportable(Protocol):
    """What a page offers for export."""

    def chip_name(self) -> str:
        """Name of the chip in view, for file names."""

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""

    def data(self) -> xr.Dataset | None:
        """Every number in view; None while there is none."""

    def table(self) -> xr.Dataset | None:
        """The part of `data` that one table can hold: variables over the same dims."""


@dataclass(frozen=True)
class ExportFile:
    """A file as the browser gets it."""

    name: str
    content: bytes

    def message(self) -> str:
        """What the browser's part reads; `number` makes every message differ."""
        suffix = self.name.rsplit(".", 1)[-1]
        content = base64.b64encode(self.content).decode("ascii")
        fields = {"name": self.name, "mime": _MIME[suffix], "content": content}
        return json.dumps(fields | {"number": next(_numbers)})


def figure_file(
    make: Callable[[], Any],
    *,
    chip: str,
    figure: str,
    format: str,  # noqa: A002
    preset: str,
) -> ExportFile:
    """A figure as PDF, SVG or PNG; the name says chip, figure, page."""
    from analog_model.figures.paper import save_figure

    target = io.BytesIO()
    save_figure(make(), target, format=format, preset=preset)
    return ExportFile(_file_name(chip, figure, preset, suffix=format), target.getvalue())


def netcdf_file(data: xr.Dataset, *, chip: str, what: str) -> ExportFile:
    """All numbers as NetCDF-4, dims, units and labels included."""
    target = io.BytesIO()
    data.to_netcdf(target, engine="h5netcdf")
    return ExportFile(_file_name(chip, what, suffix="nc"), target.getvalue())


def csv_file(table: xr.Dataset, *, chip: str, what: str) -> ExportFile:
    """One row per element, units in the header, SI throughout."""
    frame = table.to_dataframe().reset_index()
    units = {name: variable.attrs.get("units") for name, variable in table.variables.items()}
    frame.columns = [f"{n} [{units[n]}]" if units.get(n) else str(n) for n in frame.columns]
    text = frame.to_csv(index=False, float_format="%.12g")
    return ExportFile(_file_name(chip, what, suffix="csv"), text.encode("utf-8"))


def chip_file(chip: Chip) -> ExportFile:
    """A chip as YAML, as `analog-model simulate` takes it."""
    return ExportFile(_file_name(chip.name, "chip", suffix="yaml"), chip.to_yaml().encode("utf-8"))


def _file_name(*parts: str, suffix: str) -> str:
    """Parts as lower-case words, safe in any file system."""
    words = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts]
    return f"{'_'.join(word for word in words if word)[:120]}.{suffix}"


class Export:
    """A button with the box that it opens."""

    def __init__(self, page: Exportable, *, what: str) -> None:
        self._page = page
        self._what = what
        self._latest: Latest[ExportFile] = Latest(done=self.send, failed=self._fail)
        self.button = pn.widgets.Toggle(label="Export…", width=84, margin=0)
        self.figure = pn.widgets.Select(label="Figure", margin=(2, 0))
        self.format = _choice("Format", FORMATS)
        self.preset = pn.widgets.Select(label="Page size", options=PAGES, margin=(2, 0))
        self.save = pn.widgets.Button(
            label="Save figure", margin=(8, 0, 0, 0), stylesheets=[PRIMARY]
        )
        self.netcdf = pn.widgets.Button(label="NetCDF", margin=0)
        self.csv = pn.widgets.Button(label="CSV", margin=(0, 0, 0, 8))
        self.status = Html("", sizing_mode="stretch_width", margin=(6, 0, 0, 0))
        self.file = pn.widgets.TextInput(visible=False)
        self.file.jscallback(value=_SAVE)
        self.panel = self._box()
        self.button.param.watch(self._open, "value")
        self.save.on_click(lambda _event: self._save_figure())
        self.netcdf.on_click(lambda _event: self._save_data(netcdf_file, self._page.data()))
        self.csv.on_click(lambda _event: self._save_data(csv_file, self._page.table()))

    def _box(self) -> pn.Column:
        for widget in (self.figure, self.format, self.preset, self.save):
            widget.sizing_mode = "stretch_width"
        return pn.Column(
            self.figure,
            _label("Format"),
            self.format,
            self.preset,
            self.save,
            _label("Numbers in view"),
            pn.Row(self.netcdf, self.csv, margin=0),
            self.status,
            self.file,
            visible=False,
            width=268,
            margin=0,
            # Over the plots, so that opening it moves nothing.
            styles={
                "position": "absolute",
                "right": "0",
                "top": "36px",
                "z-index": "12",
                "padding": "12px 14px",
                "background": "var(--bg, #ffffff)",
                "border": "1px solid var(--border, #d9dde3)",
                "border-radius": "8px",
                "box-shadow": "0 8px 28px rgb(0 0 0 / 18%)",
            },
        )

    def float_above(self) -> None:
        """Put the button over the view's top right corner, where no row of it has room."""
        self.button.styles = {
            "position": "absolute",
            "right": "0",
            "top": "-8px",
            "z-index": "11",
        }
        self.panel.styles = {**self.panel.styles, "top": "24px"}

    def _open(self, _event: Any) -> None:
        if self.button.value:
            names = list(self._page.figures())
            self.figure.options = names
            if names and self.figure.value not in names:
                self.figure.value = names[0]
            for widget in (self.figure, self.save):
                widget.disabled = not names
            self.netcdf.disabled = self.csv.disabled = self._page.data() is None
            self._say("" if names else "There is nothing in view to export.")
        self.panel.visible = self.button.value

    def _save_figure(self) -> None:
        figures = self._page.figures()
        if self.figure.value not in figures:
            self._say("This figure is no longer in view; open the box again.")
            return
        self._start(
            partial(
                figure_file,
                figures[self.figure.value],
                chip=self._page.chip_name(),
                figure=self.figure.value,
                format=self.format.value,
                preset=self.preset.value,
            )
        )

    def _save_data(self, make: Callable[..., ExportFile], data: xr.Dataset | None) -> None:
        if data is None:
            self._say("There are no numbers in view to export.")
            return
        self._start(partial(make, data, chip=self._page.chip_name(), what=self._what))

    def _start(self, work: Callable[[], ExportFile]) -> None:
        self._say("Preparing the file…")
        self._latest.ask(work, at_once=False)

    def send(self, file: ExportFile) -> None:
        """Have the browser save a file that is ready."""
        self.file.value = file.message()
        self._say(f"Saved {file.name}")

    def _fail(self, error: BaseException) -> None:
        self._say(f"No file: {error}")

    def _say(self, text: str) -> None:
        self.status.object = (
            '<div role="status" style="font-size: 12px; color: var(--muted, #5a6577);'
            f' overflow-wrap: anywhere">{escape(text)}</div>'
        )


def _label(text: str) -> Html:
    style = "font-size: 12px; margin-top: 8px; color: var(--muted, #5a6577)"
    return Html(f'<div style="{style}">{text}</div>', margin=(0, 0, 3, 0))


def _choice(name: str, options: dict[str, str]) -> pn.widgets.RadioButtonGroup:
    return pn.widgets.RadioButtonGroup(
        label=name, options=options, value=next(iter(options.values())), margin=0
    )
