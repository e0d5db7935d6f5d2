"""Live curves of a comparison: accuracy above loss, the float network left of its retraining."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, Label, Range1d, Span
from bokeh.plotting import figure

from analog_model.nn.training.configuration import FLOAT
from dashboard import theme
from dashboard.training_choices import DEFENCES
from dashboard.training_curves import Curves
from dashboard.views.retraining_numbers import (
    DIGITAL,
    TREATMENT_COLOURS,
    TREATMENT_LABELS,
    UNDEFENDED,
    Treatment,
)

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">'
SIDES = {"left": (FLOAT,), "right": DEFENCES}
_LEFT_BORDER, _RIGHT_BORDER = 58, 10


class CurvePanel:
    """One pair of axes with a line for each mode, which grow as points come."""

    def __init__(self, modes: tuple[str, ...], *, x_range: Range1d, y_range: Range1d) -> None:
        self.sources = {
            mode: ColumnDataSource(data={"x": [], "y": [], "train": []}) for mode in modes
        }
        self.figure = figure(
            sizing_mode="stretch_both",
            min_height=150,
            x_range=x_range,
            y_range=y_range,
            tools="",
            toolbar_location=None,
            min_border_left=_LEFT_BORDER,
            min_border_right=_RIGHT_BORDER,
        )
        for mode, source in self.sources.items():
            colour = TREATMENT_COLOURS[mode]
            self.figure.line("x", "y", source=source, color=colour, line_width=1.8)

    def show(self, mode: str, points: dict[str, list[Any]]) -> None:
        """Draw what came: points that follow those drawn are added to them."""
        source = self.sources[mode]
        drawn, n = source.data, len(source.data["x"])
        if len(points["x"]) >= n and list(drawn["x"]) == points["x"][:n]:
            if len(points["x"]) == n:
                return
            if _streams(source):
                source.stream({name: values[n:] for name, values in points.items()})
                return
        source.data = {name: list(values) for name, values in points.items()}

    def mark_points(self) -> None:
        """A dot at every epoch, with what it says."""
        for mode, source in self.sources.items():
            dots = self.figure.scatter(
                "x", "y", source=source, size=6, color=TREATMENT_COLOURS[mode]
            )
            label = "Float network" if mode == FLOAT else TREATMENT_LABELS[mode]
            text = (
                f"{_TOOLTIP}<b>{label}</b>, epoch @x{{0}}<br>judged @y{{0.0}} %, "
                "training batches @train{0.0} %</div>"
            )
            self.figure.add_tools(HoverTool(renderers=[dots], tooltips=text))


class TrainingCurves:
    """Accuracy and loss of every run of a comparison, with what is known of the chip."""

    def __init__(self) -> None:
        self.epochs = {"left": Range1d(0, 1), "right": Range1d(0, 1)}
        self.accuracies = self._pair(100.0)
        self.losses = self._pair(2.4)
        self._show_titles(off_chip=False)
        for side in SIDES:
            self.accuracies[side].mark_points()
            self.accuracies[side].figure.xaxis.major_label_text_font_size = "0pt"
            self.losses[side].figure.xaxis.axis_label = "epoch"
        self.accuracies["left"].figure.yaxis.axis_label = "accuracy [%]"
        self.losses["left"].figure.yaxis.axis_label = "cross entropy"
        self.lines: dict[str, Span] = {}
        self.words: dict[str, Label] = {}
        for name, above in ((DIGITAL, True), (UNDEFENDED, False)):
            self._mark(name, above=above)
        self._seen: dict[str, Curves] = {}
        self.layout = self._layout()

    def _pair(self, highest: float) -> dict[str, CurvePanel]:
        return {
            side: CurvePanel(modes, x_range=self.epochs[side], y_range=Range1d(0, highest))
            for side, modes in SIDES.items()
        }

    def _mark(self, name: str, *, above: bool) -> None:
        """A line across at what the float network is worth, in digital or on the chip."""
        colour = TREATMENT_COLOURS[name]
        line = Span(
            location=0, dimension="width", line_color=colour, line_dash="dashed", visible=False
        )
        words = Label(
            x=8,
            y=0,
            x_units="screen",
            text=TREATMENT_LABELS[name].lower(),
            text_color=colour,
            text_font=theme.FONT,
            text_font_size="11px",
            text_baseline="bottom" if above else "top",
            y_offset=2 if above else -2,
            visible=False,
        )
        panel = self.accuracies["right"].figure
        panel.add_layout(line)
        panel.add_layout(words)
        self.lines[name], self.words[name] = line, words

    def _layout(self) -> pn.Row:
        def column(side: str) -> pn.Column:
            return pn.Column(
                pn.pane.Bokeh(self.accuracies[side].figure, sizing_mode="stretch_both", margin=0),
                pn.pane.Bokeh(self.losses[side].figure, sizing_mode="stretch_both", margin=0),
                sizing_mode="stretch_both",
                margin=0,
            )

        left, right = column("left"), column("right")
        left.styles = {"flex": "2 1 0", "min-width": "0", "contain": "size"}
        right.styles = {"flex": "3 1 0", "min-width": "0", "contain": "size"}
        return pn.Row(left, right, sizing_mode="stretch_both", margin=0)

    def show(self, curves: dict[str, Curves], epochs: dict[str, int]) -> None:
        """Draw what the journals say; `epochs` of each run, there or still to come."""
        for mode in (FLOAT, *DEFENCES):
            side, one = ("left" if mode in SIDES["left"] else "right"), curves.get(mode, Curves())
            self.accuracies[side].show(
                mode,
                {
                    "x": one.epoch,
                    "y": [100 * value for value in one.accuracy],
                    "train": [100 * value for value in one.train_accuracy],
                },
            )
            empty = [0.0] * len(one.loss)
            self.losses[side].show(mode, {"x": one.loss_position, "y": one.loss, "train": empty})
        self.epochs["left"].end = epochs.get(FLOAT, 1)
        self.epochs["right"].end = max([n for m, n in epochs.items() if m != FLOAT], default=1)
        # On the way a network is judged where it is trained.
        self._show_titles(off_chip="noise" in epochs)
        self._seen = curves
        self._fit_axes()

    def _show_titles(self, *, off_chip: bool) -> None:
        """Titles of equal height, so that the axes stand level: in a line they outgrow a tablet."""
        below = "\nweight noise judged off the chip" if off_chip else ""
        self.accuracies["right"].figure.title.text = f"Retraining from it{below}"
        self.accuracies["left"].figure.title.text = "Float network" + ("\n " if off_chip else "")

    def show_chip(self, treatments: dict[str, Treatment]) -> None:
        """Draw what the float network is worth, in digital and on the chip."""
        for name, line in self.lines.items():
            known = treatments.get(name)
            line.visible = self.words[name].visible = known is not None
            if known is not None:
                line.location = self.words[name].y = 100 * known.accuracy
        self._fit_axes()

    def _fit_axes(self) -> None:
        """Axes of each side from its own data: the chip's few points must be seen."""
        for side, modes in SIDES.items():
            seen = [self._seen[mode] for mode in modes if mode in self._seen]
            percent = [100 * value for one in seen for value in one.accuracy]
            if side == "right":
                percent += [line.location for line in self.lines.values() if line.visible]
            if percent:
                margin = 1 + 0.15 * (max(percent) - min(percent))
                low, high = max(0.0, min(percent) - margin), min(101.0, max(percent) + margin)
                self.accuracies[side].figure.y_range.update(start=low, end=high)
            losses = [value for one in seen for value in one.loss]
            if losses:
                self.losses[side].figure.y_range.update(start=0, end=1.08 * max(losses))

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        for panel in (*self.accuracies.values(), *self.losses.values()):
            theme.paint_figure(panel.figure, name)
        self.lines[DIGITAL].line_color = theme.PALETTES[name].muted
        self.words[DIGITAL].text_color = theme.PALETTES[name].muted


def _streams(source: ColumnDataSource) -> bool:
    """Whether points may be added one by one: a notebook's page sends them back, added again."""
    return source.document is None or source.document.session_context is not None
