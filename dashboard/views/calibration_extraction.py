"""Extraction methods side by side: what each makes of the weights, at what effort."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import panel as pn
import xarray as xr
from bokeh.core.properties import value
from bokeh.models import (
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    HoverTool,
    LabelSet,
    Legend,
    LegendItem,
    Range1d,
    Span,
)
from bokeh.plotting import figure

import analog_model as am
from analog_model import vocabulary as v
from analog_model.figures.colours import CATEGORICAL
from dashboard import theme
from dashboard.views.calibration_numbers import ALL_KINDS, Finished
from dashboard.views.error_bars import ser_text
from dashboard.views.html import Html
from dashboard.views.side_by_side import side_by_side

METHOD_LABELS = {
    "single": "one-hot reads",
    "leave_one_out": "leave one out",
    "regression": "regression",
    "joint": "joint calibration",
}
MODELS = {"ideal": "ideal product", "full": "calibrated chip"}
COLOURS = {"ideal": CATEGORICAL[7], "full": CATEGORICAL[2]}
ANCHORS = {"one_hot": "held to the one-hot reads", "nothing": "patterns alone"}
ANCHOR_COLOURS = {"one_hot": CATEGORICAL[0], "nothing": CATEGORICAL[1]}
_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@hover</div>'
_STYLE = """
:host { color: var(--text, inherit); font-size: 13px; }
p { margin: 0; color: var(--muted, #5a6577); line-height: 1.45; }
"""


class MethodBars:
    """SER of each method's weights in the ideal product, in the calibrated chip."""

    def __init__(self) -> None:
        self.source = ColumnDataSource(
            data={k: [] for k in ("row", "db", "text", "colour", "hover", "model")}
        )
        self.rows = FactorRange(factor_padding=0.1, group_padding=0.7)
        self.range = Range1d(0, 70)
        self.figure = figure(
            title="Methods",
            sizing_mode="stretch_both",
            x_range=self.range,
            y_range=self.rows,
            x_axis_label="signal-to-error ratio [dB]",
            tools="",
            toolbar_location=None,
            min_border_left=128,
            min_border_right=8,
        )
        self.bars = self.figure.hbar(
            y="row", right="db", height=0.84, source=self.source, color="colour", line_color=None
        )
        self.labels = LabelSet(
            x="db",
            y="row",
            text="text",
            source=self.source,
            x_offset=6,
            text_font_size="11px",
            text_baseline="middle",
            text_font=value(theme.FONT),
        )
        self.figure.add_layout(self.labels)
        self.figure.ygrid.grid_line_color = None
        self.figure.yaxis.major_label_text_font_size = "0px"
        self.figure.yaxis.group_text_font_size = "12px"
        self.figure.yaxis.update(
            separator_line_color=None, major_tick_line_color=None, group_label_orientation=0
        )
        self.figure.add_tools(HoverTool(renderers=[self.bars], tooltips=_TOOLTIP))
        self.legend = Legend(orientation="horizontal", border_line_color=None, padding=2)
        self.figure.add_layout(self.legend, "above")

    def show(self, table: xr.Dataset, kind: str) -> None:
        """One group of bars per method, on the test patterns of a kind."""
        chosen = table.sel({v.KIND: kind, v.SPLIT: v.TEST})
        rows, ratios, models, hover = [], [], [], []
        for method in table["extraction"].values.astype(str):
            count = int(table["n_measurements"].sel({"extraction": method}))
            group = f"{METHOD_LABELS.get(method, method)}\n{count} measurements"
            for model, label in MODELS.items():
                ratio = float(
                    chosen["signal_to_error_ratio"].sel({"extraction": method, "model": model})
                )
                rows.append((group, label))
                ratios.append(ratio)
                models.append(model)
                hover.append(
                    f"<b>{METHOD_LABELS.get(method, method)}</b> in the {label}<br>"
                    f"SER {ser_text(ratio)}<br>{count} measurements"
                )
        level = [am.decibel(r) if math.isfinite(r) and r > 0 else 0.0 for r in ratios]
        self.rows.factors = rows[::-1]
        self.source.data = {
            "row": rows,
            "db": level,
            "text": [ser_text(ratio) for ratio in ratios],
            "colour": [COLOURS[model] for model in models],
            "hover": hover,
            "model": models,
        }
        self.legend.items = [
            LegendItem(label=label, renderers=[self.bars], index=models.index(model))
            for model, label in MODELS.items()
        ]
        self.range.update(start=min(0.0, *level), end=1.45 * max(10.0, *level))
        self.figure.title.text = f"Weights by each method · {_of(kind)}test patterns"

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.labels.text_color = palette.text
        self.figure.yaxis.update(group_text_color=palette.text, group_text_font=theme.FONT)
        _paint_legend(self.legend, palette)


class EffortPlot:
    """SER of the ideal product against the number of measurements behind its weights."""

    def __init__(self) -> None:
        names = ("n", "db", "low", "high", "hover")
        self.sources = {a: ColumnDataSource(data={k: [] for k in names}) for a in ANCHORS}
        self.x_range, self.y_range = Range1d(1, 300), Range1d(0, 60)
        self.figure = figure(
            title="Effort",
            sizing_mode="stretch_both",
            x_range=self.x_range,
            x_axis_type="log",
            y_range=self.y_range,
            x_axis_label="measurements, one-hot reads included",
            y_axis_label="SER of the ideal product [dB]",
            tools="",
            toolbar_location=None,
            min_border_right=12,
        )
        self.reads = Span(dimension="width", line_dash="dashed", line_width=1.4)
        self.twice = Span(dimension="width", line_dash="dotted", line_width=1.4)
        self.figure.add_layout(self.reads)
        self.figure.add_layout(self.twice)
        items = []
        for anchor, source in self.sources.items():
            colour = ANCHOR_COLOURS[anchor]
            self.figure.varea("n", "low", "high", source=source, fill_color=colour, fill_alpha=0.15)
            line = self.figure.line("n", "db", source=source, line_color=colour, line_width=2)
            marks = self.figure.scatter("n", "db", source=source, color=colour, size=7)
            self.figure.add_tools(HoverTool(renderers=[marks], tooltips=_TOOLTIP))
            items.append(LegendItem(label=ANCHORS[anchor], renderers=[line, marks]))
        self.legend = Legend(items=items, orientation="horizontal", padding=2)
        self.legend.border_line_color = None
        self.figure.add_layout(self.legend, "above")

    def show(self, effort: xr.Dataset, kind: str) -> None:
        """Median of the draws with their range, on the test patterns of a kind."""
        chosen = effort.sel({v.KIND: kind})
        levels: list[float] = []
        for anchor, source in self.sources.items():
            one = chosen.sel(held_to=anchor)
            level, low, high = (
                20 * np.log10(one[name].values)
                for name in ("signal_to_error_ratio", "lowest", "highest")
            )
            counts = one["n_measurements"].values
            source.data = {
                "n": counts,
                "db": level,
                "low": low,
                "high": high,
                "hover": [
                    f"<b>{n} measurements</b>, {ANCHORS[anchor]}<br>median {middle:.1f} dB, "
                    f"draws from {a:.1f} to {b:.1f} dB"
                    for n, middle, a, b in zip(counts, level, low, high, strict=True)
                ],
            }
            levels += [*low, *high]
        base = am.decibel(float(chosen["one_hot_ratio"]))
        self.reads.location, self.twice.location = base, base + am.decibel(2.0)
        counts = chosen["n_measurements"].values
        ticks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= counts.max()]
        self.figure.xaxis.ticker = FixedTicker(ticks=ticks)
        self.x_range.update(start=0.85 * counts.min(), end=1.2 * counts.max())
        low, high = min(base, *levels), max(base + 6, *levels)
        self.y_range.update(start=max(low - 3, -10), end=high + 4)
        self.figure.title.text = f"Regression by number of patterns · {_of(kind)}test patterns"

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.reads.line_color = self.twice.line_color = palette.text
        _paint_legend(self.legend, palette)


class ExtractionPlots:
    """Both charts with what they say in words."""

    def __init__(self) -> None:
        self.methods, self.effort = MethodBars(), EffortPlot()
        self.words = Html(
            "",
            min_height=44,
            sizing_mode="stretch_width",
            margin=(6, 2, 0, 2),
            stylesheets=[_STYLE],
        )
        methods = pn.pane.Bokeh(self.methods.figure, sizing_mode="stretch_both", margin=0)
        effort = pn.pane.Bokeh(self.effort.figure, sizing_mode="stretch_both", margin=0)
        self.plots = side_by_side(methods, effort, left_width=440, right_width=400)
        self.layout = pn.Column(self.plots, self.words, sizing_mode="stretch_both", margin=0)

    def show(self, finished: Finished, *, kind: str, running: bool) -> None:
        """Draw the comparison, or say why there is none yet."""
        extraction = finished.extraction
        table = None if extraction is None else extraction.table
        self.plots.visible = table is not None
        if extraction is None or table is None:
            self.words.object = _absent("" if extraction is None else extraction.problem, running)
            return
        kind = kind if kind in table[v.KIND].values else ALL_KINDS
        self.methods.show(table, kind)
        effort = extraction.effort
        self.effort.figure.visible = effort is not None
        if effort is not None:
            self.effort.show(effort, kind)
        self.words.object = _words(table, effort, kind)

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        self.methods.paint(name)
        self.effort.paint(name)


def _of(kind: str) -> str:
    return "" if kind == ALL_KINDS else f"{kind.replace('_', ' ')}, "


def _words(table: xr.Dataset, effort: xr.Dataset | None, kind: str) -> str:
    parts = []
    if effort is not None:
        fewest = effort["fewest_measurements"].sel({v.KIND: kind}).values
        if np.isfinite(fewest).any():
            parts.append(
                "Dashed: one-hot reads in the ideal product; dotted: twice their ratio, first "
                f"reached with {int(np.nanmin(fewest))} measurements."
            )
        else:
            parts.append(
                "Dashed: one-hot reads in the ideal product. No regression doubles their ratio "
                "(dotted) on these patterns."
            )
        parts.append(f"Bands: {effort.attrs['n_draws']} random draws of the patterns.")
    if table.attrs.get("left_out"):
        parts.append(f"Left out: {table.attrs['left_out']}.")
    return f"<p>{escape(' '.join(parts))}</p>"


def _absent(problem: str, running: bool) -> str:  # noqa: FBT001 - told by one caller
    if problem:
        return f"<p>The methods could not be compared. {escape(problem)}</p>"
    if running:
        return '<p role="status">The methods are being compared…</p>'
    return "<p>The comparison was not finished; calibrate again to have it.</p>"


def _paint_legend(legend: Legend, palette: theme.Palette) -> None:
    legend.update(
        background_fill_color=palette.background,
        label_text_color=palette.text,
        label_text_font=theme.FONT,
        label_text_font_size="11px",
        border_line_color=None,
    )
