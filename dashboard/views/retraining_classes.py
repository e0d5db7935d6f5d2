"""Accuracy by class, with the confusion matrix of one treatment."""

from __future__ import annotations

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, LinearColorMapper, Range1d
from bokeh.plotting import figure

from dashboard import theme
from dashboard.views.retraining_numbers import TREATMENT_COLOURS, Treatment
from dashboard.views.side_by_side import side_by_side

_TOOLTIP = '<div style="font: 12px system-ui; line-height: 1.5">@text</div>'


class ClassPlots:
    """Dots by class on the left, a line for each treatment; the matrix on the right."""

    def __init__(self) -> None:
        self.classes, self.percent = FactorRange(), Range1d(0, 100)
        self.sources = {
            name: ColumnDataSource(data={"label": [], "percent": [], "text": []})
            for name in TREATMENT_COLOURS
        }
        self.dots = figure(
            title="Accuracy by class",
            sizing_mode="stretch_both",
            x_range=self.classes,
            y_range=self.percent,
            x_axis_label="class",
            y_axis_label="accuracy [%]",
            tools="",
            toolbar_location=None,
        )
        drawn = []
        for name, source in self.sources.items():
            colour = TREATMENT_COLOURS[name]
            self.dots.line("label", "percent", source=source, color=colour, line_alpha=0.45)
            drawn.append(self.dots.scatter("label", "percent", source=source, color=colour, size=8))
        self.dots.add_tools(HoverTool(renderers=drawn, tooltips=_TOOLTIP))
        self.given, self.own = FactorRange(), FactorRange()
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=0, high=0.2)
        self.cells = ColumnDataSource(
            data={
                "own": [],
                "given": [],
                "share": [],
                "count": [],
                "text": [],
                "ink": [],
                "alpha": [],
            }
        )
        self.matrix = self._matrix()
        self.layout = side_by_side(
            pn.pane.Bokeh(self.dots, sizing_mode="stretch_both", margin=0),
            pn.pane.Bokeh(self.matrix, sizing_mode="stretch_both", margin=0),
            left_width=310,
            right_width=320,
            height=340,
            right_share=1.0,
        )

    def _matrix(self) -> figure:
        drawn = figure(
            title="Confusion matrix",
            sizing_mode="stretch_both",
            x_range=self.given,
            y_range=self.own,
            x_axis_label="class given",
            y_axis_label="class of the image",
            tools="",
            toolbar_location=None,
        )
        drawn.grid.visible = False
        cells = drawn.rect(
            "given",
            "own",
            width=1,
            height=1,
            source=self.cells,
            line_color=None,
            fill_color={"field": "share", "transform": self.mapper},
            fill_alpha="alpha",
        )
        drawn.text(
            "given",
            "own",
            text="count",
            source=self.cells,
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            text_font={"value": theme.FONT},
            text_color="ink",
        )
        drawn.add_tools(HoverTool(renderers=[cells], tooltips=_TOOLTIP))
        return drawn

    def show(self, treatments: dict[str, Treatment], chosen: str, name: str) -> None:
        """Draw every treatment's classes, the matrix of the chosen one, for a theme."""
        for key, source in self.sources.items():
            one = treatments.get(key)
            source.data = _dots(one) if one else {"label": [], "percent": [], "text": []}
        shown = list(treatments.values())
        if not shown:
            return
        self.classes.factors = list(shown[0].labels)
        lowest = min(float(np.nanmin(one.class_accuracy)) for one in shown)
        self.percent.update(start=max(0.0, 10 * (10 * lowest // 1 - 0.5)), end=102)
        one = treatments.get(chosen, shown[-1])
        self.given.factors, self.own.factors = list(one.labels), list(one.labels)[::-1]
        self.matrix.title.text = f"Confusion matrix · {one.label}, images"
        self._show_matrix(one, name)

    def _show_matrix(self, one: Treatment, name: str) -> None:
        n = len(one.labels)
        wrong = ~np.eye(n, dtype=bool)
        rows = one.confusion.sum(1, keepdims=True)
        share = np.divide(one.confusion, rows, out=np.zeros((n, n)), where=rows > 0)
        # Errors are what the colours are for; the diagonal would drown them.
        self.mapper.high = max(0.02, float(share[wrong].max()))
        ink = theme.PALETTES[name].text
        strong = theme.PALETTES[name].background
        counts = one.confusion.ravel()
        dark = np.where(wrong, share, 0).ravel() > 0.55 * self.mapper.high
        self.cells.data = {
            "own": np.repeat(one.labels, n).tolist(),
            "given": list(one.labels) * n,
            "share": np.where(wrong, share, 0.0).ravel().tolist(),
            "count": [str(count) if count else "" for count in counts],
            "alpha": (np.where(wrong, share, 0.0).ravel() > 0).astype(float).tolist(),
            "ink": [strong if it else ink for it in dark],
            "text": [
                f"{count} images of class {a} taken for {b}" if a != b else f"{count} right"
                for count, a, b in zip(
                    counts, np.repeat(one.labels, n), list(one.labels) * n, strict=True
                )
            ],
        }

    def paint(self, name: str) -> None:
        """Colours of a theme."""
        for one in (self.dots, self.matrix):
            theme.paint_figure(one, name)
        self.mapper.palette = theme.sequential(name)


def _dots(one: Treatment) -> dict[str, list[object]]:
    percent = (100 * one.class_accuracy).tolist()
    text = [
        f"<b>{one.label}</b><br>class {label}: {value:.1f} %"
        for label, value in zip(one.labels, percent, strict=True)
    ]
    return {"label": list(one.labels), "percent": percent, "text": list(text)}
