"""Figures of the arrays of one layer: what lies on each of their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import holoviews as hv
import holoviews.plotting.mpl
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.figures.colours import CATEGORICAL, INK, SEQUENTIAL
from analog_model.nn.column_tiling import REFERENCE

MATPLOTLIB = "matplotlib"
_IDLE = "#e4e6ea"


def sign_map(
    mapped: xr.Dataset, *, layer: str | None = None, group: int | None = None
) -> hv.Overlay:
    """Plus, minus, reference lines on the arrays of a layer, each array under its number.

    `mapped` is what `nn.layer_map` gives; `layer` names one of several, `group` shows that
    group of a convolution only. Word line 0 is at the top.
    """
    cells = _cells_of(mapped, layer, group)
    codes = np.where(cells[v.SIGN].values > 0, 1, 2)
    shared = bool((cells[v.OUTPUT] == REFERENCE).any())
    shown = ("idle", "plus line", "reference line" if shared else "minus line")
    colours = [_IDLE, *CATEGORICAL[:2]]
    image = _image(cells, codes, idle=0, quantity=hv.Dimension(v.SIGN, label="cell of"))
    image = image.opts(
        backend=MATPLOTLIB,
        cmap=colours,
        clim=(-0.5, len(shown) - 0.5),
        cbar_ticks=list(enumerate(shown)),
    )
    return _with_numbers(image, cells)


def position_map(
    mapped: xr.Dataset, *, layer: str | None = None, group: int | None = None
) -> hv.Overlay:
    """Kernel position on each cell of the arrays of a layer, idle cells grey.

    Positions are counted line by line of the kernel from its corner (0, 0). Arguments as
    `sign_map`.
    """
    cells = _cells_of(mapped, layer, group)
    n_positions = int(cells[v.KERNEL_HEIGHT] * cells[v.KERNEL_WIDTH])
    codes = cells[v.WEIGHT_ROW].values % n_positions
    label = f"position in the {int(cells[v.KERNEL_HEIGHT])}×{int(cells[v.KERNEL_WIDTH])} kernel"
    image = _image(cells, codes, idle=-1, quantity=hv.Dimension("position", label=label))
    image = image.opts(
        backend=MATPLOTLIB,
        cmap=SEQUENTIAL,
        clim=(-0.5, n_positions - 0.5),
        clipping_colors={"min": _IDLE},
        cbar_ticks=[(k, str(k)) for k in range(0, n_positions, 1 + n_positions // 12)],
    )
    return _with_numbers(image, cells)


def class_map(
    mapped: xr.Dataset,
    layout_class: np.ndarray,
    class_names: Sequence[str],
    *,
    layer: str | None = None,
    group: int | None = None,
) -> hv.Overlay:
    """Layout class of each cell in use on the arrays of a layer, idle cells grey.

    `layout_class` (word_line, bit_line) of an array indexes `class_names`. Other arguments as
    `sign_map`.
    """
    cells = _cells_of(mapped, layer, group)
    codes = 1 + layout_class[cells[v.WORD_LINE].values, cells[v.BIT_LINE].values]
    shown = ("idle", *class_names)
    quantity = hv.Dimension(v.LAYOUT_CLASS, label="layout class")
    image = _image(cells, codes, idle=0, quantity=quantity)
    colours = [CATEGORICAL[k % len(CATEGORICAL)] for k in range(len(class_names))]
    image = image.opts(
        backend=MATPLOTLIB,
        cmap=[_IDLE, *colours],
        clim=(-0.5, len(shown) - 0.5),
        cbar_ticks=list(enumerate(shown)),
    )
    return _with_numbers(image, cells)


@dataclass(frozen=True)
class _Places:
    """Where each array stands in the picture: as many side by side as make it square.

    The arrays of one row tile stay side by side. The strip above an array holds its number.
    """

    arrays: np.ndarray
    n_word_lines: int
    n_bit_lines: int
    n_across: int

    @property
    def gap(self) -> int:
        return max(3, max(self.n_word_lines, self.n_bit_lines) // 9)

    @property
    def down_across(self) -> tuple[np.ndarray, np.ndarray]:
        """Place of every array in the grid."""
        down, across = np.divmod(np.arange(self.arrays.size), self.n_across)
        return down, across

    @property
    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """First line of every array in the picture, from the top, from the left."""
        down, across = self.down_across
        return (
            self.gap + down * (self.n_word_lines + self.gap),
            across * (self.n_bit_lines + self.gap),
        )


def _cells_of(mapped: xr.Dataset, layer: str | None, group: int | None) -> xr.Dataset:
    """Cells of one layer with its summary as scalars."""
    names = [str(name) for name in mapped[v.LAYER].values]
    if layer is None and len(names) > 1:
        raise ConfigurationError(
            "layer", expected="the name of one layer", got="none", advice=nearest_name("", names)
        )
    if layer is not None and layer not in names:
        raise ConfigurationError(
            "layer",
            expected="a layer of the map",
            got=repr(layer),
            advice=nearest_name(layer, names),
        )
    index = 0 if layer is None else names.index(layer)
    chosen = mapped[v.LAYER_OF_CELL] == index
    if group is not None:
        chosen &= mapped[v.GROUP] == group
        if not chosen.any():
            raise ConfigurationError(
                "group",
                expected=f"a group from 0 to {int(mapped[v.N_GROUPS][index]) - 1}",
                got=str(group),
            )
    return mapped.isel({v.LAYER: index, v.CELL: np.flatnonzero(chosen.values)})


def _places(cells: xr.Dataset) -> _Places:
    arrays = np.unique(cells[v.ARRAY].values)
    n_word_lines, n_bit_lines = int(cells[v.N_WORD_LINES]), int(cells[v.N_BIT_LINES])
    strip = int(cells[v.N_COLUMN_TILES])
    n_strips = arrays.size // strip
    proportion = n_strips * n_word_lines / (strip * n_bit_lines)
    beside = min(n_strips, max(1, round(proportion**0.5)))
    return _Places(arrays, n_word_lines, n_bit_lines, strip * beside)


def _image(cells: xr.Dataset, codes: np.ndarray, *, idle: int, quantity: hv.Dimension) -> hv.Image:
    """All arrays in one image, NaN between them."""
    places = _places(cells)
    top, left = places.corners
    picture = np.full(
        (int(top[-1]) + places.n_word_lines, int(left.max()) + places.n_bit_lines), np.nan
    )
    for first_line, first_column in zip(top, left, strict=True):
        lines = slice(first_line, first_line + places.n_word_lines)
        picture[lines, first_column : first_column + places.n_bit_lines] = idle
    index = np.searchsorted(places.arrays, cells[v.ARRAY].values)
    word_line, bit_line = (cells[name].values for name in (v.WORD_LINE, v.BIT_LINE))
    picture[top[index] + word_line, left[index] + bit_line] = codes
    sides = [hv.Dimension("across", label="bit line"), hv.Dimension("down", label="word line")]
    axes = (np.arange(picture.shape[1]), np.arange(picture.shape[0]))
    return hv.Image((*axes, picture), kdims=sides, vdims=[quantity])


def _with_numbers(image: hv.Image, cells: xr.Dataset) -> hv.Overlay:
    """The image with the number of each array above it, lines counted within arrays."""
    places = _places(cells)
    top, left = places.corners
    number = hv.Labels(
        (
            left + (places.n_bit_lines - 1) / 2,
            top - places.gap / 2 - 0.5,
            [f"array {array}" if places.n_across <= 4 else str(array) for array in places.arrays],
        ),
        kdims=image.kdims,
        vdims=["number"],
    )
    fill = f"{100 * float(cells[v.FILL]):.3g} % of the cells in use"
    shape = f"{places.n_word_lines}×{places.n_bit_lines}"
    name = str(cells[v.LAYER].values)
    count = f"{places.arrays.size} array{'s' if places.arrays.size > 1 else ''} of {shape}"
    image = image.opts(
        backend=MATPLOTLIB,
        aspect="equal",
        invert_yaxis=True,
        title=f"{name}: {count}, {fill}" if name else f"{count}, {fill}",
        xticks=_ticks(np.unique(left), places.n_bit_lines),
        yticks=_ticks(np.unique(top), places.n_word_lines),
    )
    return image * number.opts(backend=MATPLOTLIB, size=6, color=INK)


def _ticks(starts: np.ndarray, length: int) -> list[tuple[float, str]]:
    """First and last line of each array, one alone where they would touch."""
    ends = (0, length - 1) if starts.size <= 2 and length > 1 else (0,)
    return [(float(start + end), str(end)) for start in starts for end in ends]
