"""Cases of the benchmark: a model, its inputs, the arrays that it is put on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from analog_model.chip import EKV, BitLine, Chip, CouplingByClass, Layout
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convert import convert
from analog_model.nn.models import lenet5, vgg_small

FORWARD, FORWARD_BACKWARD, TRAINING_STEP = "forward", "forward+backward", "training step"

# Cells of 0.8 uA that see both inversions, gates that lift each other by some percent.
_FULL_SCALE = 8e-7
_KAPPA = 0.05 * np.array([[0.3, 1.0, 0.6, 0.1], [0.1, 0.5, 1.0, 0.25]])


@dataclass(frozen=True)
class Case:
    """A model with a batch of its inputs.

    `measures` maps what is timed to the ratio to plain torch that is (required, aimed at),
    None where nothing is. `slots`: as many of the inputs are timed with the exact method.
    """

    name: str
    title: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    measures: Mapping[str, tuple[float, float] | None]
    array_shape: tuple[int, int] = (128, 128)
    slots: int = 0

    @property
    def trains(self) -> bool:
        return TRAINING_STEP in self.measures

    def model(self) -> nn.Module:
        """The digital model, the same each time; its normalisation knows the inputs."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self.build()
        _settle(model, self.inputs(1))
        return model

    def inputs(self, seed: int) -> Tensor:
        """Inputs in [0, 1], more than half of them 0 as a rectifier leaves them."""
        drawn = torch.randn(self.input_shape, generator=torch.Generator().manual_seed(seed))
        return drawn.mul(0.4).clamp(0, 1)

    def analog(self, model: nn.Module, *, method: str = "closed_form") -> nn.Module:
        """The model on arrays. Normalisation stays digital, as it is beside it."""
        return convert(
            model,
            array(self.array_shape),
            configuration=LayerConfiguration(
                signed_inputs=False, method="slots" if method == "slots" else "closed_form"
            ),
            calibration_data=self.inputs(1),
            fold_batch_norm=False,
        )


def _settle(model: nn.Module, x: Tensor) -> None:
    """Give every batch normalisation the statistics of a batch, as training would.

    Those of an untrained model (mean 0, variance 1) would leave activations in evaluation,
    which set the ranges of the pulse widths, a hundred times smaller than in training.
    """
    momenta = {
        module: module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)
    }
    for module in momenta:
        module.momentum = 1.0
    if momenta:
        with torch.no_grad():
            model(x)
    for module, momentum in momenta.items():
        module.momentum = momentum


def array(shape: tuple[int, int]) -> Chip:
    """Array whose full line loses some percent of its charge to the drop, at any size."""
    wire = 150.0 * (128 / shape[0]) ** 2
    return Chip(
        name="benchmark",
        cell_current=np.full(shape, _FULL_SCALE),
        layout=Layout.mirrored_columns(*shape),
        cell_law=EKV(specific_current=_FULL_SCALE),
        coupling=CouplingByClass(offsets=(-2, -1, 1, 2), kappa=_KAPPA),
        bit_line=BitLine(wire_resistance=wire, lumped_resistance=5 * wire, drain_sensitivity=0.1),
        source="made up for the benchmark",
    )


def _layer(required: float, aim: float) -> dict[str, tuple[float, float] | None]:
    return {FORWARD: (required, aim), FORWARD_BACKWARD: (required, aim)}


_WIDE_CONVOLUTION = (32, 64, 32, 32)

CASES: Mapping[str, Case] = MappingProxyType(
    {
        case.name: case
        for case in (
            Case(
                "linear",
                "Linear 256→128, batch 256",
                lambda: nn.Linear(256, 128),
                (256, 256),
                _layer(6, 3),
                slots=4,
            ),
            Case(
                "conv6",
                "Conv 6→16 5x5 on 14x14, batch 64",
                lambda: nn.Conv2d(6, 16, 5),
                (64, 6, 14, 14),
                _layer(6, 3),
            ),
            Case(
                "conv64",
                "Conv 64→64 3x3 on 32x32, batch 32, 576 rows",
                lambda: nn.Conv2d(64, 64, 3, padding=1),
                _WIDE_CONVOLUTION,
                _layer(5, 2.5),
                array_shape=(576, 128),
            ),
            Case(
                "conv64_tiled",
                "the same on arrays of 128 rows",
                lambda: nn.Conv2d(64, 64, 3, padding=1),
                _WIDE_CONVOLUTION,
                {FORWARD: None, FORWARD_BACKWARD: None},
            ),
            Case("lenet5", "LeNet-5, batch 64", lenet5, (64, 1, 28, 28), {TRAINING_STEP: (4, 2)}),
            Case("vgg", "VGG-style, batch 64", vgg_small, (64, 3, 32, 32), {TRAINING_STEP: (4, 2)}),
        )
    }
)


def find_case(name: str) -> Case:
    """The case of that name. Raises ConfigurationError for an unknown one."""
    if name not in CASES:
        raise ConfigurationError(
            "benchmark case",
            expected=f"one of {', '.join(CASES)}",
            got=repr(name),
            advice=nearest_name(name, CASES),
        )
    return CASES[name]
