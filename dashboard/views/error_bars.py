"""Bar charts of the error: by effect, by bit line, by kind of pattern."""

from __future__ import annotations

import math

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, LabelSet, Range1d
from bokeh.plotting import figure

import analog_model as am
from analog_model import vocabulary as v
from analog_model.error_budget import SWITCHED, UNDIVIDED
from analog_model.figures.colours import CATEGORICAL, KIND_COLOURS, WAY_COLOURS
from analog_model.figures.units import unit_for
from dashboard import theme
from dashboard.views.error_numbers import ErrorNumbers

EFFECT_LABELS = {
    "crosstalk": "crosstalk",
    "wire": "wire drop",
    "lumped": "lumped drop",
    "droop": "droop",
    "dead_time": "dead time",
    "input_bits": "input code",
    "readout": "readout",
}
# Heights of a bar with its gap, of what stands above and below the bars [px].
ROW, HEADROOM = 20, 62
_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@text</div>'


def ser_text(ratio: float) -> str:
    """SER in dB with the ratio."""
    if math.isnan(ratio):
        return "no patterns"
    if math.isinf(ratio):
        return "no error"
    return f"{am.decibel(ratio):.1f} dB · ×{ratio:.3g}"


def of_split(numbers: ErrorNumbers) -> str:
    """End of a title that says whose patterns are shown."""
    return "" if numbers.split == UNDIVIDED else f" · {numbers.split} patterns"


class RowBars:
    """Horizontal bars of SER in dB, one labelled row each."""

    def __init__(self, title: str, *, height: int) -> None:
        self.source = ColumnDataSource(data={"row": [], "db": [], "text": [], "colour": []})
        self.rows = FactorRange()
        self.range = Range1d(0, 1)
        self.figure = figure(
            title=title,
            height=height,
            sizing_mode="stretch_width",
            x_range=self.range,
            y_range=self.rows,
            x_axis_label="SER [dB]",
            min_border_bottom=0,
            tools="",
            toolbar_location=None,
            min_border_right=8,
            min_border_left=104,
        )
        bars = self.figure.hbar(
            y="row", right="db", height=0.62, source=self.source, color="colour", line_color=None
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
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=_TOOLTIP))

    def show(self, rows: list[str], ratios: list[float], colours: list[str]) -> None:
        """One bar per row, the first at the top."""
        text = [ser_text(ratio) for ratio in ratios]
        finite = [am.decibel(r) if math.isfinite(r) and r > 0 else 0.0 for r in ratios]
        self.rows.factors = rows[::-1]
        self.source.data = {"row": rows, "db": finite, "text": text, "colour": colours}
        # Room to the right for the labels.
        self.range.update(start=min([0.0, *finite]), end=1.6 * max([10.0, *finite]))

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.labels.text_color = theme.PALETTES[name].text


class EffectBars(RowBars):
    """SER with each effect of the chip alone, with none, with all together."""

    def __init__(self) -> None:
        super().__init__("Effects", height=216)

    def show_numbers(self, numbers: ErrorNumbers) -> None:
        """Against the measured charge if that takes part in the comparison."""
        effects = numbers.effects.isel({v.SPLIT: 0})
        against_measured = "ser_of_model" in effects and numbers.true == "measured_charge"
        ratio = effects["ser_of_model" if against_measured else "ser_of_ideal"].values
        ways, names = effects[SWITCHED].values, effects["effects"].values
        rows, ratios, colours = [], [], []
        for way, name, ser in zip(ways, names, ratio, strict=True):
            if way == "none" and not against_measured:
                continue
            rows.append(self._row(str(way), str(name)))
            ratios.append(float(ser))
            colours.append(WAY_COLOURS[str(way)])
        self.figure.title.text = f"Effects in the model{of_split(numbers)}"
        self.figure.xaxis.axis_label = (
            "SER of the model to measured [dB]"
            if against_measured
            else "SER of the ideal to simulated [dB]"
        )
        self.figure.height = HEADROOM + ROW * len(rows)
        self.show(rows, ratios, colours)

    @staticmethod
    def _row(way: str, name: str) -> str:
        if way == "none":
            return "none (ideal)"
        if way == "together":
            return "all together"
        return EFFECT_LABELS[name]


class KindBars(RowBars):
    """SER over the patterns of each kind, in the colours of the scatter."""

    def __init__(self) -> None:
        super().__init__("Kinds of pattern", height=150)

    def show_numbers(self, numbers: ErrorNumbers) -> None:
        """One bar per kind that the split holds."""
        table = numbers.by_kind.isel({v.SPLIT: 0})
        kinds = [str(kind) for kind in table[v.KIND].values]
        counts = table["n_patterns"].values
        ratios = [float(value) for value in table["signal_to_error_ratio"].values]
        self.figure.title.text = f"Kinds of pattern{of_split(numbers)}"
        self.figure.height = HEADROOM + ROW * len(kinds)
        rows = [f"{k.replace('_', ' ')} ({n})" for k, n in zip(kinds, counts, strict=True)]
        colours = [KIND_COLOURS[kind] for kind in kinds]
        self.show(rows, ratios, colours)


class BitLineBars:
    """Error of each bit line, relative to its signal."""

    def __init__(self) -> None:
        self.source = ColumnDataSource(data={"bit_line": [], "percent": [], "text": []})
        self.x_range, self.y_range = Range1d(-0.6, 15.6), Range1d(0, 1)
        self.figure = figure(
            title="Bit lines",
            sizing_mode="stretch_both",
            min_height=150,
            x_range=self.x_range,
            y_range=self.y_range,
            x_axis_label="bit line",
            y_axis_label="rms error / signal [%]",
            tools="",
            toolbar_location=None,
            min_border_right=8,
            min_border_left=104,
        )
        self.bars = self.figure.vbar(
            x="bit_line", top="percent", width=0.8, source=self.source, line_color=None
        )
        self.figure.xgrid.grid_line_color = None
        self.figure.add_tools(HoverTool(renderers=[self.bars], tooltips=_TOOLTIP, mode="vline"))

    def show_numbers(self, numbers: ErrorNumbers) -> None:
        """One bar per bit line simulated or measured."""
        table = numbers.by_bit_line.isel({v.SPLIT: 0})
        lines = table[v.BIT_LINE].values.astype(float)
        percent = np.nan_to_num(100 / table["signal_to_error_ratio"].values, posinf=0.0)
        unit = unit_for(table["rms_error"].values, "C")
        text = [
            f"<b>bit line {int(line)}</b><br>SER {ser_text(float(ratio))}<br>"
            f"rms error {error:.3g} {unit.symbol}, mean {mean:+.3g} {unit.symbol}"
            for line, ratio, error, mean in zip(
                lines,
                table["signal_to_error_ratio"].values,
                unit.scaled(table["rms_error"].values),
                unit.scaled(table["mean_error"].values),
                strict=True,
            )
        ]
        self.source.data = {"bit_line": lines, "percent": percent, "text": text}
        spacing = float(np.diff(lines).min()) if lines.size > 1 else 1.0
        self.bars.glyph.width = 0.8 * spacing
        self.x_range.update(start=lines[0] - 0.6 * spacing, end=lines[-1] + 0.6 * spacing)
        self.y_range.end = 1.08 * float(percent.max()) or 1.0
        self.figure.title.text = f"Bit lines{of_split(numbers)}"

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.figure, name)
        self.bars.glyph.fill_color = CATEGORICAL[0]
