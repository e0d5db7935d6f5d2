"""Conversion of one network onto several chips, on which it keeps one set of parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convert import convert
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.configuration import TrainingConfiguration


@dataclass(frozen=True)
class ChipSettings:
    """How a network is put on a chip, as `convert` takes it."""

    array_shape: tuple[int, int] | None = None
    layer: LayerConfiguration = field(default_factory=LayerConfiguration)
    fold_batch_norm: bool = True


def settings_of(configuration: TrainingConfiguration) -> ChipSettings:
    """The settings of a run."""
    return ChipSettings(
        configuration.array_shape, configuration.layer, configuration.fold_batch_norm
    )


def converted(
    digital: nn.Module, programmed: ProgrammedChip, settings: ChipSettings, calibration: Tensor
) -> nn.Module:
    """The network on one chip."""
    return convert(
        digital,
        programmed.chip,
        array_shape=settings.array_shape,
        configuration=settings.layer,
        calibration_data=calibration,
        fold_batch_norm=settings.fold_batch_norm,
        programmed=programmed,
    )


def share_parameters(network: nn.Module, other: nn.Module) -> None:
    """Give `other` the state of `network`, then its very parameters."""
    other.load_state_dict(network.state_dict())
    for name, module in network.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            other.get_submodule(name).register_parameter(key, parameter)
