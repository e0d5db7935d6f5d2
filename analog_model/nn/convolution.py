"""Convolutions on analog arrays."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.ideal_product import ArrayProduct, ConvolutionGeometry
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.placement import Placement
from analog_model.nn.ranges import Encoding

Convolution = nn.Conv1d | nn.Conv2d


def _margins(digital: Convolution) -> list[tuple[int, int]]:
    """Padding before and behind each dimension of the image."""
    if digital.padding == "valid":
        return [(0, 0)] * len(digital.kernel_size)
    if digital.padding == "same":
        # As torch: an odd margin has its larger part behind.
        spans = [d * (k - 1) for d, k in zip(digital.dilation, digital.kernel_size, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    return [(int(margin), int(margin)) for margin in digital.padding]


def _of_two_dimensions(values: tuple[int, ...], fill: int) -> tuple[int, int]:
    padded = (fill, *values)[-2:]
    return padded[0], padded[1]


def geometry_of(digital: Convolution) -> ConvolutionGeometry:
    """Geometry of the product; padding is in it where it is even, and without pulses."""
    margins = _margins(digital)
    plain = digital.padding_mode == "zeros" and all(before == behind for before, behind in margins)
    padding = tuple(before if plain else 0 for before, _ in margins)
    return ConvolutionGeometry(
        stride=_of_two_dimensions(digital.stride, 1),
        padding=_of_two_dimensions(padding, 0),
        dilation=_of_two_dimensions(digital.dilation, 1),
        groups=digital.groups,
    )


class _AnalogConvolution(AnalogLayer):
    """A convolution whose product is one over two dimensions."""

    def __init__(
        self,
        digital: Convolution,
        *,
        name: str,
        configuration: LayerConfiguration,
        encoding: Encoding,
        placement: Placement,
        product: ArrayProduct,
    ) -> None:
        super().__init__(
            digital,
            name=name,
            configuration=configuration,
            encoding=encoding,
            placement=placement,
            product=product,
        )
        self.in_channels = digital.in_channels
        self.out_channels = digital.out_channels
        self.kernel_size = digital.kernel_size
        self.geometry = geometry_of(digital)
        self._mode = {"zeros": "constant"}.get(digital.padding_mode, digital.padding_mode)
        padded = any(self.geometry.padding)
        # functional.pad counts from the last dimension.
        self._margins = [] if padded else [m for pair in reversed(_margins(digital)) for m in pair]
        if not any(self._margins):
            self._margins = []

    def extra_repr(self) -> str:
        kernel = "x".join(map(str, self.kernel_size))
        return f"{self.in_channels} -> {self.out_channels}, {kernel}, {super().extra_repr()}"

    def _padded(self, x: Tensor) -> Tensor:
        return functional.pad(x, self._margins, mode=self._mode) if self._margins else x


class AnalogConv2d(_AnalogConvolution):
    """`nn.Conv2d` on arrays: (B, C, H, W) to (B, out, H', W'), or both without batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (B, out, H', W') of inputs (B, C, H, W)."""
        y = self._respond(self.arranged(x))
        return y[0] if x.ndim == 3 else y

    def arranged(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) with the padding that the product leaves to the layer."""
        return self._padded(x[None] if x.ndim == 3 else x)

    def multiplied(self, width: Tensor, current: Tensor) -> Tensor:
        """Charge (B, out, H', W') of widths (B, C, H, W)."""
        return self.product.convolution(width, current, self.kappa_deviation)


class AnalogConv1d(_AnalogConvolution):
    """`nn.Conv1d` on arrays: (B, C, L) to (B, out, L'), or both without batch."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (B, out, L') of inputs (B, C, L)."""
        y = self._respond(self.arranged(x)).squeeze(-2)
        return y[0] if x.ndim == 2 else y

    def arranged(self, x: Tensor) -> Tensor:
        """Images (B, C, 1, L) with the padding that the product leaves to the layer."""
        return self._padded(x[None] if x.ndim == 2 else x).unsqueeze(-2)

    def multiplied(self, width: Tensor, current: Tensor) -> Tensor:
        """Charge (B, out, 1, L') of widths (B, C, 1, L)."""
        deviation = self.kappa_deviation
        if deviation is not None:
            deviation = deviation.unsqueeze(-2)
        return self.product.convolution(width, current.unsqueeze(-2), deviation)
