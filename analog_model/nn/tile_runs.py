"""Tile runs: row tiles that one product can take, some pixels away from their outputs.

Of a tile at one place of the kernel the outputs need a moved image, or the charges of the image
where it is, moved: that needs no copy, and tiles of the same units become one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from analog_model.nn.ideal_product import ConvolutionGeometry


class TileRun(NamedTuple):
    """Row tiles of one product; `padding` None where the tile's part of the image is cut out."""

    tiles: list[int]
    shifts: list[tuple[int, int]]
    padding: tuple[int, int] | None


def tile_runs(
    boxes: Sequence[tuple[slice, slice]],
    spans: Sequence[slice],
    kernel_shape: tuple[int, int],
    geometry: ConvolutionGeometry,
) -> list[TileRun]:
    """Row tiles that one product can take, with how far their outputs are from its pixels.

    Along each axis the box of such a tile is a single place, taken without padding, or the whole
    kernel. Tiles with boxes of one shape and the same units share a product.
    """
    runs: dict[tuple[Any, ...], TileRun] = {}
    for tile, (box, span) in enumerate(zip(boxes, spans, strict=True)):
        sizes = tuple(places.stop - places.start for places in box)
        full = [size == whole for size, whole in zip(sizes, kernel_shape, strict=True)]
        if (
            all(full)
            or geometry.stride != (1, 1)
            or not all(size == 1 or whole for size, whole in zip(sizes, full, strict=True))
        ):
            runs[(tile,)] = TileRun([tile], [(0, 0)], None)
            continue
        moved, padded = [], []
        for places, whole, padding, dilation in zip(
            box, full, geometry.padding, geometry.dilation, strict=True
        ):
            moved.append(0 if whole else places.start * dilation - padding)
            padded.append(padding if whole else 0)
        run = runs.setdefault(
            (sizes, span.start, span.stop), TileRun([], [], (padded[0], padded[1]))
        )
        run.tiles.append(tile)
        run.shifts.append((moved[0], moved[1]))
    return list(runs.values())
