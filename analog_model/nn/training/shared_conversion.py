"""Conversion of one network onto several chips, on which it keeps one set of parameters."""

from __future__ import annotations

from torch import Tensor, nn

from analog_model.nn.convert import convert
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.configuration import TrainingConfiguration


def converted(
    digital: nn.Module,
    programmed: ProgrammedChip,
    configuration: TrainingConfiguration,
    calibration: Tensor,
) -> nn.Module:
    """The network on one chip, as the configuration converts it."""
    return convert(
        digital,
        programmed.chip,
        array_shape=configuration.array_shape,
        configuration=configuration.layer,
        calibration_data=calibration,
        fold_batch_norm=configuration.fold_batch_norm,
        programmed=programmed,
    )


def share_parameters(network: nn.Module, other: nn.Module) -> None:
    """Give `other` the state of `network`, then its very parameters."""
    other.load_state_dict(network.state_dict())
    for name, module in network.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            other.get_submodule(name).register_parameter(key, parameter)
