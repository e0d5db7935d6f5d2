"""Parameters of a calibrated chip with their uncertainty: couplings drawn, scalars listed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

import numpy as np
import panel as pn
import xarray as xr
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    HoverTool,
    Legend,
    LegendItem,
    Range1d,
    Span,
    Whisker,
)
from bokeh.plotting import figure

from analog_model.calibration.result import Calibration
from analog_model.figures.colours import CATEGORICAL
from analog_model.figures.units import unit_for
from dashboard import theme
from dashboard.views.html import Html
from dashboard.views.side_by_side import side_by_side

_KAPPA = re.compile(r"^kappa\[(?P<name>.*), (?P<offset>[+-]\d+)\]$")
# Distance of one offset's marks from the next within a class, in classes.
_DODGE = 0.16
SCALAR_LABELS = {
    "specific_current": ("Specific current I_S", "A"),
    "dead_time": ("Dead time of the edges", "s"),
    "wire_loss": ("Wire × drain sensitivity", "1/A"),
    "lumped_loss": ("Lumped × drain sensitivity", "1/A"),
    "droop_loss": ("Drain sensitivity / capacitance", "1/C"),
}
_STYLE = """
:host { color: var(--text, inherit); font-size: 13px; overflow: auto; }
h3 { margin: 0 0 4px; font-size: 13px; font-weight: 600; }
h3:not(:first-child) { margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; font-size: 12px; color: var(--muted, #5a6577); }
th, td { padding: 4px 12px 4px 0; vertical-align: top;
  border-bottom: 1px solid var(--line, #d9dde3); }
td.number { white-space: nowrap; }
td.quiet, p, li { color: var(--muted, #5a6577); }
p, ul { margin: 0; }
ul { padding-left: 18px; }
"""


class KappaPlot:
    """Coupling by layout class, one mark per offset with its 95 % interval."""

    def __init__(self) -> None:
        self.source = ColumnDataSource(
            data={k: [] for k in ("x", "y", "low", "high", "colour", "text", "offset")}
        )
        self.x_range, self.y_range = Range1d(-0.6, 3.6), Range1d(-0.01, 0.1)
        self.figure = figure(
            title="Coupling κ by layout class, 95 % intervals",
            sizing_mode="stretch_both",
            x_range=self.x_range,
            y_range=self.y_range,
            y_axis_label="κ [n U_T]",
            tools="",
            toolbar_location=None,
            min_border_left=64,
            min_border_right=8,
        )
        self.names = CustomJSTickFormatter(
            args={"names": []},
            # Names of proposed classes are long: what they show, part by part.
            code="return (names[Math.round(tick)] ?? '').replaceAll(' / ', '\\n')",
        )
        self.figure.xaxis.formatter = self.names
        self.figure.xgrid.grid_line_color = None
        self.zero = Span(location=0, dimension="width", line_width=1.2, level="underlay")
        self.figure.add_layout(self.zero)
        self.whisker = Whisker(
            base="x", lower="low", upper="high", source=self.source, line_width=1.5
        )
        for head in (self.whisker.upper_head, self.whisker.lower_head):
            head.size = 7
        self.figure.add_layout(self.whisker)
        marks = self.figure.scatter(
            "x", "y", source=self.source, size=8, color="colour", line_color=None
        )
        self.figure.add_tools(
            HoverTool(
                renderers=[marks],
                tooltips='<div style="font: 12px system-ui; line-height: 1.5">@text</div>',
            )
        )
        self.legend = Legend(orientation="horizontal", border_line_color=None, padding=2)
        self.figure.add_layout(self.legend, "above")
        self._marks = marks

    def show(self, parameters: xr.Dataset) -> None:
        """Draw every kappa of a parameter table; those not identified are left out."""
        rows = [
            (match["name"], int(match["offset"]), index)
            for index, name in enumerate(parameters["parameter"].values.astype(str))
            if (match := _KAPPA.match(name))
        ]
        classes = list(dict.fromkeys(name for name, _, _ in rows))
        offsets = sorted({offset for _, offset, _ in rows})
        value = parameters["value"].values
        interval = parameters["interval"].values
        status = parameters["status"].values.astype(str)
        drawn = [row for row in rows if np.isfinite(value[row[2]])]
        place = [row[2] for row in drawn]
        middle = (len(offsets) - 1) / 2
        self.source.data = {
            "x": [classes.index(c) + _DODGE * (offsets.index(o) - middle) for c, o, _ in drawn],
            "y": value[place],
            "low": interval[place, 0],
            "high": interval[place, 1],
            "offset": [o for _, o, _ in drawn],
            "colour": [CATEGORICAL[offsets.index(o) % len(CATEGORICAL)] for _, o, _ in drawn],
            "text": [
                f"<b>{escape(c)}</b>, neighbour {o:+d}<br>κ = {value[k]:.4g}, "
                f"95 % from {interval[k, 0]:.4g} to {interval[k, 1]:.4g}<br>{status[k]}"
                for c, o, k in drawn
            ],
        }
        self._frame(classes, interval[place])
        self._legend([o for _, o, _ in drawn])

    def _frame(self, classes: Sequence[str], interval: np.ndarray) -> None:
        self.names.args = {"names": list(classes)}
        self.figure.xaxis.ticker = list(range(len(classes)))
        self.x_range.update(start=-0.6, end=max(len(classes), 1) - 0.4)
        low = min(0.0, float(interval.min(initial=0.0)))
        high = max(0.0, float(interval.max(initial=0.0))) or 0.1
        margin = 0.06 * (high - low)
        self.y_range.update(start=low - margin, end=high + margin)

    def _legend(self, offsets: Sequence[int]) -> None:
        first = {offset: place for place, offset in reversed(list(enumerate(offsets)))}
        self.legend.items = [
            LegendItem(label=f"neighbour {o:+d}", renderers=[self._marks], index=first[o])
            for o in sorted(first)
        ]

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.zero.line_color = palette.muted
        for part in (self.whisker, self.whisker.upper_head, self.whisker.lower_head):
            part.line_color = palette.muted
        self.legend.update(
            background_fill_color=palette.background,
            label_text_color=palette.text,
            label_text_font=theme.FONT,
            label_text_font_size="11px",
        )


class ParameterTables:
    """The couplings' plot beside the scalars, the notes below."""

    def __init__(self) -> None:
        self.kappas = KappaPlot()
        self.tables = Html(
            "",
            sizing_mode="stretch_width",
            stylesheets=[_STYLE],
            margin=(4, 0, 0, 4),
        )
        kappas = pn.pane.Bokeh(self.kappas.figure, sizing_mode="stretch_both", margin=0)
        self.layout = side_by_side(kappas, self.tables, left_width=440, right_width=400)

    def show(self, calibration: Calibration) -> None:
        """Everything that a calibration found, with what it assumed."""
        self.kappas.show(calibration.parameters)
        self.tables.object = (
            scalar_table(calibration.parameters)
            + _spread(calibration.cells)
            + _listed("Outlier patterns", [f"pattern {k}" for k in calibration.outlier_patterns])
            + _listed(
                "Dead cells", [f"word line {j}, bit line {i}" for j, i in calibration.dead_cells]
            )
            + _notes(calibration.notes)
        )

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        self.kappas.paint(name)


def scalar_table(parameters: xr.Dataset) -> str:
    """Scalars as an HTML table: value, 95 % interval, status; absent ones say so."""
    there = {str(name): k for k, name in enumerate(parameters["parameter"].values)}
    rows = []
    for name, (label, si) in SCALAR_LABELS.items():
        if name not in there:
            rows.append((label, "–", "–", "no sign of it"))
            continue
        k = there[name]
        value = float(parameters["value"].values[k])
        status = str(parameters["status"].values[k])
        if not math.isfinite(value):
            rows.append((label, "–", "–", status))
            continue
        low, high = (float(end) for end in parameters["interval"].values[k])
        rows.append((label, *_with_unit(value, low, high, si), status))
    body = "".join(
        f'<tr><td>{label}</td><td class="number">{value}</td><td class="number quiet">{span}</td>'
        f'<td class="quiet">{escape(status)}</td></tr>'
        for label, value, span, status in rows
    )
    return (
        "<h3>Shared parameters</h3><table><thead><tr><th>Parameter</th><th>Value</th>"
        f"<th>95 % interval</th><th>Status</th></tr></thead><tbody>{body}</tbody></table>"
    )


def _with_unit(value: float, low: float, high: float, si: str) -> tuple[str, str]:
    unit = unit_for([value], si) if si in {"A", "s"} else None
    factor, symbol = (unit.factor, unit.symbol) if unit else (1.0, si)
    ends = [_number(end / factor) for end in (low, high)]
    return f"{_number(value / factor, 4)} {symbol}", f"{ends[0]} … {ends[1]}"


def _number(value: float, digits: int = 3) -> str:
    """A number for people; powers of ten only where it is very large or small."""
    if math.isinf(value):
        return "∞"
    if 1e3 <= abs(value) < 1e5:
        return f"{value:.0f}"
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}·10<sup>{int(exponent)}</sup>" if exponent else mantissa


def _spread(cells: xr.Dataset) -> str:
    parts = []
    for name, label in (("weight_spread", "weights from their reads"), ("kappa_spread", "κ")):
        spread = cells.attrs.get(name, 0.0)
        if spread:
            parts.append(f"{label} {100 * spread:.2g} %")
    return f"<h3>Spread of single cells</h3><p>{', '.join(parts) or 'none found'}</p>"


def _listed(title: str, entries: Sequence[str], most: int = 12) -> str:
    if not entries:
        return f"<h3>{title}</h3><p>none</p>"
    more = f" and {len(entries) - most} more" if len(entries) > most else ""
    return f"<h3>{title} ({len(entries)})</h3><p>{escape(', '.join(entries[:most]))}{more}</p>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return f"<h3>Notes</h3><ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"
