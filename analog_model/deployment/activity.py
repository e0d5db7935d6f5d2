"""Activity of a network's word lines on images: for how long, how often each is driven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.nn.convolution import AnalogConv1d, AnalogConv2d
from analog_model.nn.ideal_product import ConvolutionGeometry
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.ranges import evaluating


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """Means of one inference, by group and weight row: (group, row) each.

    `width` is the sum of the pulses' widths in units of the window, `n_pulses` their number.
    `n_positions` counts the operations of one phase: pixels of a convolution's output, or
    vectors of a linear layer.
    """

    width: np.ndarray
    n_pulses: np.ndarray
    n_positions: float


class _Meter:
    """Running sums over the calls of one layer."""

    def __init__(self, layer: AnalogLayer) -> None:
        self.layer = layer
        n_rows = layer.tiling.n_groups * layer.tiling.rows.n_rows
        self.width, self.n_pulses = np.zeros(n_rows), np.zeros(n_rows)
        self.n_operations = 0

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        width = self.layer.pulse_widths(inputs[0].detach()).double()
        if isinstance(self.layer, AnalogConv1d | AnalogConv2d):
            views, count = _views(width, self.layer.tiling.rows.kernel_shape, self.layer.geometry)
        else:
            views, count = [width], len(width)
        # Rows count channels first, then positions of the kernel.
        self.width += torch.stack([_per_channel(view) for view in views], -1).ravel().numpy()
        on = [_per_channel((view > 0).double()) for view in views]
        self.n_pulses += torch.stack(on, -1).ravel().numpy()
        self.n_operations += count

    def activity(self, n_images: int) -> LayerActivity:
        n_groups = self.layer.tiling.n_groups
        n_phases = 2 if self.layer.signed_inputs else 1
        return LayerActivity(
            width=self.width.reshape(n_groups, -1) / n_images,
            n_pulses=self.n_pulses.reshape(n_groups, -1) / n_images,
            n_positions=self.n_operations / n_phases / n_images,
        )


def _per_channel(view: Tensor) -> Tensor:
    return view.sum(dim=[axis for axis in range(view.ndim) if axis != 1]).cpu()


def _views(
    image: Tensor, kernel_shape: tuple[int, int], geometry: ConvolutionGeometry
) -> tuple[list[Tensor], int]:
    """What each position of the kernel sees of (B, C, H, W), and how many times."""
    height, width = geometry.padding
    padded = functional.pad(image, (width, width, height, height))
    sizes = [
        (padded.shape[2 + axis] - geometry.dilation[axis] * (length - 1) - 1)
        // geometry.stride[axis]
        + 1
        for axis, length in enumerate(kernel_shape)
    ]

    def steps(axis: int, place: int) -> slice:
        first = place * geometry.dilation[axis]
        stride = geometry.stride[axis]
        return slice(first, first + stride * (sizes[axis] - 1) + 1, stride)

    views = [
        padded[:, :, steps(0, down), steps(1, across)]
        for down in range(kernel_shape[0])
        for across in range(kernel_shape[1])
    ]
    return views, len(image) * sizes[0] * sizes[1]


def observe_activity(
    network: nn.Module, layers: Sequence[PlacedLayer], images: Tensor, *, batch_size: int
) -> tuple[LayerActivity, ...]:
    """Activity of each layer while `network` runs on `images`, its inputs."""
    meters = [_Meter(placed.layer) for placed in layers]
    handles = [
        placed.layer.register_forward_pre_hook(meter)
        for placed, meter in zip(layers, meters, strict=True)
    ]
    try:
        with evaluating(network):
            for batch in images.split(batch_size):
                network(batch)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(meter.activity(len(images)) for meter in meters)
