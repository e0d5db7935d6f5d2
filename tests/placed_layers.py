"""Layers placed on small arrays, with what they multiply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import analog_model as am
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry
from analog_model.nn.placement import Placement, place

FULL_SCALE, WINDOW = 8e-7, 1e-6
KAPPA = [
    [0.015, 0.05, 0.03, 0.005],
    [-0.005, 0.025, 0.05, 0.012],
    [0.01, 0.04, -0.015, 0.005],
    [0.005, 0.015, 0.04, 0.01],
]
"""Of four layout classes at the offsets -2, -1, 1, 2: crosstalk of some 7 % of the charge."""


@dataclass(frozen=True)
class PlacedLayer:
    """Shapes of a layer, of its widths and of its arrays."""

    weight: tuple[int, ...]
    width: tuple[int, ...]
    array: tuple[int, int]
    geometry: ConvolutionGeometry = field(default_factory=ConvolutionGeometry)
    guard: Any = "auto"

    def placed(self, chip: am.Chip, signed_weights: Any = "differential") -> Placement:
        configuration = am.nn.LayerConfiguration(
            window=WINDOW, signed_weights=signed_weights, guard_word_lines=self.guard
        )
        return place(
            self.weight,
            chip=chip,
            configuration=configuration,
            full_scale_current=FULL_SCALE,
            n_groups=self.geometry.groups,
        )

    def inputs(self, seed: int = 0) -> Tensor:
        """Widths, a good part of them 0 as after a rectifier, none above 1."""
        drawn = torch.randn(self.width, generator=torch.Generator().manual_seed(seed))
        return drawn.mul(0.4).clamp(0, 1).to(torch.get_default_dtype())

    def currents(self, signed_weights: str = "differential", seed: int = 1) -> Tensor:
        drawn = torch.randn(self.weight, generator=torch.Generator().manual_seed(seed))
        weight = drawn.mul(0.4).clamp(-1, 1).to(torch.get_default_dtype())
        if signed_weights == "offset":
            return torch.stack(((1 + weight) / 2, torch.full_like(weight, 0.5)))
        return torch.stack((weight.clamp(min=0), (-weight).clamp(min=0)))


def chip_for(
    shape: tuple[int, int], *, rule: str = "mirrored_columns", wire: float = 400.0, **parts: Any
) -> am.Chip:
    """Arrays with crosstalk and a drop, both of some percent, unless `parts` say otherwise."""
    layout = getattr(am.Layout, rule)(*shape)
    fields: dict[str, Any] = {
        "name": "placed",
        "cell_current": np.full(shape, FULL_SCALE),
        "layout": layout,
        "cell_law": am.EKV(specific_current=FULL_SCALE),
        "coupling": am.CouplingByClass(offsets=(-2, -1, 1, 2), kappa=KAPPA[: layout.n_classes]),
        "bit_line": am.BitLine(
            wire_resistance=wire, lumped_resistance=5 * wire, drain_sensitivity=0.5
        ),
    }
    return am.Chip(**{**fields, **parts})


def multiplied(product: ArrayProduct, width: Tensor, current: Tensor) -> Tensor:
    if width.ndim == 2:
        return product.linear(width, current)
    return product.convolution(width, current)


def error(found: Tensor, exact: Tensor) -> float:
    """Relative rms error."""
    return float((found - exact).norm() / exact.norm())


Geometry = ConvolutionGeometry
PLACED = {
    "linear": PlacedLayer((6, 14), (24, 14), (16, 8)),
    "linear, row tiles": PlacedLayer((10, 40), (24, 40), (16, 8)),
    "guards": PlacedLayer((6, 3, 3, 3), (3, 3, 6, 5), (48, 8), Geometry(padding=(1, 1))),
    "no guards": PlacedLayer((6, 3, 3, 3), (3, 3, 6, 5), (27, 8), Geometry(padding=(1, 0)), 0),
    "stride": PlacedLayer(
        (6, 8, 3, 3), (3, 8, 6, 7), (72, 8), Geometry(stride=(2, 1), padding=(1, 2)), 0
    ),
    "dilation": PlacedLayer(
        (6, 8, 3, 3), (3, 8, 8, 6), (32, 8), Geometry(padding=(1, 1), dilation=(2, 1))
    ),
    "groups": PlacedLayer((6, 4, 3, 2), (3, 8, 6, 5), (20, 8), Geometry(groups=2, padding=(1, 1))),
    "one channel": PlacedLayer((6, 1, 5, 5), (3, 1, 8, 9), (25, 8)),
    "channels cut": PlacedLayer((6, 22, 2, 2), (3, 22, 4, 5), (16, 8)),
}
