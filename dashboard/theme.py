"""Colours of the dashboard: page, widgets, plots, in a light or a dark theme.

The page and its widgets take theirs from CSS variables in `assets/style.css`; Bokeh draws
on a canvas that knows no CSS, so `paint_figure` sets the same colours on its models. Both
can change while a plot is on screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bokeh.models import (
    Axis,
    ColorBar,
    Grid,
    Legend,
    Plot,
)
from panel.theme import Design
from panel.theme.base import DefaultTheme, Inherit
from panel.viewable import Viewable

from analog_model.figures.colours import DIVERGING, DIVERGING_ON_DARK, SEQUENTIAL

ASSETS = Path(__file__).parent / "assets"
THEMES = ("light", "dark")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Palette:
    """Colours of one theme; the same names as the CSS variables."""

    background: str
    surface: str
    border: str
    text: str
    muted: str
    accent: str
    error: str
    grid: str


PALETTES = {
    "light": Palette(
        background="#ffffff",
        surface="#f5f6f8",
        border="#d9dde3",
        text="#1b2330",
        muted="#5a6577",
        accent="#0b62a8",
        error="#b3261e",
        grid="#e8ebef",
    ),
    "dark": Palette(
        background="#11161d",
        surface="#1a212b",
        border="#313b49",
        text="#e6ebf2",
        muted="#9aa7b8",
        accent="#6cb2f2",
        error="#ff8a80",
        grid="#263040",
    ),
}


def sequential(theme: str) -> list[str]:
    """Colour map for magnitudes, the strong end standing out from the background."""
    return SEQUENTIAL[:] if theme == "light" else SEQUENTIAL[::-1]


def diverging(theme: str) -> list[str]:
    """Colour map for signed values: blue below zero, warm above, zero like the background."""
    return list(DIVERGING if theme == "light" else DIVERGING_ON_DARK)


def paint_figure(figure: Plot, theme: str) -> None:
    """Give a Bokeh figure the colours of a theme; cheap, only what differs is sent."""
    palette = PALETTES[theme]
    figure.update(
        background_fill_color=palette.background,
        # The page shows through; filled, a seam of the canvas would show instead.
        border_fill_color=None,
        outline_line_color=palette.border,
    )
    # Not figure.select(), which walks every model of the figure: milliseconds each time.
    places = (figure.above, figure.below, figure.left, figure.right, figure.center)
    for part in (part for place in places for part in place):
        if isinstance(part, Axis):
            _paint_axis(part, palette)
        elif isinstance(part, Grid):
            part.grid_line_color = palette.grid if part.grid_line_color is not None else None
        elif isinstance(part, ColorBar):
            _paint_bar(part, palette)
        elif isinstance(part, Legend):
            part.update(
                background_fill_color=palette.background,
                border_line_color=palette.border,
                label_text_color=palette.text,
                label_text_font=FONT,
            )
    if figure.title is not None:
        figure.title.update(text_color=palette.text, text_font=FONT, text_font_style="normal")


def _paint_bar(bar: ColorBar, palette: Palette) -> None:
    bar.update(
        background_fill_color=palette.background,
        title_text_color=palette.text,
        title_text_font=FONT,
        title_text_font_style="normal",
        major_label_text_color=palette.muted,
        major_label_text_font=FONT,
        major_tick_line_color=palette.muted,
    )


def _paint_axis(axis: Axis, palette: Palette) -> None:
    axis.update(
        axis_label_text_color=palette.text,
        axis_label_text_font=FONT,
        axis_label_text_font_style="normal",
        major_label_text_color=palette.muted,
        major_label_text_font=FONT,
        axis_line_color=palette.border,
        major_tick_line_color=palette.border,
        minor_tick_line_color=None,
    )


class PageTheme(DefaultTheme):
    """No colours of its own: the page's CSS variables decide, in light as in dark."""

    base_css = None
    css = None
    bokeh_theme = None


class Instrument(Design):
    """Panel design whose widgets take their colours from the page."""

    modifiers: ClassVar = {Viewable: {"stylesheets": [Inherit, "assets/widgets.css"]}}
    _themes: ClassVar = {"default": PageTheme, "dark": PageTheme}
