"""Curves of several runs, one over the other."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from dashboard import theme
from dashboard.training_curves import Curves
from dashboard.views.runs_numbers import Group
from dashboard.views.side_by_side import side_by_side

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5"><b>@name</b><br>epoch $x{0.0}, '


class RunCurves:
    """Accuracy on the left, loss on the right, a line for each run in its group's colour."""

    def __init__(self) -> None:
        self.epochs = Range1d(0, 1)
        self.accuracy, self.accuracy_lines = self._figure("Accuracy", "accuracy [%]", "$y{0.0} %")
        # A run of one epoch has a dot and no line.
        self.dots = ColumnDataSource(data={"x": [], "y": [], "colour": []})
        self.accuracy.scatter("x", "y", source=self.dots, color="colour", size=5)
        self.loss, self.loss_lines = self._figure(
            "Loss of the batches", "cross entropy", "$y{0.000}"
        )
        self.layout = side_by_side(
            pn.pane.Bokeh(self.accuracy, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.loss, sizing_mode="stretch_both", margin=0),
            left_width=230,
            right_width=230,
            height=260,
            right_share=1.0,
        )

    def _figure(self, title: str, label: str, value: str) -> tuple[Any, ColumnDataSource]:
        drawn = figure(
            title=title,
            sizing_mode="stretch_both",
            x_range=self.epochs,
            y_range=Range1d(0, 1),
            x_axis_label="epoch",
            y_axis_label=label,
            tools="",
            toolbar_location=None,
            min_border_left=58,
            min_border_right=10,
        )
        source = ColumnDataSource(data={"xs": [], "ys": [], "colour": [], "name": []})
        lines = drawn.multi_line("xs", "ys", source=source, color="colour", line_width=1.8)
        tooltips = f"{_TOOLTIP}{value}</div>"
        drawn.add_tools(HoverTool(renderers=[lines], tooltips=tooltips, line_policy="nearest"))
        return drawn, source

    def show(self, groups: list[Group], curves: dict[str, Curves]) -> None:
        """Draw the runs of the groups."""
        named = [(name, group.colour) for group in groups for name in group.names]
        shown = [(name, colour, curves[name]) for name, colour in named if name in curves]
        colours = [colour for _, colour, _ in shown]
        names = [name for name, _, _ in shown]
        percent = [[100 * value for value in one.accuracy] for _, _, one in shown]
        self.accuracy_lines.data = {
            "xs": [list(map(float, one.epoch)) for _, _, one in shown],
            "ys": percent,
            "colour": colours,
            "name": names,
        }
        losses = [one.loss for _, _, one in shown]
        self.loss_lines.data = {
            "xs": [one.loss_position for _, _, one in shown],
            "ys": losses,
            "colour": colours,
            "name": names,
        }
        self.dots.data = {
            "x": [float(epoch) for _, _, one in shown for epoch in one.epoch],
            "y": [value for line in percent for value in line],
            "colour": [colour for _, colour, one in shown for _ in one.epoch],
        }
        judged = {one.evaluated_on for _, _, one in shown}
        self.accuracy.title.text = f"Accuracy, {' or '.join(sorted(judged)) or 'test'} images"
        self.epochs.end = max((g.runs[0].configuration.epochs for g in groups), default=1)
        everything = [value for line in percent for value in line]
        if everything:
            margin = 1 + 0.05 * (max(everything) - min(everything))
            low, high = min(everything) - margin, max(everything) + margin
            self.accuracy.y_range.update(start=max(0.0, low), end=min(101.0, high))
        highest = max((value for line in losses for value in line), default=1.0)
        self.loss.y_range.update(start=0, end=1.08 * highest)

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        theme.paint_figure(self.accuracy, name)
        theme.paint_figure(self.loss, name)
