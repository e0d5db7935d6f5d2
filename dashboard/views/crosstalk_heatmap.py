"""Heatmap of the array, one colour per cell.

The image is patched in place. Word line 0 is on top; bit lines run to the right.
"""

from __future__ import annotations

import numpy as np
from bokeh.models import (
    BasicTicker,
    ColorBar,
    ColumnDataSource,
    CustomJSHover,
    CustomJSTickFormatter,
    HoverTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    WheelZoomTool,
)

from analog_model.chip import Chip
from dashboard import theme
from dashboard.views.crosstalk_axes import (
    bare_figure,
    line_range,
    line_ticker,
    resize,
    unit_hover,
)
from dashboard.views.crosstalk_classes import class_colours
from dashboard.views.crosstalk_numbers import Aggressor, CellMap
from dashboard.views.crosstalk_window import Window

# Cells a side up to which each one carries a mark of its class.
MARKED_SIDE = 48
_LINES = "const k = Math.round(value); return String(k)"
_TICKS = """
if (whole && !Number.isInteger(tick)) return ""
return Number((tick / factor).toPrecision(4)).toString() + suffix
"""
_BLOCK = """
const first = origin + Math.floor((value + 0.5 - origin) / block) * block
const last = Math.min(first + block, end) - 1
return last > first ? first + " to " + last : String(first)
"""


class Heatmap:
    """The figure, with the sources behind it.

    `shown` is the map drawn last, `window` the cells that the browser has.
    """

    def __init__(self, shape: tuple[int, int], word_lines: Range1d) -> None:
        self.window = Window.whole(shape)
        self.shown: CellMap | None = None
        self._chip: Chip | None = None
        self._drawn_of: tuple[Window, str] | None = None
        self.figure = bare_figure(
            {
                "x_range": line_range(shape[1]),
                "y_range": word_lines,
                "x_axis_label": "bit line",
                "name": "heatmap",
                "min_border_right": 80,
            }
        )
        self.figure.xaxis.ticker = line_ticker()
        self.figure.yaxis.visible = False
        self.image = ColumnDataSource({"image": [np.zeros((1, 1), dtype=np.float32)]})
        self.mapper = LinearColorMapper(palette=["#ffffff"], low=0, high=1)
        self.renderer = self.figure.image(
            image="image", source=self.image, color_mapper=self.mapper, **self.window.place()
        )
        self._add_marks()
        self._add_bar()
        self._add_tools()

    def _add_marks(self) -> None:
        """Class of each cell, aggressors of the selected one, the selected one itself."""
        self.marks = ColumnDataSource({"x": [], "y": [], "color": []})
        self.figure.rect(
            "x", "y", width=0.17, height=0.17, color="color", line_width=0, source=self.marks
        )
        self.aggressors = ColumnDataSource({"x": [], "y": [], "dash": []})
        self._aggressor_boxes = self.figure.rect(
            "x",
            "y",
            width=0.92,
            height=0.92,
            fill_color=None,
            line_width=2,
            line_dash={"field": "dash"},
            source=self.aggressors,
        )
        self.selection = ColumnDataSource({"x": [0], "y": [0]})
        self._halo = self.figure.rect(
            "x", "y", width=1, height=1, fill_color=None, line_width=5, source=self.selection
        )
        self._box = self.figure.rect(
            "x", "y", width=1, height=1, fill_color=None, line_width=2.5, source=self.selection
        )

    def _add_bar(self) -> None:
        self._ticks = CustomJSTickFormatter(
            args={"factor": 1.0, "suffix": "", "whole": False}, code=_TICKS
        )
        self._ring = self.figure.scatter(
            "x",
            "y",
            size=18,
            marker="circle",
            fill_color=None,
            line_width=2,
            source=self.selection,
            visible=False,
        )
        self.bar = ColorBar(
            formatter=self._ticks,
            color_mapper=self.mapper,
            width=12,
            padding=6,
            border_line_color=None,
            ticker=BasicTicker(desired_num_ticks=6),
            bar_line_color=None,
        )
        self.figure.add_layout(self.bar, "right")

    def _add_tools(self) -> None:
        self._line = CustomJSHover(code=_LINES)
        self._across = CustomJSHover(args={"origin": 0, "block": 1, "end": 1}, code=_BLOCK)
        self._down = CustomJSHover(args={"origin": 0, "block": 1, "end": 1}, code=_BLOCK)
        self._class = CustomJSHover(args={"names": []}, code="return names[value]")
        self.hover = HoverTool(renderers=[self.renderer], point_policy="follow_mouse")
        self._zoom = WheelZoomTool(maintain_focus=False)
        self._pan = PanTool()
        self.figure.add_tools(self.hover, self._zoom, self._pan)

    def show(self, chip: Chip, cells: CellMap, shift: CellMap, name: str) -> None:
        """Draw a map; only what changed is sent. `name` is the colour theme."""
        if chip.cell_current.shape != self._shape():
            self._resize(chip.cell_current.shape)
        window, full = self.window, self.window.is_full
        changing = {"image": [self._drawn(chip, cells)]}
        if full and shift.kappa is not None:
            changing["kappa"] = [window.reduced(shift.kappa)]
            if cells is not shift:
                changing["shift"] = [window.reduced(shift.values)]
        if self._stays(chip, cells):
            self.image.data.update(changing)
        else:
            self._drawn_of = (window, cells.quantity.name)
            self.image.data = changing | (self._fixed(chip) if full else {})
            self._place(chip)
            self._describe(chip, cells, name)
        self._chip, self.shown = chip, cells
        self._colour(cells)

    def _stays(self, chip: Chip, cells: CellMap) -> bool:
        """Whether everything but the pattern's part is in the browser already."""
        before = self._chip
        if before is None or self._drawn_of != (self.window, cells.quantity.name):
            return False
        if before is chip or not self.window.is_full:
            return before.layout is chip.layout
        sent, wanted = (self.window.of(known.cell_current) for known in (before, chip))
        return before.layout is chip.layout and bool(np.array_equal(sent, wanted))

    def _drawn(self, chip: Chip, cells: CellMap) -> np.ndarray:
        if cells.quantity.name == "layout_class":
            return self.window.uniform(cells.values, chip.layout.n_classes)
        return self.window.reduced(cells.values)

    def _fixed(self, chip: Chip) -> dict[str, list[np.ndarray]]:
        classes = self.window.of(chip.layout.layout_class)
        return {
            "weight": [self.window.reduced(chip.cell_current)],
            "layout_class": [np.ascontiguousarray(classes, dtype=np.uint16)],
        }

    def _shape(self) -> tuple[int, int] | None:
        return None if self._chip is None else self._chip.cell_current.shape

    def _resize(self, shape: tuple[int, int]) -> None:
        self.window = Window.whole(shape)
        resize(self.figure.x_range, shape[1])
        resize(self.figure.y_range, shape[0])
        # On small arrays the wheel scrolls the page, as there is nothing to zoom into.
        large = max(shape) > MARKED_SIDE
        self.figure.toolbar.active_scroll = self._zoom if large else None
        self._ring.visible = large

    def _place(self, chip: Chip) -> None:
        """Image, class marks and hover of the window in view."""
        window = self.window
        self.renderer.glyph.update(**window.place())
        rows, columns = window.block
        self._down.args = {"origin": window.top, "block": rows, "end": window.bottom}
        self._across.args = {"origin": window.left, "block": columns, "end": window.right}
        self._class.args = {"names": [*chip.layout.class_names, "several classes"]}
        if max(window.shape) <= MARKED_SIDE and chip.layout.n_classes > 1:
            j, i = np.indices(window.shape)
            palette = class_colours(chip.layout.n_classes)
            classes = window.of(chip.layout.layout_class).ravel()
            self.marks.data = {
                "x": (i.ravel() + window.left - 0.36).astype(np.float32),
                "y": (j.ravel() + window.top - 0.36).astype(np.float32),
                "color": [palette[k] for k in classes],
            }
        elif len(self.marks.data["x"]):
            self.marks.data = {"x": [], "y": [], "color": []}

    def _describe(self, chip: Chip, cells: CellMap, name: str) -> None:
        """Colour bar, hover and colours for another quantity."""
        quantity, window = cells.quantity, self.window
        self._paint_scale(chip, cells, name)
        is_class = quantity.name == "layout_class"
        # In place: a colour bar on screen does not take up another ticker or formatter.
        self._ticks.args = {
            "factor": quantity.factor,
            "suffix": f" {quantity.unit}" if quantity.unit else "",
            "whole": is_class,
        }
        formatters = {
            "@image": self._class if is_class else unit_hover(quantity.factor, quantity.unit),
            "$x": self._across,
            "$y": self._down,
            "@layout_class": self._class,
            "@weight": unit_hover(1e-9, "nA"),
            "@shift": unit_hover(1e-2, "%"),
            "@kappa": unit_hover(1.0, "nU_T"),
        }
        cell = ("cell", "word line $y{custom}, bit line $x{custom}")
        value = (quantity.label.lower(), "@image{custom}")
        if window.is_full:
            rows = [cell, ("class", "@layout_class{custom}")]
            rows += [("weight", "@weight{custom}"), ("kappa now", "@kappa{custom}")]
            rows += [] if quantity.name == "shift" else [("current shift", "@shift{custom}")]
            rows += [value] if quantity.name in ("shift", "drop") else []
        elif window.is_exact or is_class:
            rows = [cell, value]
        else:
            rows = [("cells", cell[1]), (f"largest {value[0]}", value[1])]
        self.hover.update(tooltips=rows, formatters=formatters)

    def _colour(self, cells: CellMap) -> None:
        if (self.mapper.low, self.mapper.high) != (cells.low, cells.high):
            self.mapper.update(low=cells.low, high=cells.high)

    def _paint_scale(self, chip: Chip, cells: CellMap, name: str) -> None:
        # A block of several classes carries the number after the last class.
        several = None
        if cells.quantity.name == "layout_class":
            palette = class_colours(chip.layout.n_classes)
            several = theme.PALETTES[name].border
        else:
            palette = theme.diverging(name) if cells.quantity.signed else theme.sequential(name)
        if self.mapper.palette != palette or self.mapper.high_color != several:
            self.mapper.update(palette=palette, high_color=several)

    def note(self) -> str:
        """What one colour stands for, where that is not one cell."""
        if self.window.is_exact or self.shown is None:
            return ""
        rows, columns = self.window.block
        if self.shown.quantity.name == "layout_class":
            return f"grey: several classes in {rows} × {columns} cells, zoom in"
        return f"each colour the largest of {rows} × {columns} cells"

    def select(self, word_line: int, bit_line: int, aggressors: list[Aggressor]) -> None:
        """Mark one cell with the cells beside it whose word lines couple onto it."""
        self.selection.data = {"x": [bit_line], "y": [word_line]}
        self.aggressors.data = {
            "x": [bit_line] * len(aggressors),
            "y": [aggressor.word_line for aggressor in aggressors],
            "dash": ["solid" if aggressor.active else "dotted" for aggressor in aggressors],
        }

    def paint(self, name: str) -> None:
        """Take the colours of a theme."""
        colours = theme.PALETTES[name]
        theme.paint_figure(self.figure, name)
        self.mapper.nan_color = colours.border
        self._halo.glyph.line_color = colours.background
        self._box.glyph.line_color = colours.text
        self._ring.glyph.line_color = colours.text
        self._aggressor_boxes.glyph.line_color = colours.accent
        if self._chip is not None and self.shown is not None:
            self._paint_scale(self._chip, self.shown, name)

    def zoom(self, factor: float, word_line: int, bit_line: int) -> None:
        """Show `factor` times as many lines each way, about a cell as far as the edge allows."""
        shape = self._shape()
        assert shape is not None
        for axis, centre, size in (
            (self.figure.y_range, word_line, shape[0]),
            (self.figure.x_range, bit_line, shape[1]),
        ):
            span = abs(axis.end - axis.start)
            wanted = min(max(span * factor, min(4.0, size)), size)
            if wanted >= span and factor < 1:
                continue
            low = min(max(centre - wanted / 2, -0.5), size - 0.5 - wanted)
            start, end = (low, low + wanted)
            if axis.start > axis.end:
                start, end = end, start
            axis.update(start=start, end=end)

    def reveal(self, word_line: int, bit_line: int) -> None:
        """Move the view so that a cell is in it."""
        for axis, line in ((self.figure.y_range, word_line), (self.figure.x_range, bit_line)):
            low, high = sorted((axis.start, axis.end))
            by = min(line - 0.5 - low, 0.0) or max(line + 0.5 - high, 0.0)
            if by:
                axis.update(start=axis.start + by, end=axis.end + by)

    def look_at(self, x: tuple[float, float], y: tuple[float, float]) -> bool:
        """Take up a new view; whether other cells are needed for it."""
        shape = self._shape()
        if shape is None:
            return False
        window = Window.covering(shape, x, y)
        if max(shape) <= MARKED_SIDE or window == self.window:
            return False
        self.window = window
        return True
