"""Paper figure of a HoloViews element, as a file.

The page is that of a preset; fonts are embedded; the same element gives the same bytes on
every run. Matplotlib's state machine (pyplot) is not used: each figure has a canvas of its
own, so that several sessions of a server can save at once.
"""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import IO, Any

import holoviews as hv
import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont

from analog_model.errors import ConfigurationError
from analog_model.figures.page import draw_page
from analog_model.figures.preset import Preset, find_preset

FORMATS = ("pdf", "svg", "png")
PNG_DPI = 600

_RC: dict[str, Any] = {
    # TrueType outlines, which stay text in the PDF and which publishers accept.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Glyphs as outlines: an SVG shows the same on machines without the font.
    "svg.fonttype": "path",
    # Without a salt the ids in an SVG are drawn at random.
    "svg.hashsalt": "analog-model",
    "savefig.dpi": PNG_DPI,
}
# Dates would differ from run to run.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {},
}
# HoloViews and rc_context change matplotlib's process-wide settings while they draw.
_drawing = threading.RLock()


def save_figure(
    element: hv.core.Dimensioned,
    target: str | Path | IO[bytes],
    *,
    format: str | None = None,  # noqa: A002 - the word everybody uses
    preset: str | Preset = "ieee_one_column",
    height: float | None = None,
) -> None:
    """Write an element, overlay or layout as PDF, SVG or PNG.

    `preset` names one of `PRESETS` or is one; the page is exactly as wide, and as high as its
    panels need or as `height` [m] says. `format` defaults to the suffix of a path. Raises
    ConfigurationError for another format or preset, for a font that is not installed, for a
    page higher than the preset allows.
    """
    chosen = check_format(target, format)
    page = find_preset(preset) if isinstance(preset, str) else preset
    _require_font(page.font)
    content = io.BytesIO()
    with _drawing, mpl.rc_context({**_RC, **page.settings()}):
        figure = draw_page(element, page, height=height)
        figure.savefig(
            content, format=chosen, metadata=_METADATA[chosen], dpi=PNG_DPI, facecolor="white"
        )
    # A path only replaces what was there once the figure is complete.
    if isinstance(target, str | Path):
        Path(target).write_bytes(content.getvalue())
    else:
        target.write(content.getvalue())


def check_format(target: Any, given: str | None) -> str:
    """The format asked for, else that of the target's suffix; raises for any other."""
    found = given
    if found is None and isinstance(target, str | Path):
        found = Path(target).suffix.lstrip(".").lower()
    if found not in FORMATS:
        raise ConfigurationError(
            "format",
            expected="pdf, svg or png",
            got=repr(found),
            advice="Give the format, or a path that ends in one.",
        )
    return found


def _require_font(family: str) -> None:
    # Matplotlib would take another font for one that it does not find.
    try:
        findfont(FontProperties(family=family), fallback_to_default=False)
    except ValueError:
        raise ConfigurationError(
            "preset.font", expected="an installed font", got=repr(family)
        ) from None
