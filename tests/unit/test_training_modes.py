"""Modes of training: noise, straight-through, many chips, against what is worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.training.chip_family import NOMINAL
from analog_model.nn.training.modes import Preparation, digital_network, prepare
from analog_model.nn.training.straight_through import StraightThrough
from analog_model.nn.training.trainee import Trainee
from analog_model.nn.training.twin import IdealLayer, twin
from analog_model.nn.training.weight_noise import NoisyTrainee
from tests.analog_chips import FULL_SCALE, physical_chip
from tests.training_runs import harsh_chip, quick


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10))


def images(n: int = 6, seed: int = 1) -> Tensor:
    return torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def on_chip(network: nn.Module) -> nn.Module:
    settings = am.nn.LayerConfiguration(tolerance=1e-2)
    return am.nn.convert(network, harsh_chip(), configuration=settings, calibration_data=images(32))


# Noise ----------------------------------------------------------------------------------------


def test_noise_has_the_asked_strength_on_weights_alone_and_follows_the_step() -> None:
    layer = nn.Linear(200, 1, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-0.5, 0.2, 200))
    trainee = NoisyTrainee(nn.Sequential(layer), deviation=0.04, seed=3)
    unit = torch.eye(200)
    # Unit inputs show every weight with the bias: a deviation of 0.04 of the largest, 0.5.
    with torch.no_grad():
        weights = torch.stack([trainee(unit, step)[:, 0] - layer.bias for step in range(300)])
    assert weights.std(0).mean() == pytest.approx(0.04 * 0.5, rel=0.02)
    np.testing.assert_allclose(weights.mean(0), layer.weight[0].detach(), atol=5 * 0.02 / 300**0.5)
    torch.testing.assert_close(trainee(unit, 7), trainee(unit, 7), rtol=0, atol=0)
    torch.testing.assert_close(trainee.network(unit)[:, 0] - layer.bias, layer.weight[0])
    # The loss is differentiated where the noise put the weights, by the weights themselves.
    trainee(unit, 5)[3].backward()
    torch.testing.assert_close(layer.weight.grad, unit[3:4])


# Straight-through -----------------------------------------------------------------------------


def test_straight_through_takes_values_from_the_chip_and_slopes_from_the_ideal() -> None:
    network = on_chip(perceptron())
    seen_through, x = twin(network, StraightThrough), images()
    scores = seen_through(x)
    torch.testing.assert_close(scores, network(x))
    by_scores = torch.randn(scores.shape, generator=torch.Generator().manual_seed(4))
    scores.backward(by_scores)
    # By hand: activations of the chip, Jacobians of the matrices.
    first, second = network[1], network[3]
    with torch.no_grad():
        before = first(x.flatten(1))
        after = before.clamp(min=0)
        by_first = (by_scores @ second.weight) * (before > 0)
        expected = {
            second.weight: by_scores.T @ after,
            second.bias: by_scores.sum(0),
            first.weight: by_first.T @ x.flatten(1),
            first.bias: by_first.sum(0),
        }
    for parameter, gradient in expected.items():
        torch.testing.assert_close(parameter.grad, gradient)
    exact = torch.autograd.grad(network(x), first.weight, by_scores)[0]
    assert (exact - expected[first.weight]).norm() > 0.05 * exact.norm()


@pytest.mark.parametrize(
    ("digital", "x"),
    [
        (nn.Conv2d(3, 4, 3, padding=1, stride=2), torch.rand(2, 3, 7, 6)),
        (nn.Conv2d(4, 4, 2, groups=2, dilation=2), torch.rand(2, 4, 7, 6)),
        (nn.Conv1d(3, 4, 3, padding="same"), torch.rand(2, 3, 9)),
        (nn.Linear(5, 3), torch.rand(2, 4, 5)),
    ],
)
def test_an_ideal_layer_is_the_digital_one(digital: nn.Module, x: Tensor) -> None:
    network = am.nn.convert(
        nn.Sequential(digital), physical_chip(), calibration_data=x, array_shape=(16, 8)
    )
    found = twin(network, IdealLayer)(x)
    torch.testing.assert_close(found, digital(x))
    assert (network(x) - found).abs().max() > 1e-3


# Many chips -----------------------------------------------------------------------------------


def test_the_chips_of_a_family_vary_as_told_and_stay_the_same() -> None:
    chip = physical_chip()
    variation = am.nn.ChipVariation(coupling=0.2, resistance=0.1, celsius=(0.0, 60.0))
    family = am.nn.ChipFamily(chip, am.nn.Effects(kappa_mismatch=0.08), variation, seed=5)
    kappa, ohms, celsius = [], [], []
    assert chip.coupling is not None
    for number in range(200):
        member = family.member(number)
        assert member == family.member(number)
        factor = member.chip.coupling.kappa / chip.coupling.kappa
        np.testing.assert_allclose(factor, factor[0, 0])
        kappa.append(factor[0, 0])
        line, own = member.chip.bit_line, chip.bit_line
        ohms.append(line.wire_resistance / own.wire_resistance)
        assert line.lumped_resistance / own.lumped_resistance == pytest.approx(ohms[-1])
        celsius.append(member.effects.temperature.celsius)
        assert member.effects.kappa_mismatch == 0.08
    # Uniform within the bounds: the deviation is the width by the root of 12.
    for values, lowest, highest in ((kappa, 0.8, 1.2), (ohms, 0.9, 1.1), (celsius, 0, 60)):
        assert lowest <= min(values) < max(values) <= highest
        assert np.std(values) == pytest.approx((highest - lowest) / 12**0.5, rel=0.15)
    assert abs(np.corrcoef(kappa, ohms)[0, 1]) < 0.25
    assert len({family.member(number).seed for number in range(200)}) == 200
    nominal = family.member(NOMINAL)
    assert nominal.chip == chip
    assert nominal.effects.temperature is None
    warm = am.nn.Effects(temperature=am.nn.Temperature(celsius=50.0))
    with pytest.raises(ConfigurationError, match=r"ChipVariation\.celsius"):
        am.nn.ChipFamily(chip, warm, variation, seed=5)


def test_every_chip_trains_the_same_parameters() -> None:
    configuration = quick(
        mode="hardware_aware", variation={"n_chips": 3}, layer={"tolerance": 1e-2}
    )
    trainee = prepare(Preparation(configuration, perceptron(), harsh_chip(), images(32)))
    x = images()
    scores = [trainee(x, step) for step in range(12)]
    # Each step is on one of the three chips, none of them the chip itself.
    chips = {tuple(one.flatten().tolist()) for one in scores}
    assert len(chips) == 3
    assert tuple(trainee.network(x).flatten().tolist()) not in chips
    torch.testing.assert_close(trainee(x, 4), scores[4], rtol=0, atol=0)
    before = [one.detach().clone() for one in scores]
    optimizer = torch.optim.SGD(trainee.network.parameters(), lr=0.1)
    functional.cross_entropy(scores[0], torch.arange(6)).backward()
    optimizer.step()
    for step in range(12):
        assert (trainee(x, step) - before[step]).abs().max() > 1e-3
    assert len(list(trainee.parameters())) == 4


def test_a_stored_state_knows_nothing_of_the_mode() -> None:
    for mode in ("hardware_aware", "straight_through"):
        configuration = quick(mode=mode, layer={"tolerance": 1e-2})
        trainee = prepare(Preparation(configuration, perceptron(), harsh_chip(), images(32)))
        assert isinstance(trainee, Trainee)
        assert trainee.network.state_dict().keys() == on_chip(perceptron()).state_dict().keys()
        assert any(isinstance(module, AnalogLayer) for module in trainee.network.modules())


# From end to end ------------------------------------------------------------------------------


@pytest.mark.slow
def test_retraining_on_a_harsh_chip_brings_accuracy_back(tmp_path: Path) -> None:
    """A float network fails on one more image in four; every remedy has the same budget."""
    settings = {"epochs": 4, "learning_rate": 3e-3, "validation_per_class": 0}
    layer = am.nn.LayerConfiguration(tolerance=1e-2)
    am.nn.train(quick(epochs=8, validation_per_class=0), run_directory=tmp_path / "float")
    chip = harsh_chip()
    assert chip.cell_current.max() == FULL_SCALE
    family = am.nn.ChipFamily(chip, None, am.nn.ChipVariation(n_chips=2), seed=9)
    remedies = {
        "noise": {},
        "hardware_aware": {"layer": layer},
        "straight_through": {"layer": layer},
    }
    accuracy = {"float": tmp_path / "float"}
    for mode, more in remedies.items():
        directory = accuracy[mode] = tmp_path / mode
        am.nn.train(
            quick(mode=mode, **settings, **({"weight_noise": 0.05} if mode == "noise" else more)),
            run_directory=directory,
            start=tmp_path / "float",
            chip=chip if more else None,
        )
    as_trained = float(am.nn.evaluate_run(tmp_path / "float")["accuracy"])
    put = am.nn.ChipSettings(layer=layer)
    found = {
        name: am.nn.evaluate_run(directory, family=family, settings=put)
        for name, directory in accuracy.items()
    }
    on_the_chip = {name: float(one["accuracy"][0]) for name, one in found.items()}
    assert on_the_chip["float"] < as_trained - 0.15
    assert on_the_chip["hardware_aware"] > as_trained - 0.05
    assert on_the_chip["hardware_aware"] > on_the_chip["noise"] + 0.1
    assert on_the_chip["straight_through"] > on_the_chip["float"] + 0.1
    # Judged on its own chip from its directory alone, a run gives what its record says.
    record = am.nn.open_record(tmp_path / "hardware_aware" / "record.nc")
    assert float(record["accuracy"]) == on_the_chip["hardware_aware"]
    assert record.attrs["chip_fingerprint"] == chip.fingerprint()
    # Spread over the other chips, by hand; which layer suffers is told.
    others = found["hardware_aware"]["accuracy"].values[1:]
    assert float(found["hardware_aware"]["mean"]) == pytest.approx(others.mean())
    assert float(found["hardware_aware"]["spread"]) == pytest.approx(
        abs(others[0] - others[1]) / 2**0.5
    )
    assert found["float"]["own_ratio"].dims == ("chip", "layer")


def test_channels_last_changes_how_weights_lie_and_nothing_else() -> None:
    """Layers on tiled arrays hold buffers of more dimensions, which have no such order."""
    inputs = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(2))
    layer = am.nn.LayerConfiguration(tolerance=0.1, signed_inputs=False)
    scores = []
    for channels_last in (False, True):
        changes = {"array_shape": (128, 128), "layer": layer, "channels_last": channels_last}
        one = am.nn.recipe("lenet5", mode="hardware_aware", changes=changes)
        trainee = prepare(Preparation(one, digital_network(one, None), harsh_chip(), inputs))
        tensors = [*trainee.buffers(), *trainee.parameters()]
        assert any(tensor.dim() > 4 for tensor in tensors)
        weights = [one for one in trainee.parameters() if one.dim() == 4 and one.shape[1] > 1]
        orders = {one.is_contiguous(memory_format=torch.channels_last) for one in weights}
        assert orders == {channels_last}
        with torch.no_grad():
            scores.append(trainee(inputs, 0))
    torch.testing.assert_close(*scores)
