"""Preset of a journal's page: widths, type sizes, strokes as its guide asks for them.

Sources, read in November 2026:

- IEEE Author Center, "Size Requirements for Graphics": 3.5 in or 7.16 in wide; "File
  Formatting": at most 7.16 x 8.8 in, type of 9 to 10 point at full size, Times New Roman or
  Helvetica, fonts embedded. The template for authors: (a), (b) below each subfigure.
- Nature research figure guide, "Building and exporting figure panels": 89 mm or 183 mm wide,
  at most 170 mm high so that the legend fits below, type of 5 to 7 pt, TrueType 2 or 42
  embedded, Arial or Helvetica; "Guide to preparing final artwork": panels lettered in bold
  lower case of 8 pt, strokes of 0.25 to 1 pt.
- Microsoft Office's widescreen slide: its content is 11.5 in by 4.76 in, its smallest level
  of text has 18 pt.

A figure has to look the same on every machine, so only fonts that come with Matplotlib are
preset: STIX, cut to Times, for IEEE; DejaVu Sans in place of Helvetica elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from analog_model.chip.base import Frozen
from analog_model.errors import ConfigurationError, nearest_name

INCH = 0.0254  # [m]
POINT = INCH / 72


class Preset(Frozen):
    """A page as a journal prints it.

    `width` and `max_height` in metres. `text` is the size of labels and titles, `small` that
    of ticks, legends, numbers, `letter_size` that of panel letters, all in typographic
    points. `stroke` multiplies lines and marks; 1 is 0.5 pt for axes. Letters stand bold
    above a panel ("a") or below it ("(a)").
    """

    name: str
    label: str
    width: float = Field(gt=0.02, le=1.0)
    max_height: float = Field(gt=0.02, le=1.0)
    font: str = "DejaVu Sans"
    text: float = Field(gt=0)
    small: float = Field(gt=0)
    letter_size: float = Field(gt=0)
    letters: Literal["above", "below"] = "above"
    stroke: float = Field(default=1.0, gt=0)

    @property
    def line(self) -> float:
        """Height of a line of text [m]."""
        return 1.4 * self.text * POINT

    def settings(self) -> dict[str, Any]:
        """Matplotlib's settings for this page."""
        fine = 0.5 * self.stroke
        return {
            "font.family": self.font,
            "mathtext.fontset": "stix" if self.font == "STIXGeneral" else "dejavusans",
            "font.size": self.text,
            "axes.labelsize": self.text,
            "axes.titlesize": self.text,
            "axes.titleweight": "normal",
            "axes.linewidth": fine,
            "axes.axisbelow": True,
            "xtick.labelsize": self.small,
            "ytick.labelsize": self.small,
            "xtick.major.width": fine,
            "ytick.major.width": fine,
            "xtick.minor.width": 0.8 * fine,
            "ytick.minor.width": 0.8 * fine,
            "xtick.major.size": 2.5 * self.stroke,
            "ytick.major.size": 2.5 * self.stroke,
            "xtick.minor.size": 1.5 * self.stroke,
            "ytick.minor.size": 1.5 * self.stroke,
            "xtick.major.pad": 2.0 * self.stroke,
            "ytick.major.pad": 2.0 * self.stroke,
            "axes.labelpad": 2.0 * self.stroke,
            "legend.fontsize": self.small,
            "legend.frameon": False,
            "legend.handlelength": 1.2,
            "legend.handletextpad": 0.4,
            "legend.columnspacing": 1.0,
            "lines.linewidth": 0.8 * self.stroke,
            "patch.linewidth": 0.0,
        }


def _ieee(name: str, label: str, inches: float) -> Preset:
    return Preset(
        name=name,
        label=label,
        width=inches * INCH,
        max_height=8.8 * INCH,
        font="STIXGeneral",
        text=9.0,
        small=9.0,
        letter_size=9.0,
        letters="below",
    )


def _nature(name: str, label: str, width: float) -> Preset:
    return Preset(
        name=name, label=label, width=width, max_height=0.170, text=7.0, small=6.0, letter_size=8.0
    )


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _ieee("ieee_one_column", "IEEE, one column", 3.5),
            _ieee("ieee_two_columns", "IEEE, two columns", 7.16),
            _nature("nature_one_column", "Nature, one column", 0.089),
            _nature("nature_two_columns", "Nature, two columns", 0.183),
            Preset(
                name="slides",
                label="Slides, 16:9",
                width=11.5 * INCH,
                max_height=4.76 * INCH,
                text=18.0,
                small=18.0,
                letter_size=18.0,
                stroke=2.5,
            ),
        )
    }
)


def find_preset(name: str) -> Preset:
    """The preset of this name; ConfigurationError for another one."""
    if name not in PRESETS:
        raise ConfigurationError(
            "preset", expected="a preset", got=repr(name), advice=nearest_name(name, PRESETS)
        )
    return PRESETS[name]
