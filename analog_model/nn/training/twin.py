"""Twin of an analog network: the same modules, its analog layers seen otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable

from torch import Tensor, nn

from analog_model.nn.layer import AnalogLayer
from analog_model.nn.training.ideal_response import ideal_response


class IdealLayer(nn.Module):
    """An analog layer by its ideal response."""

    def __init__(self, analog: AnalogLayer) -> None:
        super().__init__()
        self.analog = analog

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the digital layer with the same parameters."""
        return ideal_response(self.analog, x)


def twin(network: nn.Module, view: Callable[[AnalogLayer], nn.Module]) -> nn.Module:
    """A network with `view` of each analog layer, which shares all parameters, all buffers."""
    memo: dict[int, nn.Module] = {}
    for module in network.modules():
        if isinstance(module, AnalogLayer):
            memo[id(module)] = view(module)
        elif not list(module.children()):
            memo[id(module)] = module
    return copy.deepcopy(network, memo)
