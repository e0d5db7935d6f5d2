"""Small networks deployed on small chips."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import analog_model as am
from tests.analog_chips import FULL_SCALE, physical_chip

VOLTAGES = {"v_bit_line": 0.5, "v_word_line": 2.0}


def deployable_chip(n_word_lines: int = 16, n_bit_lines: int = 8, **parts: Any) -> am.Chip:
    """`physical_chip` with the voltages that energy needs."""
    return physical_chip(n_word_lines, n_bit_lines, **{**VOLTAGES, **parts})


def exact(**settings: Any) -> am.nn.LayerConfiguration:
    """Layers slot by slot, so that nothing but rounding lies between them and the tables."""
    return am.nn.LayerConfiguration(method="slots", **settings)


def mixed_network() -> tuple[nn.Sequential, Tensor]:
    """Grouped, strided, padded convolution before a linear layer, with inputs of both signs."""
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(54, 5)
    )
    return network.double(), torch.randn(2, 4, 5, 6, dtype=torch.float64)


def perceptron() -> tuple[nn.Sequential, Tensor]:
    """16-16-10 perceptron with inputs."""
    torch.manual_seed(6)
    network = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10)).double()
    return network, torch.rand(4, 16, dtype=torch.float64)


def deployed(network: nn.Module, inputs: Tensor, chip: am.Chip, **options: Any) -> am.Deployment:
    """The network deployed, all inputs of class 0."""
    chosen = {
        "images": inputs,
        "labels": torch.zeros(len(inputs), dtype=torch.int64),
        "seeds": (0,),
    }
    return am.deploy(network, chip, **{**chosen, **options})


__all__ = ["FULL_SCALE", "deployable_chip", "deployed", "exact", "mixed_network", "perceptron"]
