"""Tiled kernel: the cells of a layer's word-line units, tile by tile.

A weight row is a unit at a place of the kernel. The products of a layer are linear layers or
convolutions over units; of one row tile alone, over the box of the kernel that it covers. Units
come last, as convolutions like their kernels in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from analog_model.nn.kernel_boxes import kernel_boxes
from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.neighbourhood import margins
from analog_model.nn.recomputation import recomputed
from analog_model.nn.row_tiling import UNUSED
from analog_model.nn.tile_charges import TileCharges
from analog_model.nn.tile_runs import TileRun, tile_runs
from analog_model.nn.unit_cells import unit_cells
from analog_model.nn.word_line_units import WordLineUnits

# Units below which a convolution with groups costs more than one with zeros between classes.
_FEW = 16
# Share of the units up to which a tile's own are cut out: a copy, forward and backward.
_MOST_CUT = 0.8


class TiledKernel(nn.Module):
    """Products of maps over word-line units with the currents of their cells.

    G groups, V units of C channels. The products take maps over units, or over channels with
    the currents of those.
    """

    _channel: Tensor
    _cells: Tensor
    _unit_cells: Tensor
    _channel_cells: Tensor
    _in_class: Tensor

    def __init__(self, arrays: LayerArrays, units: WordLineUnits) -> None:
        super().__init__()
        self._geometry = arrays.geometry
        self._n_groups = arrays.tiling.n_groups
        self._class_sizes = [stop - start for _, start, stop in arrays.class_of_slice]
        self._even = len(set(self._class_sizes)) == 1
        rows = arrays.tiling.rows
        self._n_channels, self._kernel_shape = rows.n_channels, rows.kernel_shape
        self._boxes = rows.kernel_boxes
        placed = [tile[tile != UNUSED] for tile in units.unit]
        self._spans = tuple(_span_of(own, units.n_units) for own in placed)
        self._flat_boxes = [
            end
            for span, box in zip(self._spans, self._boxes, strict=True)
            for part in (*box, span)
            for end in (part.start, part.stop)
        ]
        ends = [0, *(span.stop for span in self._spans)]
        self._runs = tile_runs(self._boxes, self._spans, self._kernel_shape, self._geometry)
        self._alone_runs = [TileRun([tile], [(0, 0)], None) for tile in range(len(self._boxes))]
        follow = [span.start for span in self._spans] == ends[:-1] and ends[-1] == units.n_units
        self._span_sizes = np.diff(ends).tolist() if follow else None
        by_tile = np.zeros((rows.n_row_tiles, rows.n_positions, units.n_units))
        for cells, tile, position in zip(
            by_tile, units.unit, rows.position_of_word_line, strict=True
        ):
            on = tile != UNUSED
            cells[position[on], tile[on]] = 1.0
        self._full = bool((by_tile.sum(0) == 1).all()) and units.one_per_channel
        unit_cells = by_tile.reshape(-1, *rows.kernel_shape, units.n_units)
        self._alone = [bool(cells[self.box(tile)].all()) for tile, cells in enumerate(unit_cells)]
        self.register_buffer("_channel", torch.from_numpy(units.channel), persistent=False)
        for name, cells in (
            ("_cells", unit_cells.sum(0)),
            ("_unit_cells", unit_cells),
            ("_channel_cells", units.by_channel(unit_cells)),
            ("_in_class", np.eye(len(self._class_sizes)).repeat(self._class_sizes, axis=0)),
        ):
            kept = torch.from_numpy(cells).to(torch.get_default_dtype())
            self.register_buffer(name, kept, persistent=False)

    @property
    def n_tiles(self) -> int:
        return len(self._boxes)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Pixels (H', W') of the outputs of an image."""
        geometry = self._geometry
        found = [
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                (height, width),
                self._kernel_shape,
                geometry.stride,
                geometry.padding,
                geometry.dilation,
                strict=True,
            )
        ]
        return found[0], found[1]

    def channel_currents(self, current: Tensor) -> Tensor:
        """Currents (2, G, out, KH, KW, C) of a layer's cells (2, G out, C, KH, KW)."""
        size = (2, self._n_groups, -1, *self._kernel_shape, self._n_channels)
        return current.movedim(2, -1).reshape(size)

    def unit_currents(self, current: Tensor) -> Tensor:
        """Currents (2, G, out, KH, KW, V) of the units' cells, 0 where a unit has no cell."""
        cells = self.channel_currents(current)
        if self._full:
            return cells
        return unit_cells(cells, self._channel) * self._cells

    def on_tile(self, currents: Tensor, tile: int) -> Tensor:
        """Currents (..., KH, KW, V or C), 0 but for the cells of one row tile."""
        of_units = currents.shape[-1] == self._cells.shape[-1]
        return currents * (self._unit_cells if of_units else self._channel_cells)[tile]

    def product(
        self,
        widths: Sequence[Tensor],
        weights: Sequence[Tensor],
        batch: int,
        *,
        tile: int | None = None,
        padding: tuple[int, int] | None = None,
    ) -> Tensor:
        """Products summed over the nodes: (B, H', W', G, out).

        `widths` (B G, V, H, W), or (B G, H, W, C, V) where each of C column classes has its
        own; `weights` (G, out, KH, KW, V); of one row tile only its box of the kernel takes
        part, of weights that may be that box already. With `padding` the weights are a kernel of
        their own, which meets the image where it is.
        """
        charge: Tensor | None = None
        # Node by node: joined into one product they would first be copied side by side.
        for width, weight in zip(widths, weights, strict=True):
            term = self._term(width, weight, batch, tile, padding)
            charge = term if charge is None else charge + term
        assert charge is not None
        return charge

    def lines(
        self,
        widths: Sequence[Tensor],
        weights: Sequence[Sequence[Tensor]],
        batch: int,
        *,
        n_lines: int,
    ) -> list[TileCharges]:
        """Products of lines side by side on every row tile, `widths` [node] of all units.

        `weights` [node][tile] (G, sum of out_l, height, width, V_t), as `boxes` gives them. Of one
        product unless every class has widths of its own; then all `n_lines` have as many outputs.
        """
        by_node = [self.units_by_tile(width) for width in widths]
        by_class = widths[0].ndim == 5
        found: dict[int, TileCharges] = {}
        for tiles, shifts, padding in self._alone_runs if by_class else self._runs:
            first = tiles[0]
            own = [by_tile[first] for by_tile in by_node]
            lines = [[by_tile[t] for t in tiles] for by_tile in weights]
            if by_class:
                by_line = zip(*[one.chunk(n_lines, 1) for (one,) in lines], strict=True)
                parts = [self.product(own, line, batch, tile=first) for line in by_line]
                charge = torch.cat(parts, dim=-1)
            elif padding is None:
                charge = self.product(own, [one for (one,) in lines], batch, tile=first)
            else:
                joined = [torch.cat(several, 1) for several in lines]
                charge = self.product(own, joined, batch, padding=padding)
            each = lines[0][0].shape[1]
            for k, (tile, shift) in enumerate(zip(tiles, shifts, strict=True)):
                found[tile] = TileCharges(charge, k * each, shift)
        return [found[tile] for tile in range(self.n_tiles)]

    def _term(
        self,
        width: Tensor,
        weight: Tensor,
        batch: int,
        tile: int | None,
        padding: tuple[int, int] | None,
    ) -> Tensor:
        """Product (B, H', W', G, out) of one node."""
        n_classes = width.shape[-2] if width.ndim == 5 else 1
        vector = width.shape[1:3] == (1, 1) and width.ndim == 5
        few = not vector and weight.shape[-1] < _FEW
        if n_classes > 1 and (vector or not self._even) and not few:
            by_class = [own.movedim(-1, 1) for own in width.unbind(-2)]
            parts = zip(by_class, weight.split(self._class_sizes, 1), strict=True)
            terms = [self._term(own, part, batch, tile, padding) for own, part in parts]
            return torch.cat(terms, dim=-1)
        # Classes of one size are groups of one convolution: nothing is joined or cut.
        if width.ndim == 4:
            image = width.reshape(batch, -1, *width.shape[-2:])
        else:
            last = width.unflatten(0, (batch, -1)).permute(0, 2, 3, 1, 4, 5)
            image = last.flatten(3).permute(0, 3, 1, 2)
        if tile is not None:
            weight, image = self._kernel_box(weight, tile), self._image_box(image, tile)
        if few and n_classes > 1:
            # (G, out, KH, KW, C, V): every output has weights of its own class alone.
            in_class = self._in_class[:, None, None, :, None].to(weight.dtype)
            weight, n_classes = (weight.unsqueeze(-2) * in_class).flatten(-2), 1
        kernel = weight.flatten(0, 1).movedim(-1, 1)
        charge = self._contracted(image, kernel, self._n_groups * n_classes, padding)
        return charge.permute(0, 2, 3, 1).unflatten(-1, (self._n_groups, -1))

    def units_by_tile(self, image: Tensor) -> list[Tensor]:
        """The units V_t of each row tile, of widths shaped as `product` takes them."""
        if len(self._boxes) == 1:
            return [image]
        axis = -3 if image.ndim == 4 else -1
        if self._span_sizes is not None:
            # Pieces of one split are joined again in the backward pass, slices are padded.
            return list(image.split(self._span_sizes, axis))
        size = image.shape[axis]
        return [
            image
            if span == slice(0, size)
            else image.narrow(axis, span.start, span.stop - span.start)
            for span in self._spans
        ]

    def box(self, tile: int) -> tuple[Any, ...]:
        """Index of a row tile's cells in a kernel (..., KH, KW, V)."""
        return (..., *self._boxes[tile], self._spans[tile])

    def boxes(self, weight: Tensor) -> list[Tensor]:
        """The cells (..., height, width, V_t) of each row tile, its box of the kernel alone."""
        if len(self._boxes) == 1:
            return [weight]
        if self._span_sizes is not None and self._kernel_shape == (1, 1):
            return list(weight.split(self._span_sizes, -1))
        pieces = kernel_boxes(weight, self._flat_boxes)
        # A box may hold cells of other tiles.
        return [
            piece if alone else piece * cells[self.box(tile)].to(piece.dtype)
            for tile, (piece, alone, cells) in enumerate(
                zip(pieces, self._alone, self._unit_cells, strict=True)
            )
        ]

    def _contracted(
        self, image: Tensor, kernel: Tensor, groups: int, padding: tuple[int, int] | None
    ) -> Tensor:
        if groups == 1 and image.shape[2:] == kernel.shape[2:] == (1, 1):
            return F.linear(image[:, :, 0, 0], kernel[:, :, 0, 0])[:, :, None, None]
        geometry = self._geometry
        if groups > 1:
            # Of a part of a tensor torch.compile (2.13) gives a dimension of size 1 the stride 0,
            # with which convolutions with groups gave wrong charges (`test_compiled_products`).
            kernel = kernel.contiguous()
        if padding is None:
            padding = geometry.padding if kernel.shape[2:] == self._kernel_shape else (0, 0)
        return F.conv2d(
            image,
            kernel,
            stride=geometry.stride,
            padding=padding,
            dilation=geometry.dilation,
            groups=groups,
        )

    def _kernel_box(self, weight: Tensor, tile: int) -> Tensor:
        """The places of the kernel that a row tile covers."""
        if not self._is_part(tile) or tuple(weight.shape[-3:-1]) != self._kernel_shape:
            return weight
        (high, wide), (height, width) = self._boxes[tile], self._kernel_shape
        sides = [-wide.start, wide.stop - width, -high.start, high.stop - height]
        return margins(weight.movedim(-1, -3), sides).movedim(-3, -1)

    def _is_part(self, tile: int) -> bool:
        high, wide = self._boxes[tile]
        return (high.stop - high.start, wide.stop - wide.start) != self._kernel_shape

    def _image_box(self, image: Tensor, tile: int) -> Tensor:
        """The part of the image that a row tile's box of the kernel walks over."""
        sides: list[int] = []
        if not self._is_part(tile):
            return image
        for axis in (1, 0):
            box, full = self._boxes[tile][axis], self._kernel_shape[axis]
            padding, dilation = self._geometry.padding[axis], self._geometry.dilation[axis]
            sides += [padding - box.start * dilation, padding - (full - box.stop) * dilation]
        return recomputed(margins, image, sides) if any(sides) else image


def _span_of(units: np.ndarray, n_units: int) -> slice:
    """Units first:stop that hold a tile's; all of them where cutting would save little."""
    first, stop = int(units.min()), int(units.max()) + 1
    return slice(0, n_units) if stop - first > _MOST_CUT * n_units else slice(first, stop)
