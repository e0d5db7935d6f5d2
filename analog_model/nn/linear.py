"""Linear layer on analog arrays."""

from __future__ import annotations

from torch import Tensor, nn

from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.ideal_product import ArrayProduct
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.placement import Placement
from analog_model.nn.ranges import Encoding


class AnalogLinear(AnalogLayer):
    """`nn.Linear` on arrays: (..., in) to (..., out)."""

    def __init__(
        self,
        digital: nn.Linear,
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
        self.in_features = digital.in_features
        self.out_features = digital.out_features

    def extra_repr(self) -> str:
        return f"{self.in_features} -> {self.out_features}, {super().extra_repr()}"

    def arranged(self, x: Tensor) -> Tensor:
        """Inputs (B, in) of inputs (..., in)."""
        return x.reshape(-1, self.in_features)

    def multiplied(self, width: Tensor, current: Tensor) -> Tensor:
        """Charge (B, out) of widths (B, in)."""
        return self.product.linear(width, current, self.kappa_deviation)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (..., out) of inputs (..., in)."""
        y = self._respond(self.arranged(x))
        return y.reshape(*x.shape[:-1], self.out_features)
