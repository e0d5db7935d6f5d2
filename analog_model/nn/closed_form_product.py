"""Closed-form product of pulse widths with cell currents on the arrays of a layer.

The identities of `physics.closed_form` for a whole layer. Effective and modal widths are
maps with one channel per word-line unit; what differs from word line to word line beyond
that, its place along the bit line, goes into the weights. Then every product is an ordinary
linear layer or convolution, and the two lines of a signed weight share the products that
are linear in their currents.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.row_tiling import UNUSED
from analog_model.nn.word_line_units import Run, WordLineUnits, word_line_units
from analog_model.physics import bit_line, interpolation, overlap
from analog_model.physics.closed_form import (
    Expansion,
    effective_width,
    lifts,
    lost_charge,
    modal_widths,
)
from analog_model.physics.drop_modes import drop_modes


class ClosedFormProduct(nn.Module):
    """Arrays with crosstalk, drop, droop and dead time, without time slots.

    `sample` of pulse widths in units of the widest sets the time modes of the drop.
    Differentiable in widths and currents to any order.
    """

    _channel: Tensor
    _cells: Tensor
    _tile_cells: Tensor
    _profile: Tensor
    _own: Tensor
    _feedback: Tensor

    def __init__(self, arrays: LayerArrays, expansion: Expansion, sample: Tensor) -> None:
        super().__init__()
        self.arrays, self.expansion = arrays, expansion
        self._geometry = arrays.geometry
        self._n_groups = arrays.tiling.n_groups
        self._dead_time = arrays.dead_time
        self._capacitance = arrays.capacitance
        self._specific = arrays.specific_current
        self._slices = arrays.class_of_slice
        rows = arrays.tiling.rows
        self._n_channels, self._kernel_shape = rows.n_channels, rows.kernel_shape
        units = word_line_units(rows, arrays.aggressors, arrays.kappa)
        self._units = units
        self._sets = overlap.neighbour_sets(len(arrays.aggressors), expansion.overlap_order)
        self._nodes = interpolation.nodes(1.0, self._specific, expansion.n_nodes)
        self._modal_nodes = interpolation.nodes(1.0, self._specific, expansion.n_modal_nodes)
        self._plan_kernel(arrays, units)
        self._plan_lifts(arrays, units)
        self._plan_drop(arrays, sample)

    def _plan_kernel(self, arrays: LayerArrays, units: WordLineUnits) -> None:
        """Where each unit's cells lie: per row tile, a box of the kernel and a span of units."""
        rows = arrays.tiling.rows
        self._boxes = rows.kernel_boxes
        placed = [tile[tile != UNUSED] for tile in units.unit]
        self._spans = tuple(slice(int(u.min()), int(u.max()) + 1) for u in placed)
        by_tile = np.zeros((rows.n_row_tiles, units.n_units, rows.n_positions))
        for cells, tile, position in zip(
            by_tile, units.unit, rows.position_of_word_line, strict=True
        ):
            on = tile != UNUSED
            cells[tile[on], position[on]] = 1.0
        cells = by_tile.sum(0)
        channel = np.concatenate([np.arange(r.channel, r.channel + r.count) for r in units.runs])
        self._identity = bool((cells == 1).all()) and np.array_equal(
            channel, np.arange(rows.n_channels)
        )
        self.register_buffer("_channel", torch.from_numpy(channel), persistent=False)
        self._keep("_cells", cells.reshape(-1, *rows.kernel_shape))
        if self._capacitance is not None:
            self._keep("_tile_cells", by_tile.reshape(*by_tile.shape[:2], *rows.kernel_shape))
        shifts = [run.shift for runs in units.neighbour_runs for run in runs]
        reach = np.abs(np.array([*shifts, (0, 0)])).max(axis=0)
        dilation = arrays.geometry.dilation
        self._margin = (int(reach[0]) * dilation[0], int(reach[1]) * dilation[1])

    def _plan_lifts(self, arrays: LayerArrays, units: WordLineUnits) -> None:
        for index, _, _ in self._slices:
            kappa = torch.from_numpy(arrays.kappa[:, units.line, index])
            if not len(kappa):
                continue
            table = lifts(kappa, self._sets, self._nodes, self._modal_nodes)
            self._keep(f"_effective_{index}", table.effective)
            self._keep(f"_modal_{index}", table.modal)

    def _plan_drop(self, arrays: LayerArrays, sample: Tensor) -> None:
        self._time: list[list[float]] = []
        self._first_order = not arrays.self_consistent
        segments = arrays.segment_resistance
        if segments is None:
            return
        rows, n_word_lines = arrays.tiling.rows, arrays.tiling.rows.n_word_lines
        rank = np.argsort(arrays.ladder_order)
        resistance = np.cumsum(segments)[np.minimum.outer(rank, rank)]
        shorter = (sample.detach().cpu().double() - self._dead_time).clamp(min=0)
        modes = drop_modes(
            resistance,
            1.0,
            shorter.numpy(),
            n_space=self.expansion.n_space,
            n_time=self.expansion.n_time,
        )
        self._time = modes.time.tolist()
        n_space = modes.space.shape[1]
        size = (rows.n_row_tiles, n_space + 1, self._units.n_units, rows.n_positions)
        along = np.zeros(size)
        profile = np.concatenate([modes.space.T, modes.own[None]])
        for tile in range(rows.n_row_tiles):
            on = np.arange(n_word_lines)[self._units.unit[tile] != UNUSED]
            place = rows.position_of_word_line[tile, on]
            along[tile][:, self._units.unit[tile, on], place] = profile[:, on]
        along = along.reshape(*size[:3], *rows.kernel_shape)
        self._keep("_profile", along[:, :-1])
        self._keep("_own", along[:, -1].sum(0))
        if arrays.self_consistent:
            self._keep("_feedback", modes.feedback)

    def _keep(self, name: str, values: np.ndarray | Tensor) -> None:
        tensor = torch.as_tensor(values).to(torch.get_default_dtype())
        self.register_buffer(name, tensor, persistent=False)

    def extra_repr(self) -> str:
        return f"{self._units.n_units} units, {self.expansion}"

    # Products -----------------------------------------------------------------------------

    def linear(self, width: Tensor, current: Tensor) -> Tensor:
        """Charge (B, out) of widths (B, in)."""
        image = width[:, :, None, None]
        return self.convolution(image, current[:, :, :, None, None])[:, :, 0, 0]

    def convolution(self, width: Tensor, current: Tensor) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""
        batch, groups = width.shape[0], self._n_groups
        if self._dead_time:
            width = (width - self._dead_time).clamp(min=0)
        image = width.reshape(batch * groups, self._n_channels, *width.shape[2:])
        shortest = self._overlaps(image)
        cells = self._unit_currents(current)
        pieces = [
            self._charge_of_class(shortest, cells[:, :, start:stop], index, batch)
            for index, start, stop in self._slices
        ]
        charge = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
        return charge.flatten(1, 2)

    def _overlaps(self, image: Tensor) -> list[Tensor]:
        """m_S of every unit, (B G, V, H, W) with the convolution's own padding."""
        (dh, dw), (ph, pw) = self._margin, self._geometry.padding
        padded = image
        if dh or dw or ph or pw:
            padded = F.pad(image, (pw + dw, pw + dw, ph + dh, ph + dh))
        own = self._gathered(padded, self._units.runs)
        near = [self._gathered(padded, runs) for runs in self._units.neighbour_runs]
        return overlap.overlaps(own, near, self._sets)

    def _gathered(self, padded: Tensor, runs: Sequence[Run]) -> Tensor:
        (mh, mw), (eh, ew) = self._margin, self._geometry.dilation
        height, width = padded.shape[-2] - 2 * mh, padded.shape[-1] - 2 * mw
        parts = []
        for run in runs:
            if run.channel == UNUSED:
                shape = (padded.shape[0], run.count, height, width)
                parts.append(padded.new_zeros(shape))
                continue
            top, left = mh + run.shift[0] * eh, mw + run.shift[1] * ew
            channels = slice(run.channel, run.channel + run.count)
            parts.append(padded[:, channels, top : top + height, left : left + width])
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _unit_currents(self, current: Tensor) -> Tensor:
        """Currents (2, G, out, V, KH, KW) of the units' cells, 0 where a unit has no cell."""
        cells = current.reshape(2, self._n_groups, -1, self._n_channels, *self._kernel_shape)
        if self._identity:
            return cells
        return cells.index_select(3, self._channel) * self._cells

    def _charge_of_class(
        self, shortest: list[Tensor], current: Tensor, index: int, batch: int
    ) -> Tensor:
        """Charge (B, G, out of the class, H', W')."""
        parts = interpolation.lagrange(current, self._specific_like(current), self._nodes)
        if self._time:
            left = 1 - self._own * current
            parts = [part * left for part in parts]
        effective = self._effective(shortest, index)
        lost = self._lost(shortest, current, index, batch) if self._time else []
        if self._capacitance is None:
            # Linear in the currents: both lines of a weight share one product.
            charge = self._product(effective, [part[0] - part[1] for part in parts], batch)
            for lines in lost:
                charge = charge - (lines[:, :, 0] - lines[:, :, 1])
            return charge
        charges = []
        for tile, cells in enumerate(self._tile_cells):
            lines = self._product(effective, [part * cells for part in parts], batch, tile=tile)
            lines = self._drooped(lines - lost[tile] if lost else lines)
            charges.append(lines[:, :, 0] - lines[:, :, 1])
        return torch.stack(charges).sum(0)

    def _drooped(self, charge: Tensor) -> Tensor:
        """Charge that integrating lines collect."""
        one = charge.new_ones(())
        lose = bit_line.droop_first_order if self._first_order else bit_line.droop
        return lose(charge, one * float(self._capacitance or 0.0), one)

    def _specific_like(self, current: Tensor) -> Tensor | None:
        return None if self._specific is None else current.new_tensor(self._specific)

    def _table(self, name: str, index: int) -> Tensor:
        """Coefficients (Q, S, V, 1, 1) of a column class, those of no neighbour without any."""
        table = getattr(self, f"_{name}_{index}", None)
        if table is None:
            return self._cells.new_ones(len(self._nodes), 1, 1, 1, 1)
        return table[..., None, None]

    def _effective(self, shortest: list[Tensor], index: int) -> list[Tensor]:
        return [effective_width(shortest, row) for row in self._table("effective", index)]

    def _lost(
        self, shortest: list[Tensor], current: Tensor, index: int, batch: int
    ) -> list[Tensor]:
        """Charge that the drop costs each line on each row tile: (B, G, 2, out, H', W')."""
        parts = interpolation.lagrange(current, self._specific_like(current), self._modal_nodes)
        by_node = [
            modal_widths(shortest, row, self._time, lifted=self.expansion.lifted_modes)
            for row in self._table("modal", index)
        ]
        by_time = list(zip(*by_node, strict=True))
        found = []
        for tile, profile in enumerate(self._profile):
            # (P, 2, G, out, V, KH, KW): the space modes are further lines.
            weights = [profile[:, None, None, None] * part for part in parts]
            modes = [self._product(list(row), weights, batch, tile=tile) for row in by_time]
            n_space = profile.shape[0]
            charges = [[mode[:, :, n] for mode in modes] for n in range(n_space)]
            found.append(lost_charge(charges, None if self._first_order else self._feedback))
        return found

    def _product(
        self,
        widths: Sequence[Tensor],
        weights: Sequence[Tensor],
        batch: int,
        *,
        tile: int | None = None,
    ) -> Tensor:
        """Products summed over the nodes: (B, G, lines..., out, H', W').

        `widths` (B G, V, H, W), `weights` (lines..., G, out, V, KH, KW); of one row tile
        only its span of units and its box of the kernel take part.
        """
        if tile is not None:
            span, (high, wide) = self._spans[tile], self._boxes[tile]
            weights = [weight[..., span, high, wide] for weight in weights]
            widths = [self._cropped(width[:, span], high, wide) for width in widths]
        image = widths[0] if len(widths) == 1 else torch.cat(list(widths), dim=1)
        weight = weights[0] if len(weights) == 1 else torch.cat(list(weights), dim=-3)
        lines, groups = weight.shape[:-5], self._n_groups
        kernel = weight.movedim(-5, 0).flatten(0, -4) if lines else weight.flatten(0, 1)
        image = image.reshape(batch, groups * image.shape[1], *image.shape[2:])
        charge = self._contracted(image, kernel)
        return charge.reshape(batch, groups, *lines, -1, *charge.shape[2:])

    def _contracted(self, image: Tensor, kernel: Tensor) -> Tensor:
        if self._n_groups == 1 and image.shape[2:] == kernel.shape[2:] == (1, 1):
            return F.linear(image[:, :, 0, 0], kernel[:, :, 0, 0])[:, :, None, None]
        geometry = self._geometry
        return F.conv2d(
            image,
            kernel,
            stride=geometry.stride,
            dilation=geometry.dilation,
            groups=self._n_groups,
        )

    def _cropped(self, image: Tensor, high: slice, wide: slice) -> Tensor:
        """The part of the image that a box of the kernel walks over."""
        sides = []
        for axis, box in enumerate((high, wide)):
            dilation, full = self._geometry.dilation[axis], self._kernel_shape[axis]
            behind = (full - box.stop) * dilation
            sides.append(slice(box.start * dilation, image.shape[2 + axis] - behind))
        return image[:, :, sides[0], sides[1]]
