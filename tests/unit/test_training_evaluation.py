"""Evaluation: accuracies counted by hand, layer errors against ordinary products."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import analog_model as am
from tests.analog_chips import ideal_chip, physical_chip


def test_accuracy_is_counted() -> None:
    # The scores are the inputs: five images, of which the third is taken for class 0.
    scores = torch.eye(3)[torch.tensor([0, 1, 0, 2, 2])]
    labels = torch.tensor([0, 1, 1, 2, 2])

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.factor * x

    found = am.nn.evaluate(Same(), scores, labels, class_names=["a", "b", "c"])
    assert found["confusion"].values.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 2]]
    assert float(found["accuracy"]) == 0.8
    assert float(found["standard_error"]) == pytest.approx(math.sqrt(0.8 * 0.2 / 5))
    assert found["class_accuracy"].sel(label="b") == 0.5
    assert "own_ratio" not in found


def ratio(signal: torch.Tensor, other: torch.Tensor) -> float:
    return float(signal.square().mean().sqrt() / (signal - other).square().mean().sqrt())


def test_layer_errors_are_those_of_each_layer_and_of_all_before_it() -> None:
    torch.manual_seed(0)
    digital = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4))
    x = torch.rand(64, 12)
    network = am.nn.convert(digital, physical_chip(), calibration_data=x)
    labels = torch.randint(4, (64,))
    found = am.nn.evaluate(network, x, labels, class_names=list("abcd"))
    assert found["layer"].values.tolist() == ["0", "2"]
    with torch.no_grad():
        first, second = digital[0], digital[2]
        on_chip = network[0](x)
        own = [
            ratio(functional.linear(x, first.weight), on_chip - first.bias),
            ratio(
                functional.linear(on_chip.relu(), second.weight),
                network[2](on_chip.relu()) - second.bias,
            ),
        ]
        ideal = functional.linear(first(x).relu(), second.weight)
        cumulative = [own[0], ratio(ideal, network(x) - second.bias)]
    np.testing.assert_allclose(found["own_ratio"], own, rtol=1e-4)
    np.testing.assert_allclose(found["cumulative_ratio"], cumulative, rtol=1e-4)


def test_an_ideal_chip_has_no_error() -> None:
    torch.manual_seed(0)
    digital = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)
    )
    x = torch.rand(16, 1, 4, 4)
    network = am.nn.convert(digital, ideal_chip(), calibration_data=x)
    found = am.nn.evaluate(network, x, torch.zeros(16, dtype=torch.int64), class_names=list("abcd"))
    assert float(found["own_ratio"].min()) > 1e5
    assert float(found["cumulative_ratio"].min()) > 1e5
    # Noise is drawn from the seed alone.
    noisy = am.nn.ProgrammedChip(ideal_chip(), am.nn.Effects(read_noise=1.0), seed=0)
    am.nn.reprogram(network, noisy)
    labels = digital.eval()(x).argmax(1)
    counts = [
        am.nn.evaluate(network, x, labels, class_names=list("abcd"), seed=seed, layers=False)
        for seed in (0, 0, 1, 2, 3)
    ]
    assert counts[0].identical(counts[1])
    assert len({tuple(one["confusion"].values.flatten().tolist()) for one in counts}) > 1
