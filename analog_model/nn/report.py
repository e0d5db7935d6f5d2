"""Report of a conversion: what became of each layer, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from analog_model.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.folding import FoldedPair
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.selection import Selection

ATTRIBUTE = "analog_conversion"


@dataclass(frozen=True)
class LayerReport:
    """One module with parameters or buffers of its own.

    Of an analog one `n_arrays`, and `error`: relative rms error of its charges against the
    slot simulation, as measured when it was converted.
    """

    name: str
    kind: str
    computed: Literal["analog", "digital", "folded"]
    reason: str
    n_arrays: int = 0
    error: float = 0.0


def reports(
    model: nn.Module, network: nn.Module, selection: Selection, folded: tuple[FoldedPair, ...]
) -> tuple[LayerReport, ...]:
    """Report of every layer of `model`, in its order, after it became `network`."""
    layer_of_norm = {pair.norm: pair.layer for pair in folded}
    found = []
    for name in selection.names:
        kind, now = type(model.get_submodule(name)).__name__, network.get_submodule(name)
        if isinstance(now, AnalogLayer):
            found.append(
                LayerReport(
                    name, kind, "analog", "", n_arrays=now.tiling.n_arrays, error=now.product_error
                )
            )
        elif name in layer_of_norm:
            reason = f"folded into {layer_of_norm[name]!r}"
            found.append(LayerReport(name, kind, "folded", reason))
        else:
            found.append(LayerReport(name, kind, "digital", selection.digital[name]))
    return tuple(found)


@dataclass(frozen=True)
class Conversion:
    """What `convert` keeps of its work: the report, the chip as it operates."""

    layers: tuple[LayerReport, ...]
    chip: Chip


def record(network: nn.Module, conversion: Conversion) -> None:
    """Keep the record with the network; copies have it too, its state_dict does not."""
    setattr(network, ATTRIBUTE, conversion)


def conversion_of(network: nn.Module) -> Conversion:
    """The record of a converted network, or of the one that `network` wraps."""
    for module in network.modules():
        found = getattr(module, ATTRIBUTE, None)
        if isinstance(found, Conversion):
            return found
    raise ConfigurationError(
        "network",
        expected="a network that convert returned",
        got=type(network).__name__,
        advice="Convert it first: analog_model.nn.convert(model, chip).",
    )


def conversion_report(network: nn.Module) -> tuple[LayerReport, ...]:
    """What became of each layer of the model that `convert` was given.

    `network` may wrap the converted network, as DistributedDataParallel does. Raises
    ConfigurationError if `convert` never made it.
    """
    return conversion_of(network).layers
