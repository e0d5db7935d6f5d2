"""Ideal product of pulse widths with cell currents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional


class ArrayProduct(Protocol):
    """What happens on the arrays of one layer.

    Widths in units of the widest pulse, currents (2, out, ...) in units of full scale: the
    plus lines, the minus lines. Charge of plus minus minus in units of their product, summed
    over the arrays that share outputs. `kappa_deviation` (K, 2, out, ...) is each cell's own
    relative departure from the kappas of its layout class.
    """

    def linear(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out) of widths (B, in)."""

    def convolution(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""


@dataclass(frozen=True)
class ConvolutionGeometry:
    """How a kernel walks over an image: (height, width) each; `padding` with no pulse."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class IdealProduct(nn.Module):
    """Arrays on which nothing acts but the cells' own currents."""

    def __init__(self, geometry: ConvolutionGeometry | None = None) -> None:
        super().__init__()
        self.geometry = ConvolutionGeometry() if geometry is None else geometry

    def linear(
        self,
        width: Tensor,
        current: Tensor,
        kappa_deviation: Tensor | None = None,  # noqa: ARG002, nothing couples here
    ) -> Tensor:
        """Charge (B, out) of widths (B, in)."""
        return functional.linear(width, current[0] - current[1])

    def convolution(
        self,
        width: Tensor,
        current: Tensor,
        kappa_deviation: Tensor | None = None,  # noqa: ARG002, nothing couples here
    ) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""
        geometry = self.geometry
        return functional.conv2d(
            width,
            current[0] - current[1],
            stride=geometry.stride,
            padding=geometry.padding,
            dilation=geometry.dilation,
            groups=geometry.groups,
        )
