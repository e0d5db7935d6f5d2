"""Closed-form product of pulse widths with cell currents on the arrays of a layer.

The identities of `physics.closed_form` for a whole layer. Effective and modal widths are
maps with one channel per word-line unit; what differs from word line to word line beyond
that, its place along the bit line, goes into the weights. Then every product is an ordinary
linear layer or convolution, and the two lines of a signed weight share the products that
are linear in their currents. With a node of the sensitivity at rest the main product is the
layer's own, of its pulse widths; all others only correct it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from analog_model.nn.drop_losses import TileModes, lost_of_lines, lost_of_pairs
from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.recomputation import in_compiled_layer
from analog_model.nn.row_tiling import UNUSED
from analog_model.nn.tiled_kernel import TiledKernel
from analog_model.nn.unit_widths import UnitWidths
from analog_model.nn.word_line_units import word_line_units
from analog_model.physics import bit_line, cell, interpolation
from analog_model.physics.closed_form import Expansion
from analog_model.physics.drop_modes import drop_modes


class ClosedFormProduct(nn.Module):
    """Arrays with crosstalk, drop, droop and dead time, without time slots.

    `sample` of pulse widths in units of the widest sets the time modes of the drop.
    `coarse`: of float32 inputs, form the products that only correct in bfloat16.
    Differentiable in widths and currents.
    """

    _along: Tensor
    _profile: Tensor
    _own: Tensor
    _feedback: Tensor | None

    def __init__(
        self,
        arrays: LayerArrays,
        expansion: Expansion,
        sample: Tensor,
        *,
        coarse: bool = False,
    ) -> None:
        super().__init__()
        self.arrays, self.expansion = arrays, expansion
        self._is_coarse = coarse
        self._n_groups = arrays.tiling.n_groups
        self._dead_time = arrays.dead_time
        self._capacitance = arrays.capacitance
        self._specific = arrays.specific_current
        rows = arrays.tiling.rows
        self._n_channels = rows.n_channels
        units = word_line_units(rows, arrays.aggressors, arrays.kappa)
        self._units = units
        n_nodes = expansion.n_nodes if len(arrays.aggressors) else 1
        self._nodes = interpolation.nodes(1.0, self._specific, n_nodes, rest=n_nodes > 1)
        self._has_rest = self._nodes[0] == interpolation.REST
        self._modal_nodes = interpolation.nodes(1.0, self._specific, expansion.n_modal_nodes)
        self._kernel = TiledKernel(arrays, units)
        self._shares_sums = not expansion.own_sums
        self._plan_drop(arrays, sample)
        self._coupled = len(arrays.aggressors) > 0
        self._widths = UnitWidths(
            arrays,
            units,
            expansion,
            nodes=self._nodes,
            modal_nodes=self._modal_nodes,
            time=self._time,
            coarse=coarse,
        )

    def _plan_drop(self, arrays: LayerArrays, sample: Tensor) -> None:
        self._time: list[list[float]] = []
        self._first_order = not arrays.self_consistent
        self.register_buffer("_feedback", None, persistent=False)
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
            whole_feedback=self.expansion.whole_feedback,
        )
        self._time = modes.time.tolist()
        n_space = modes.space.shape[1]
        size = (n_space + 1, rows.n_row_tiles, rows.n_positions, self._units.n_units)
        along = np.zeros(size)
        profile = np.concatenate([modes.space.T, modes.own[None]])
        for tile in range(rows.n_row_tiles):
            on = np.arange(n_word_lines)[self._units.unit[tile] != UNUSED]
            place = rows.position_of_word_line[tile, on]
            along[:, tile, place, self._units.unit[tile, on]] = profile[:, on]
        along = along.reshape(*size[:2], *rows.kernel_shape, self._units.n_units)
        own = along[-1].sum(0)
        self._keep("_own", self._units.by_channel(own) if self._has_rest else own)
        # A cell stands on one tile alone: of all tiles together the profiles are one map.
        self._keep("_along", along[:-1].sum(1))
        self._keep("_profile", np.abs(along[0]).reshape(rows.n_row_tiles, -1))
        if arrays.self_consistent:
            self._keep("_feedback", modes.feedback)

    def _keep(self, name: str, values: np.ndarray | Tensor) -> None:
        tensor = torch.as_tensor(values).to(torch.get_default_dtype())
        self.register_buffer(name, tensor, persistent=False)

    def extra_repr(self) -> str:
        return str(self.expansion)

    # Products -----------------------------------------------------------------------------

    def linear(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out) of widths (B, in)."""
        image, cells = width[:, :, None, None], current[..., None, None]
        if kappa_deviation is not None:
            kappa_deviation = kappa_deviation[..., None, None]
        return self.convolution(image, cells, kappa_deviation)[:, :, 0, 0]

    def convolution(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""
        if self._dead_time:
            width = (width - self._dead_time).clamp(min=0)
        batch = width.shape[0]
        image = width.reshape(batch * self._n_groups, self._n_channels, *width.shape[2:])
        if in_compiled_layer():
            # As the widths' kernel and convolutions read it, so that it is kept once.
            image = image.contiguous(memory_format=torch.channels_last)
        cells = self._kernel.unit_currents(current)
        widths = self._widths(image, departures=kappa_deviation is not None)
        effective = [image, *widths.effective] if self._has_rest else widths.effective
        size = self._kernel.output_size(*image.shape[-2:])
        modes = self._modes(widths.modal, cells, batch, size) if self._time else []
        parts = self._node_currents(current, cells)
        if kappa_deviation is not None and self._coupled:
            effective = effective + widths.departing
            parts = parts + self._departing_currents(cells, kappa_deviation)
        if self._capacitance is None:
            # Linear in the currents: both lines of a weight share one product.
            charge = self._corrected(effective, [_plus_less_minus(part) for part in parts], batch)
            if modes:
                lost = lost_of_pairs(modes, self._feedback, self._along)
                # The main product sets the precision, also of autocast.
                charge = charge - lost.to(charge.dtype)
            return charge.flatten(-2).permute(0, 3, 1, 2)
        charges = []
        for tile in range(self._kernel.n_tiles):
            on_tile = [self._kernel.on_tile(part, tile) for part in parts]
            lines = [
                self._corrected(effective, [part[line] for part in on_tile], batch, tile)
                for line in (0, 1)
            ]
            if modes:
                losses = lost_of_lines(modes[tile], self._feedback, self._along.dtype)
                lines = [line - loss for line, loss in zip(lines, losses, strict=True)]
            charges.append(self._drooped(lines[0]) - self._drooped(lines[1]))
        return torch.stack(charges).sum(0).flatten(-2).permute(0, 3, 1, 2)

    def _node_currents(self, current: Tensor, cells: Tensor) -> list[Tensor]:
        """Currents that meet the first node's widths, and what the others see beyond it."""
        first = self._kernel.channel_currents(current) if self._has_rest else cells
        own = first * (1 - self._own * first) if self._time else first
        if len(self._nodes) == 1:
            return [own]
        parts = interpolation.lagrange(cells, self._specific_like(cells), self._nodes)
        return [own, *parts[1:]]

    def _departing_currents(self, cells: Tensor, deviation: Tensor) -> list[Tensor]:
        """Currents that meet the widths' derivatives by each kappa, to first order."""
        by_kappa = [self._kernel.unit_currents(own) for own in deviation]
        answer = cells
        if self._specific is not None:
            middle = cells.new_tensor(self._widths.middle_sensitivity)
            specific = self._specific_like(cells)
            answer = cells * cell.sensitivity(cells, specific) / middle
        return [answer * own for own in by_kappa]

    def _corrected(
        self, widths: list[Tensor], weights: list[Tensor], batch: int, tile: int | None = None
    ) -> Tensor:
        """The main product with its small corrections, those in coarse numbers."""
        charge = self._kernel.product(widths[:1], weights[:1], batch, tile=tile)
        if len(weights) == 1:
            return charge
        beyond = [self._coarse(weight) for weight in weights[1:]]
        return charge + self._kernel.product(widths[1:], beyond, batch, tile=tile).to(charge.dtype)

    def _coarse(self, values: Tensor) -> Tensor:
        return values.bfloat16() if self._is_coarse and values.dtype == torch.float32 else values

    def _drooped(self, charge: Tensor) -> Tensor:
        """Charge that integrating lines collect."""
        one = charge.new_ones(())
        lose = bit_line.droop_first_order if self._first_order else bit_line.droop
        return lose(charge, one * float(self._capacitance or 0.0), one)

    def _specific_like(self, current: Tensor) -> Tensor | None:
        return None if self._specific is None else current.new_tensor(self._specific)

    def _modes(
        self, modal: list[Tensor], current: Tensor, batch: int, size: tuple[int, int]
    ) -> list[TileModes]:
        """Modes of the lines by row tile, for outputs of a `size` (H', W')."""
        cells = interpolation.lagrange(current, self._specific_like(current), self._modal_nodes)
        shares = self._shares_of_mean(current.sum(0)) if self._shares_sums else None
        weights = [self._kernel.boxes(self._mode_weights(own)) for own in cells]
        n_time, n_space = len(self._time), len(self._along)
        by_time = [
            self._kernel.lines(modal[m::n_time], weights, batch, n_lines=2 * n_space)
            for m in range(n_time)
        ]
        return [
            TileModes(
                [tiles[tile] for tiles in by_time],
                n_space=n_space,
                n_pairs=current.shape[2],
                size=size,
                share=None if shares is None else shares[tile],
            )
            for tile in range(self._kernel.n_tiles)
        ]

    def _mode_weights(self, cells: Tensor) -> Tensor:
        """What meets the modal widths: half sums by space mode, then half differences.

        (G, lines, KH, KW, V) of currents (2, G, out, KH, KW, V); of shared sums the mean pair's.
        """
        along = 0.5 * self._along[:, None]
        halves = [cells.sum(0), _plus_less_minus(cells)]
        if self._shares_sums:
            halves[0] = halves[0].mean(1, keepdim=True)
        # (G, P, out, KH, KW, V) each.
        lines = [self._coarse(along * half.unsqueeze(1)).flatten(1, 2) for half in halves]
        return torch.cat(lines, 1)

    def _shares_of_mean(self, sums: Tensor) -> Sequence[Tensor]:
        """Each pair's current on every array as a share of the mean pair's, [tile] (G, out).

        `sums` (G, out, KH, KW, V) of the pairs' cells, weighted by the first mode's profile.
        """
        current = (sums.flatten(2) @ self._profile.T).movedim(-1, 0)
        least = torch.finfo(current.dtype).tiny
        return (current / current.mean(-1, keepdim=True).clamp(min=least)).unbind()


def _plus_less_minus(lines: Tensor) -> Tensor:
    """First less second line, as a sum whose derivative is no scattering."""
    return (lines * lines.new_tensor([1.0, -1.0]).reshape(2, *[1] * (lines.ndim - 1))).sum(0)
