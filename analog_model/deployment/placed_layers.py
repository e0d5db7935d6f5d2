"""Placed layers: a converted network's analog layers with the arrays that they lie on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from analog_model.chip import Chip
from analog_model.chip.continuation import continued_chip
from analog_model.deployment.cell_places import CellPlaces, cell_places
from analog_model.errors import ConfigurationError
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.report import conversion_of
from analog_model.physics.programming import resolved_current


@dataclass(frozen=True, eq=False)
class PlacedLayer:
    """One analog layer on arrays `first_array` and following of the network.

    `target_share` (array, word_line, bit_line) are its target currents in units of full scale;
    `window` [s] is its widest pulse.
    """

    name: str
    layer: AnalogLayer
    places: CellPlaces
    first_array: int
    window: float
    target_share: np.ndarray

    @property
    def arrays(self) -> slice:
        """The layer's arrays among the network's."""
        return slice(self.first_array, self.first_array + self.places.shape[0])

    @property
    def input_range(self) -> float:
        """Input that the widest pulse stands for."""
        layer = self.layer
        found = layer.log_input_range.exp() if layer.learns_input_range else layer.input_range
        return float(found)


def empty_array(network: nn.Module) -> Chip:
    """One of the arrays that a converted network lies on, without currents."""
    shapes = {layer.tiling.array_shape for layer in _analog_layers(network).values()}
    return continued_chip(conversion_of(network).chip, *shapes.pop())


def placed_layers(
    network: nn.Module, chip: Chip, *, weight_bits: int | None = None
) -> tuple[PlacedLayer, ...]:
    """Analog layers in the network's order; those used in several places once.

    The network's cells are flawless; with `weight_bits` their targets are levels of the writer.

    Raises ConfigurationError where there are none, or a layer's pulses have no width in
    seconds.
    """
    found = []
    first = 0
    for name, layer in _analog_layers(network).items():
        places = cell_places(layer.tiling)
        with torch.no_grad():
            current = layer.cell_currents().double().cpu()
            if weight_bits is not None:
                current = resolved_current(current, bits=weight_bits)
        target = places.on_arrays(current.flatten(2).numpy())
        window = _window(name, layer, chip)
        found.append(PlacedLayer(name, layer, places, first, window, target))
        first += places.shape[0]
    return tuple(found)


def _analog_layers(network: nn.Module) -> dict[str, AnalogLayer]:
    found = {
        name: module for name, module in network.named_modules() if isinstance(module, AnalogLayer)
    }
    if not found:
        raise ConfigurationError(
            "deploy.network",
            expected="a network with layers on arrays",
            got=f"{type(network).__name__} whose layers are all digital",
            advice="conversion_report says why each one stayed digital.",
        )
    return found


def _window(name: str, layer: AnalogLayer, chip: Chip) -> float:
    window = layer.configuration.window or chip.pulse.full_scale
    if window is None:
        raise ConfigurationError(
            f"layer {name!r}: LayerConfiguration.window",
            expected="the widest pulse [s], which inputs are scaled to",
            got="none, and a chip without pulse codes",
            advice="Give window, or chip.pulse its lsb and bits.",
        )
    return float(window)
