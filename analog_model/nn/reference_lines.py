"""Reference lines: one bit line that several outputs of an array are compared with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from analog_model.nn.device_fields import DeviceFields
from analog_model.nn.tiling import LayerTiling


def outputs_of_references(tiling: LayerTiling) -> np.ndarray:
    """For each output of a layer, the first output that shares its minus line."""
    columns = tiling.columns
    lines = np.stack((columns.column_tile_of_output, columns.minus_line_of_output))
    _, first, inverse = np.unique(lines, axis=1, return_index=True, return_inverse=True)
    in_group = first[inverse.ravel()]
    start = np.arange(tiling.n_groups)[:, None] * columns.n_outputs
    return np.asarray((start + in_group).ravel())


def with_shared_references(fields: DeviceFields, tiling: LayerTiling) -> DeviceFields:
    """Fields (..., 2, out, ...) in which outputs that share a minus line share its devices."""
    if tiling.columns.signed_weights == "differential":
        return fields
    index = torch.from_numpy(outputs_of_references(tiling))

    def shared(field: Tensor | None, pair_axis: int = 0) -> Tensor | None:
        if field is None:
            return None
        plus, minus = field.unbind(pair_axis)
        minus = minus.index_select(pair_axis, index.to(minus.device))
        return torch.stack((plus, minus), dim=pair_axis)

    return replace(
        fields,
        programming_offset=shared(fields.programming_offset),
        programming_gain=shared(fields.programming_gain),
        stuck_off=shared(fields.stuck_off),
        stuck_on=shared(fields.stuck_on),
        drift_exponent=shared(fields.drift_exponent),
        kappa_deviation=shared(fields.kappa_deviation, 1),
    )
