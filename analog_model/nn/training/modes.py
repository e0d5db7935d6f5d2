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
from analog_model.nn.training.configuration import FLOAT, TrainingConfiguration
from analog_model.nn.training.randomness import seed_of
from analog_model.nn.training.trainee import Trainee


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


_MODES: Mapping[str, Callable[[Preparation], Trainee]] = MappingProxyType({FLOAT: _float})


def prepare(preparation: Preparation) -> Trainee:
    """The trainee of the configuration's mode."""
    trainee = _MODES[preparation.configuration.mode](preparation)
    if preparation.configuration.channels_last:
        trainee.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return trainee
