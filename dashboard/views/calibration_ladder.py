"""Ladder of models as two charts: how well each predicts, what each step explains.

Both fill in while a calibration runs, judged then by calibration patterns left out one at a
time; a finished one is judged by the patterns chosen on the page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr
from bokeh.core.properties import value
from bokeh.models import (
    ColumnDataSource,
    FactorRange,
    HoverTool,
    Label,
    LabelSet,
    LogScale,
    Range1d,
    Span,
    TapTool,
)
from bokeh.plotting import figure

import analog_model as am
from analog_model import vocabulary as v
from analog_model.calibration.rungs import LADDER
from analog_model.figures.colours import CATEGORICAL
from dashboard import theme
from dashboard.calibration_run import FittedModel
from dashboard.views.calibration_numbers import (
    FULL,
    IDEAL,
    IDEAL_REFIT,
    SHARED,
    Step,
    model_label,
)
from dashboard.views.error_bars import RowBars, ser_text

# What a ladder fits, in the order in which the charts list it.
PLANNED = (IDEAL, IDEAL_REFIT, *(rung.name for rung in LADDER), FULL)
PLANNED_STEPS = PLANNED[2:]
GREY, SKY, BLUE, GREEN, ORANGE = (CATEGORICAL[k] for k in (7, 4, 0, 2, 1))
_COLOURS = {IDEAL: GREY, IDEAL_REFIT: SKY, SHARED: BLUE, FULL: GREEN}
_LEFT = 156
_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@hover</div>'


class ModelBars(RowBars):
    """SER in dB of every model, with the ceiling that read noise sets."""

    def __init__(self, on_choose: Callable[[str], None]) -> None:
        super().__init__("Models", height=400)
        self._on_choose = on_choose
        self._models: list[str] = []
        self._patching = False
        self.figure.update(
            sizing_mode="stretch_both",
            min_border_left=_LEFT,
        )
        self.figure.xaxis.axis_label = "signal-to-error ratio [dB]"
        self.ceiling = Span(
            dimension="height", line_dash="dashed", line_width=1.4, visible=False, level="underlay"
        )
        self.ceiling_label = Label(
            x=0,
            y=0,
            x_offset=6,
            text="",
            text_baseline="middle",
            text_font_size="11px",
            text_font=theme.FONT,
            visible=False,
        )
        self.figure.add_layout(self.ceiling)
        self.figure.add_layout(self.ceiling_label)
        bars = self.figure.renderers[0]
        bars.nonselection_glyph = None
        self.figure.select_one(HoverTool).tooltips = _TOOLTIP
        self.figure.add_tools(TapTool(renderers=[bars]))
        self.source.selected.on_change("indices", self._tapped)

    def show_running(self, models: Sequence[FittedModel]) -> None:
        """Models fitted so far, with room for those to come."""
        done = {model.name: model for model in models}
        names = [*PLANNED, *(name for name in done if name not in PLANNED)]
        hover = [_model_text(done[name]) if name in done else "" for name in names]
        ratios = [done[name].ratio if name in done else math.nan for name in names]
        self.figure.title.text = "Models so far · calibration patterns"
        self.ceiling.visible = self.ceiling_label.visible = False
        self._draw(names, ratios, hover, absent="")

    def show_report(self, report: xr.Dataset, models: Sequence[FittedModel]) -> None:
        """Every model's SER on the patterns of one split, one kind: `report` of just these."""
        by_name = {model.name: model for model in models}
        names = [str(name) for name in report["model"].values]
        chi_square = report["chi_square"].values
        hover = []
        for name, chi in zip(names, chi_square, strict=True):
            model = by_name[name]
            judged = "" if math.isnan(chi) else f"<br>χ² per reading here {chi:.4g}"
            hover.append(_model_text(model) + judged)
        self._draw(names, report["signal_to_error_ratio"].values.tolist(), hover)
        split, kind = str(report[v.SPLIT].item()), str(report[v.KIND].item())
        kinds = "" if kind == "all" else f"{kind.replace('_', ' ')}, "
        self.figure.title.text = f"Models · {kinds}{split} patterns ({int(report['n_patterns'])})"
        ceiling = float(report["ceiling"].values[0])
        known = math.isfinite(ceiling)
        if known:
            level = am.decibel(ceiling)
            self.ceiling.location = level
            # Beside the first row, whose bar is the shortest.
            row = len(names) - 0.5
            self.ceiling_label.update(x=level, y=row, text=f"read noise\n{level:.1f} dB")
        self.ceiling.visible = self.ceiling_label.visible = known

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        super().paint(name)
        palette = theme.PALETTES[name]
        self.labels.background_fill_color = palette.background
        self.ceiling.line_color = palette.text
        self.ceiling_label.text_color = palette.muted

    def _draw(
        self,
        names: list[str],
        ratios: list[float],
        hover: list[str],
        *,
        absent: str = "no patterns",
    ) -> None:
        self._models = names
        level = [am.decibel(r) if math.isfinite(r) and r > 0 else 0.0 for r in ratios]
        rows = [model_label(name) for name in names]
        if self.rows.factors != rows[::-1]:
            self.rows.factors = rows[::-1]
        self.source.data = {
            "row": rows,
            "db": level,
            "text": [absent if math.isnan(ratio) else ser_text(ratio) for ratio in ratios],
            "colour": [_COLOURS.get(name, BLUE) for name in names],
            "hover": hover,
        }
        # Room to the right for the labels; at least 60 dB, so that live bars grow in place.
        self.range.update(start=min([0.0, *level]), end=1.42 * max([60.0, *level]))

    def _tapped(self, _name: str, _old: Any, new: Sequence[int]) -> None:
        if self._patching or not new:
            return
        chosen = self._models[new[0]]
        self._patching = True
        try:
            self.source.selected.indices = []
        finally:
            self._patching = False
        self._on_choose(chosen)


class StepBars:
    """What every effect explains: the drop of held-out chi-square, on a logarithmic axis."""

    def __init__(self) -> None:
        self.source = ColumnDataSource(
            data={name: [] for name in ("row", "low", "high", "text", "colour", "hover", "at")}
        )
        self.rows = FactorRange()
        self.range = Range1d(0.5, 2000)
        self.figure = figure(
            title="Error energy that each effect explains",
            sizing_mode="stretch_both",
            x_range=self.range,
            x_scale=LogScale(),
            x_axis_type="log",
            y_range=self.rows,
            x_axis_label="held-out χ² per reading, from model to model",
            tools="",
            toolbar_location=None,
            min_border_right=8,
            min_border_left=_LEFT - 20,
        )
        bars = self.figure.hbar(
            y="row",
            left="low",
            right="high",
            height=0.62,
            source=self.source,
            color="colour",
            line_color=None,
        )
        self.labels = LabelSet(
            x="at",
            y="row",
            text="text",
            source=self.source,
            x_offset=6,
            text_font_size="11px",
            text_baseline="middle",
            text_font=value(theme.FONT),
        )
        self.figure.add_layout(self.labels)
        self.perfect = Span(
            location=1, dimension="height", line_dash="dashed", line_width=1.4, level="underlay"
        )
        self.figure.add_layout(self.perfect)
        self.figure.ygrid.grid_line_color = None
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=_TOOLTIP))

    def show(
        self, steps: Sequence[Step], *, noise_known: bool, planned: Sequence[str] = ()
    ) -> None:
        """One bar per step, from chi-square after to chi-square before it.

        `planned` names the steps that are still to come.
        """
        rows = [model_label(step.name) for step in steps]
        later = [model_label(name) for name in planned]
        low = [min(step.before, step.after) for step in steps]
        high = [max(step.before, step.after) for step in steps]
        factors = list(dict.fromkeys([*later, *rows]))[::-1]
        if self.rows.factors != factors:
            self.rows.factors = factors
        self.source.data = {
            "row": rows,
            "low": low,
            "high": high,
            "at": high,
            "text": [_share_text(step.share) for step in steps],
            "colour": [
                GREEN if s.name == FULL else BLUE if s.share >= 0 else ORANGE for s in steps
            ],
            "hover": [_step_text(step) for step in steps],
        }
        if steps:
            least, most = min(low), max(high)
            floor = min(least, 1.0) if noise_known else least
            # Room to the right for the labels, in decades.
            span = max(math.log10(most / floor), 1.0)
            self.range.update(start=floor / 1.6, end=most * 10 ** (0.42 * span))
        self.perfect.visible = noise_known

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        palette = theme.PALETTES[name]
        self.labels.update(text_color=palette.text, background_fill_color=palette.background)
        self.perfect.line_color = palette.text


def _model_text(model: FittedModel) -> str:
    return (
        f"<b>{model_label(model.name)}</b><br>{model.explains}<br>"
        f"{model.n_parameters} shared parameters<br>"
        f"held-out χ² per reading {model.chi_square:.4g}"
    )


def _share_text(share: float) -> str:
    percent = 100 * share
    if abs(percent) >= 0.1:
        return f"{percent:.1f} %" if abs(percent) < 10 else f"{percent:.0f} %"
    return f"{percent:.1g} %"


def _step_text(step: Step) -> str:
    left = 100 * (1 - step.after / step.before)
    return (
        f"<b>{model_label(step.name)}</b>: {step.explains}<br>"
        f"χ² per reading {step.before:.4g} → {step.after:.4g}<br>"
        f"{_share_text(step.share)} of the ideal product's error energy,<br>"
        f"{left:.0f} % of what the model before left over"
    )
