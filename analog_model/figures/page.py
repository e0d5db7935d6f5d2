"""Page of lettered panels, drawn by Matplotlib from HoloViews elements.

Panels flow into rows as long as each keeps the width that its text needs; the row below
takes the rest. The page is as high as its rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import holoviews.plotting.mpl  # registers the matplotlib backend, which `.opts` needs
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from analog_model.errors import ConfigurationError
from analog_model.figures.preset import INCH, POINT, Preset
from analog_model.figures.strokes import scale_strokes

# Narrowest panels [m] at a stroke of 1: a map that shares its scale, one that has none, one
# with a bar of its own, a chart, a chart beside the names of its rows, numbers in it.
_SHARED_MAP, _PLAIN_MAP, _MAP, _CHART, _NAMED_CHART, _NUMBERS = (
    0.027,
    0.036,
    0.040,
    0.055,
    0.033,
    0.016,
)
# A letter's width over its height, about.
_LETTER_WIDTH = 0.55
# What panels can do with where a page has no room for more: of the width, of the height.
_LEAST_WIDTH, _LEAST_HEIGHT = 0.85, 0.6
# Bars of a bar chart, thickness of a colour bar [m] at a stroke of 1.
_BAR, _COLOUR_BAR = 0.0016, 0.003
# Narrowest page that puts maps and charts into one row [m] at a stroke of 1.
_WIDE = 0.110
# Labels of axes that count something.
COUNTED = ("word line", "bit line", "pattern", "epoch")
_UNIT = re.compile(r"\[([^\[\]]+)\]$")


@dataclass(frozen=True)
class _Panel:
    """One panel: its element, its image where it is a map, what the map's colours mean.

    `proportion` is height over width where the element fixes it.
    """

    element: Any
    image: Any
    scale: tuple[Any, ...] | None
    proportion: float | None
    has_bar: bool

    @property
    def is_map(self) -> bool:
        return self.image is not None


def draw_page(element: Any, preset: Preset, *, height: float | None = None) -> Figure:
    """Every panel of an element into one figure as wide as the preset says."""
    panels = [_panel(one) for one in (element if isinstance(element, hv.Layout) else [element])]
    rows = _rows(panels, preset)
    natural = [_height(row, preset) for row in rows]
    metres = _page_height(sum(natural), preset, height)
    # "compressed" keeps maps, whose proportions are fixed, close to each other.
    maps = all(panel.is_map for panel in panels)
    figure = Figure(
        figsize=(preset.width / INCH, metres / INCH),
        layout="compressed" if maps else "constrained",
    )
    FigureCanvasAgg(figure)
    pad = 0.035 * preset.stroke
    figure.get_layout_engine().set(w_pad=pad, h_pad=pad, wspace=0.02, hspace=0.02)
    grid = figure.add_gridspec(len(rows), 1, height_ratios=natural)
    places: list[Axes] = []
    for number, row in enumerate(rows):
        # A grid of its own, so that one row's labels do not narrow the panels of another.
        cells = grid[number].subgridspec(1, len(row), width_ratios=_narrowest(row, preset))
        here = [figure.add_subplot(cells[k]) for k in range(len(row))]
        for panel, place in zip(row, here, strict=True):
            _draw_panel(panel, figure, place)
            scale_strokes(place, preset)
        _add_colour_bars(figure, row, here, preset)
        places += here
    for place in figure.axes:
        _set_as_print(place)
    if len(panels) > 1:
        _letter(places, preset)
    return figure


def _page_height(natural: float, preset: Preset, given: float | None) -> float:
    most = preset.max_height
    if given is None:
        if _LEAST_HEIGHT * natural > most:
            raise ConfigurationError(
                f"preset {preset.name}",
                expected=f"panels that fit into {1e3 * most:.0f} mm of height",
                got=f"panels that need {1e3 * natural:.0f} mm",
                advice="Draw fewer at a time, or take a wider or a higher page.",
            )
        return min(natural, most)
    if not 0.01 <= given <= most:
        raise ConfigurationError(
            "height",
            expected=f"0.01 m to {most:.4g} m, the most of preset {preset.name}",
            got=f"{given:g} m",
        )
    return given


def _panel(element: Any) -> _Panel:
    image = next((part for part in _elements(element) if isinstance(part, hv.Image)), None)
    if image is not None:
        shape = np.shape(image.dimension_values(2, flat=False))
        options = _options(image)
        scale = (options.get("clim"), image.vdims[0].pprint_label, shape)
        bar = bool(options.get("colorbar", True))
        return _Panel(element, image, scale, min(shape[0] / shape[1], 2.0), bar)
    options = _options(element)
    proportion = None
    if options.get("aspect") == "equal":
        proportion = float(np.ptp(options["ylim"]) / np.ptp(options["xlim"]))
    return _Panel(element, None, None, proportion, has_bar=False)


def _options(element: Any, group: str = "plot") -> dict[str, Any]:
    found: dict[str, Any] = hv.Store.lookup_options("matplotlib", element, group).kwargs
    return found


def _rows(panels: list[_Panel], preset: Preset) -> list[list[_Panel]]:
    """Rows that the panels flow into; one row where those would be higher than the page."""
    rows = _flow(panels, preset)
    high = sum(_height(row, preset) for row in rows)
    fits = _LEAST_WIDTH * sum(_narrowest(panels, preset)) <= preset.width
    return [panels] if high > preset.max_height and fits else rows


def _flow(panels: list[_Panel], preset: Preset) -> list[list[_Panel]]:
    rows: list[list[_Panel]] = []
    for panel in panels:
        if rows and _fits([*rows[-1], panel], preset):
            rows[-1].append(panel)
        else:
            rows.append([panel])
    return rows


def _fits(row: list[_Panel], preset: Preset) -> bool:
    # A map beside a chart would leave one of them small.
    mixed = len({panel.proportion is None for panel in row}) > 1
    if mixed and preset.width < _WIDE * preset.stroke:
        return False
    return sum(_narrowest(row, preset)) <= preset.width


def _narrowest(row: list[_Panel], preset: Preset) -> list[float]:
    """The least width [m] of each panel of a row."""
    shared = _shares(row)
    return [_least_width(panel, preset, shared=shared) for panel in row]


def _least_width(panel: _Panel, preset: Preset, *, shared: bool) -> float:
    if panel.proportion is not None:
        width = (_SHARED_MAP if shared else _MAP) if panel.has_bar else _PLAIN_MAP
        return width * preset.stroke
    names = _options(panel.element).get("yticks")
    if not isinstance(names, list):
        return _CHART * preset.stroke
    letters = max(len(name) for _, name in names)
    numbers = any(isinstance(part, hv.Labels) for part in _elements(panel.element))
    room = (_NAMED_CHART + numbers * _NUMBERS) * preset.stroke
    return room + letters * _LETTER_WIDTH * preset.small * POINT


def _shares(row: list[_Panel]) -> bool:
    """Whether one colour bar serves the whole row."""
    return len(row) > 1 and row[0].has_bar and len({panel.scale for panel in row}) == 1


def _height(row: list[_Panel], preset: Preset) -> float:
    least = _narrowest(row, preset)
    slots = [preset.width * one / sum(least) for one in least]
    letters = preset.line if preset.letters == "below" else 0.0
    if _shares(row):
        letters += 2.5 * preset.line + _COLOUR_BAR * preset.stroke
    return letters + max(
        _panel_height(panel, slot, row, preset) for panel, slot in zip(row, slots, strict=True)
    )


def _panel_height(panel: _Panel, slot: float, row: list[_Panel], preset: Preset) -> float:
    """Height [m] that suits what a panel shows in a slot of this width."""
    line = preset.line
    if panel.proportion is not None:
        # Beside it ticks, labels, its own bar with its; above and below title, ticks, label.
        beside = 8.0 * line if panel.has_bar else 3.0 * line
        inner = slot - (3.0 * line / len(row) + 0.5 * line if _shares(row) else beside)
        return inner * panel.proportion + (4.2 * line if panel.is_map else 1.5 * line)
    parts = list(_elements(panel.element))
    bars = sum(isinstance(part, hv.Rectangles) for part in parts)
    labels = next((len(part) for part in parts if isinstance(part, hv.Labels)), 0)
    ticks = _options(panel.element).get("yticks")
    if labels and (bars or isinstance(ticks, list)):
        return labels * 1.3 * line + 3.0 * line
    if isinstance(ticks, list) and bars:
        return len(ticks) * max(_BAR * preset.stroke * (bars + 0.75), line) + 4.2 * line
    if any(isinstance(part, hv.Slope) for part in parts):
        return 0.9 * min(slot, 0.09 * preset.stroke)
    # An axis at least as long as its label.
    label = str(_options(panel.element).get("ylabel", ""))
    least = len(label) * _LETTER_WIDTH * preset.text * POINT
    return max(0.45 * min(slot, 0.089 * preset.stroke), least) + 3.0 * line


def _elements(panel: Any) -> Iterator[Any]:
    yield from panel if isinstance(panel, hv.Overlay) else [panel]


def _draw_panel(panel: _Panel, figure: Figure, place: Axes) -> None:
    renderer = hv.Store.renderers["matplotlib"]
    current = hv.Store.current_backend
    hv.Store.set_current_backend("matplotlib")
    try:
        renderer.get_plot(panel.element, fig=figure, axis=place)
    finally:
        hv.Store.set_current_backend(current)
    if panel.proportion is None:
        # HoloViews makes axes square, which wastes the width of a chart.
        place.set_aspect("auto")
    place.set_anchor("N")
    for side in ("top", "right"):
        place.spines[side].set_visible(panel.is_map)


def _add_colour_bars(figure: Figure, row: list[_Panel], places: list[Axes], preset: Preset) -> None:
    """A bar beside every map; one below all of a row that share scale, unit, shape."""
    if _shares(row):
        for place in places[1:]:
            place.set_ylabel("")
            place.tick_params(labelleft=False)
        bar = figure.colorbar(
            places[0].images[0], ax=places, location="bottom", shrink=0.7, aspect=40, pad=0.03
        )
        _finish_bar(bar, row[0], preset)
        return
    for panel, place in zip(row, places, strict=True):
        if panel.has_bar:
            # Inside the map's own axes the bar gets exactly the map's height.
            beside = place.inset_axes((1.04, 0.0, 0.05, 1.0))
            bar = figure.colorbar(place.images[0], cax=beside)
            _finish_bar(bar, panel, preset)


def _finish_bar(bar: Any, panel: _Panel, preset: Preset) -> None:
    bar.outline.set_linewidth(0.4 * preset.stroke)
    bar.set_label(panel.image.vdims[0].pprint_label)
    ticks = _options(panel.image).get("cbar_ticks")
    if ticks:
        bar.set_ticks([at for at, _ in ticks], labels=[text for _, text in ticks])
        bar.ax.tick_params(length=0)


def _set_as_print(place: Axes) -> None:
    """Units in parentheses, as journals want them, with subscripts; whole numbers of lines."""
    for shown in (place, *place.child_axes):
        for axis in (shown.xaxis, shown.yaxis):
            if axis.label.get_text() in COUNTED and not isinstance(
                axis.get_major_locator(), FixedLocator
            ):
                axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 4, 5, 10]))
            text = _UNIT.sub(r"(\1)", axis.label.get_text())
            axis.label.set_text(text.replace("nU_T", r"$nU_\mathrm{T}$"))


def _letter(places: list[Axes], preset: Preset) -> None:
    """Letters in line with what a panel has furthest left, or below all that it has."""
    for number, place in enumerate(places):
        letter, gap = chr(ord("a") + number), 2.0 * preset.stroke
        if preset.letters == "below":
            text, at, offset = f"({letter})", (0.5, 0.0), (0.0, -gap)
            coordinates = (place.transAxes, _surroundings(place, "xaxis"))
            style = {"ha": "center", "va": "top"}
        else:
            text, at, offset = letter, (0.0, 1.0), (0.0, 2.0 * gap)
            coordinates = (_surroundings(place, "yaxis"), place.transAxes)
            style = {"ha": "left", "va": "bottom", "weight": "bold"}
        place.annotate(
            text,
            at,
            offset,
            xycoords=coordinates,
            textcoords="offset points",
            size=preset.letter_size,
            annotation_clip=False,
            **style,
        )


def _surroundings(place: Axes, name: str) -> Callable[[Any], Any]:
    """The box of an axis with its labels, that of the plot where there is none."""
    return lambda renderer: getattr(place, name).get_tightbbox(renderer) or place.bbox
