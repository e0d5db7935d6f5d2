"""Product of pulse widths with cell currents on the arrays of a layer, slot by slot.

What the closed form is held to: every array of a layer simulated as the array that it is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.row_tiling import UNUSED
from analog_model.physics import slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.mismatch import mismatched_kappa


class SlotProduct(nn.Module):
    """Arrays with all their effects, exact to rounding; as slow as slots are."""

    def __init__(self, arrays: LayerArrays) -> None:
        super().__init__()
        self._arrays = arrays
        self._kernel_shape = arrays.tiling.rows.kernel_shape
        rows = arrays.tiling.rows.row_of_word_line
        self._rows: Tensor
        self.register_buffer("_rows", torch.from_numpy(rows.copy()), persistent=False)

    def linear(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out) of widths (B, in)."""
        return self._charge(width, current, kappa_deviation)

    def convolution(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""
        geometry, groups = self._arrays.geometry, self._arrays.tiling.n_groups
        pixels = F.unfold(
            width,
            self._kernel_shape,
            dilation=geometry.dilation,
            padding=geometry.padding,
            stride=geometry.stride,
        )
        batch, n_rows, n_pixels = pixels.shape
        vectors = pixels.transpose(1, 2).reshape(-1, groups, n_rows // groups)
        cells = current.reshape(2, groups, -1, n_rows // groups)
        deviations: list[Tensor | None] = [None] * groups
        if kappa_deviation is not None:
            deviations = list(kappa_deviation.reshape(-1, *cells.shape).unbind(2))
        charge = torch.stack(
            [self._charge(vectors[:, g], cells[:, g], deviations[g]) for g in range(groups)], dim=1
        )
        size = [
            (width.shape[2 + a] + 2 * geometry.padding[a] - geometry.dilation[a] * (k - 1) - 1)
            // geometry.stride[a]
            + 1
            for a, k in enumerate(self._kernel_shape)
        ]
        return charge.reshape(batch, n_pixels, -1).transpose(1, 2).reshape(batch, -1, *size)

    def _charge(self, width: Tensor, current: Tensor, deviation: Tensor | None) -> Tensor:
        """Charge (B, out) of widths (B, rows), currents (2, out, rows), of (K, 2, out, rows)."""
        pieces = []
        for index, start, stop in self._arrays.class_of_slice:
            own = None if deviation is None else deviation[:, :, start:stop]
            pieces.append(self._charge_of_class(width, current[:, start:stop], own, index))
        return torch.cat(pieces, dim=1)

    def _charge_of_class(
        self, width: Tensor, current: Tensor, deviation: Tensor | None, index: int
    ) -> Tensor:
        n_rows = width.shape[1]
        # One place more for word lines that are never driven.
        padded, cells = F.pad(width, (0, 1)), F.pad(current, (0, 1)).flatten(0, 1)
        spread = None if deviation is None else F.pad(deviation, (0, 1)).flatten(1, 2)
        total = padded.new_zeros(len(width), current.shape[1])
        for lines in self._rows:
            row = torch.where(lines == UNUSED, n_rows, lines)
            own = None if spread is None else spread[:, :, row].transpose(1, 2)
            array = self._array(cells[:, row].T, own, index)
            charge = slots.simulate(array, padded[:, row]).charge
            plus, minus = charge.unflatten(1, (2, -1)).unbind(1)
            total = total + plus - minus
        return total

    def _array(self, cell_current: Tensor, deviation: Tensor | None, index: int) -> ArrayTensors:
        arrays, n_lines = self._arrays, cell_current.shape[1]

        def like(value: float | np.ndarray) -> Tensor:
            return torch.as_tensor(value, dtype=cell_current.dtype, device=cell_current.device)

        near, segments = len(arrays.aggressors) > 0, arrays.segment_resistance
        law, line = arrays.specific_current, arrays.capacitance
        drop = segments is not None
        kappa = like(arrays.kappa[:, :, index])[:, :, None].expand(-1, -1, n_lines)
        kappa = mismatched_kappa(kappa, deviation if near else None)
        device = cell_current.device
        return ArrayTensors(
            cell_current=cell_current,
            specific_current=None if law is None else like(law),
            aggressor=torch.from_numpy(arrays.aggressors.copy()).to(device) if near else None,
            kappa=kappa if near else None,
            segment_resistance=None if segments is None else like(segments),
            ladder_order=torch.from_numpy(arrays.ladder_order.copy()).to(device) if drop else None,
            drain_sensitivity=like(1.0) if drop or line is not None else None,
            bit_line_capacitance=None if line is None else like(line),
            self_consistent=arrays.self_consistent,
            dead_time=like(arrays.dead_time) if arrays.dead_time else None,
        )
