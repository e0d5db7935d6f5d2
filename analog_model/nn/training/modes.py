"""Modes of training: from trained weights to the trainee that a mode works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from analog_model.chip import Chip
from analog_model.nn.models import find_network
from analog_model.nn.training.checkpoint import State
from analog_model.nn.training.chip_family import NOMINAL, family_of
from analog_model.nn.training.chip_trainee import ChipTrainee
from analog_model.nn.training.configuration import (
    FLOAT,
    HARDWARE_AWARE,
    NOISE,
    STRAIGHT_THROUGH,
    TrainingConfiguration,
)
from analog_model.nn.training.randomness import seed_of
from analog_model.nn.training.shared_conversion import (
    converted,
    settings_of,
    share_parameters,
)
from analog_model.nn.training.straight_through import StraightThrough
from analog_model.nn.training.trainee import Trainee
from analog_model.nn.training.twin import twin
from analog_model.nn.training.weight_noise import NoisyTrainee


@dataclass(frozen=True)
class Preparation:
    """What a mode starts from: digital network, chip where one takes part, calibration data."""

    configuration: TrainingConfiguration
    digital: nn.Module
    chip: Chip | None
    calibration: Tensor


def digital_network(configuration: TrainingConfiguration, start: State | None) -> nn.Module:
    """The digital network with the weights `start`, else with the first ones of its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(configuration.seed, "initial weights"))
        network = find_network(configuration.network).build()
    if start is not None:
        network.load_state_dict(start)
    return network


def _float(preparation: Preparation) -> Trainee:
    return Trainee(preparation.digital, compiled=preparation.configuration.compiled)


def _noise(preparation: Preparation) -> Trainee:
    one = preparation.configuration
    assert one.weight_noise is not None
    return NoisyTrainee(
        preparation.digital, deviation=one.weight_noise, seed=one.seed, compiled=one.compiled
    )


def _hardware_aware(preparation: Preparation) -> Trainee:
    network, members = _on_chips(preparation)
    one = preparation.configuration
    return ChipTrainee(network, members, seed=one.seed, compiled=one.compiled)


def _straight_through(preparation: Preparation) -> Trainee:
    network, members = _on_chips(preparation)
    one = preparation.configuration
    members = [twin(member, StraightThrough) for member in members]
    return ChipTrainee(network, members, seed=one.seed, compiled=one.compiled)


def _on_chips(preparation: Preparation) -> tuple[nn.Module, list[nn.Module]]:
    """The network on the chip itself, then on those that it is trained on."""
    one, chip = preparation.configuration, preparation.chip
    assert chip is not None
    family = family_of(one, chip)

    def on(number: int) -> nn.Module:
        programmed = family.member(number)
        return converted(preparation.digital, programmed, settings_of(one), preparation.calibration)

    network = on(NOMINAL)
    if one.variation is None:
        return network, [network]
    members = [on(number) for number in range(one.variation.n_chips)]
    for member in members:
        share_parameters(network, member)
    return network, members


_MODES: Mapping[str, Callable[[Preparation], Trainee]] = MappingProxyType(
    {
        FLOAT: _float,
        NOISE: _noise,
        HARDWARE_AWARE: _hardware_aware,
        STRAIGHT_THROUGH: _straight_through,
    }
)


def prepare(preparation: Preparation) -> Trainee:
    """The trainee of the configuration's mode."""
    trainee = _MODES[preparation.configuration.mode](preparation)
    if preparation.configuration.channels_last:
        # Not `trainee.to`: it refuses the layers' buffers of five dimensions.
        for parameter in trainee.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return trainee
