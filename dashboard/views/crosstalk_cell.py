"""Panel of one cell: its current slot by slot, what it is, what couples onto it."""

from __future__ import annotations

from html import escape

import numpy as np
import xarray as xr
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool, Range1d

from analog_model import vocabulary as v
from analog_model.chip import Chip
from dashboard import theme
from dashboard.views.crosstalk_axes import (
    bare_figure,
    time_unit,
    unit_formatter,
    unit_hover,
)
from dashboard.views.crosstalk_classes import class_colours
from dashboard.views.crosstalk_numbers import Aggressor, nice_limit
from dashboard.views.crosstalk_timeline import mark_slot, paint_slot
from dashboard.views.html import Html

_STYLE = """
:host { color: var(--text, inherit); font-size: 13px; }
.cell { display: flex; gap: 26px; align-items: flex-start; flex-wrap: wrap; padding: 2px 4px; }
h3 { margin: 0 0 5px; font-size: 13px; font-weight: 650; }
dl { display: grid; grid-template-columns: auto auto; gap: 2px 14px; margin: 0; }
dt { color: var(--muted, #5a6577); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
dd i { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 650; padding-bottom: 4px; white-space: nowrap; }
th { font-weight: 400; color: var(--muted, #5a6577); text-align: right; }
th, td { padding: 1px 14px 1px 0; text-align: right; white-space: nowrap; }
th:last-child, td:last-child { text-align: left; padding-right: 0; }
.on { color: var(--accent, #0b62a8); font-weight: 650; }
.none { color: var(--muted, #5a6577); max-width: 34em; margin: 0; }
"""


class CellPanel:
    """Step plot of the cell's current on the timeline's axis, facts beside it."""

    def __init__(self, time: Range1d) -> None:
        self.figure = bare_figure(
            {
                "name": "cell",
                "x_range": time,
                "y_range": Range1d(0, 1),
                "y_axis_label": "current (nA)",
                "x_axis_label": "time (ns)",
                "min_border_right": 14,
                "min_border_left": 56,
                "min_border_bottom": 40,
            }
        )
        self.figure.xaxis.formatter = unit_formatter(1e-9)
        self.figure.yaxis.formatter = unit_formatter(1e-9)
        self.figure.yaxis.ticker.desired_num_ticks = 4
        self.slot = BoxAnnotation(left=0, right=0, level="underlay")
        self.figure.add_layout(self.slot)
        self.alone = self.figure.line([0, 0], [0, 0], line_width=1.5, line_dash="dashed")
        self.course = ColumnDataSource({"time": [], "current": []})
        self._line = self.figure.line("time", "current", source=self.course, line_width=2)
        self.figure.add_tools(
            HoverTool(
                renderers=[self._line],
                line_policy="prev",
                mode="vline",
                tooltips=[("current", "@current{custom}")],
                formatters={"@current": unit_hover(1e-9, "nA")},
            )
        )
        self.facts = Html(
            "",
            stylesheets=[_STYLE],
            sizing_mode="stretch_both",
            styles={"overflow": "auto"},
            margin=0,
        )

    def show_course(self, slots: xr.Dataset, current: np.ndarray, weight: float) -> None:
        """Draw the current (time_slot,) [A] of the cell; dashed, its weight [A]."""
        time, level = steps(slots, current)
        self.course.data = {"time": time, "current": level}
        begin, end = (float(time[0]), float(time[-1])) if len(time) else (0.0, 0.0)
        self.alone.data_source.data = {"x": [begin, end], "y": [weight, weight]}
        factor, unit = time_unit(end - begin)
        self.figure.xaxis.formatter.args = {"factor": factor, "suffix": ""}
        self.figure.xaxis.axis_label = f"time ({unit})"
        top = nice_limit(1.05 * max(weight, float(current.max(initial=0.0))))
        self.figure.y_range.end = top

    def show_slot(self, slots: xr.Dataset, current_slot: int) -> None:
        """Mark the slot looked at."""
        mark_slot(self.slot, slots, current_slot)

    def show_facts(
        self,
        chip: Chip,
        cell: tuple[int, int],
        *,
        shift: float,
        kappa: float,
        is_high: bool,
        coupled: list[Aggressor],
    ) -> None:
        """Say in words and numbers what the cell is, what acts on it in this slot."""
        self.facts.object = facts(
            chip, cell, shift=shift, kappa=kappa, is_high=is_high, coupled=coupled
        )

    def paint(self, name: str) -> None:
        """Take the colours of a theme."""
        colours = theme.PALETTES[name]
        theme.paint_figure(self.figure, name)
        paint_slot(self.slot, name)
        self.alone.glyph.line_color = colours.muted
        self._line.glyph.line_color = colours.accent


def steps(slots: xr.Dataset, current: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (time [s], level [A]) of a current that is constant in each slot."""
    begin, duration = slots[v.SLOT_START].values, slots[v.SLOT_DURATION].values
    if not len(begin):
        return np.empty(0), np.empty(0)
    time = np.column_stack([begin, begin + duration]).ravel()
    return np.append(time, time[-1]), np.append(np.repeat(current, 2), 0.0)


def facts(
    chip: Chip,
    cell: tuple[int, int],
    *,
    shift: float,
    kappa: float,
    is_high: bool,
    coupled: list[Aggressor],
) -> str:
    """HTML of one cell."""
    word_line, bit_line = cell
    number = int(chip.layout.layout_class[cell])
    colour = class_colours(chip.layout.n_classes)[number]
    weight = chip.cell_current[cell]
    state = '<span class="on">high now</span>' if is_high else "low now"
    return (
        '<div class="cell"><section>'
        f"<h3>Word line {word_line}, bit line {bit_line}</h3><dl>"
        f'<dt>layout class</dt><dd><i style="background:{colour}"></i>'
        f"{escape(chip.layout.class_names[number])}</dd>"
        f"<dt>weight</dt><dd>{weight * 1e9:.4g} nA</dd>"
        f"<dt>its word line</dt><dd>{state}</dd>"
        f"<dt>summed lift</dt><dd>{kappa:+.4f} nU<sub>T</sub></dd>"
        f"<dt>{'current shift' if is_high else 'shift when high'}</dt><dd>{shift * 100:+.3f} %</dd>"
        f"</dl></section>{_aggressor_table(coupled)}</div>"
    )


def _aggressor_table(coupled: list[Aggressor]) -> str:
    if not coupled:
        return '<p class="none">No word line couples onto this cell.</p>'
    rows = "".join(
        f"<tr><td>{item.word_line}</td><td>{item.offset:+d}</td><td>{item.kappa:+.4f}</td>"
        + ('<td class="on">high now</td>' if item.active else "<td>low now</td>")
        + "</tr>"
        for item in coupled
    )
    return (
        "<table><caption>Aggressors</caption><thead><tr><th>word line</th><th>offset</th>"
        "<th>κ (nU<sub>T</sub>)</th><th>state</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
