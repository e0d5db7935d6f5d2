"""Analog layers on the devices of a programmed chip, and with the noise of their operation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.device_fields import DeviceFields
from analog_model.nn.reference_lines import outputs_of_references
from tests.analog_chips import ideal_chip

FIXED = am.nn.LayerConfiguration(input_range=2.0, signed_inputs=False)
CHIP = ideal_chip()
MISSED = am.nn.Effects(programming_error=am.nn.ProgrammingError(full_scale=0.05))


def convert(
    model: nn.Module, effects: am.nn.Effects | None, *, seed: int = 0, **options: Any
) -> Any:
    programmed = None if effects is None else am.nn.ProgrammedChip(CHIP, effects, seed)
    return am.nn.convert(
        model, CHIP, **{"configuration": FIXED, "programmed": programmed, **options}
    )


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(3, 6, generator=torch.Generator().manual_seed(2))


def test_no_effects_are_no_difference(model: nn.Module, x: Tensor) -> None:
    assert torch.equal(convert(model, am.nn.Effects())(x), convert(model, None)(x))


def test_the_miss_of_each_cell_reaches_the_output() -> None:
    """By hand: y = range_x range_w sum_j width_j (plus_j - minus_j)."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    network = convert(layer, MISSED)
    fields = DeviceFields.of(network)
    assert fields.programming_offset is not None
    scale = layer.weight.detach().abs().max()
    target = torch.stack((layer.weight.clamp(min=0), (-layer.weight).clamp(min=0))) / scale
    # A current cannot be negative, whatever the write misses.
    current = (target.detach() + fields.programming_offset).clamp(min=0)
    x = torch.rand(5, 4)
    expected = x @ (scale * (current[0] - current[1])).T + layer.bias
    torch.testing.assert_close(network(x), expected)
    assert (network(x) - layer(x)).abs().max() > 0.01


def test_the_same_seed_is_the_same_chip_in_training_and_evaluation(
    model: nn.Module, x: Tensor
) -> None:
    network = convert(model, MISSED, seed=4)
    reply = network(x)
    assert torch.equal(network.eval()(x), reply)
    assert torch.equal(convert(model, MISSED, seed=4)(x), reply)
    assert torch.equal(copy.deepcopy(network)(x), reply)
    assert not torch.equal(convert(model, MISSED, seed=5)(x), reply)
    # A chip is not part of what was learned.
    assert not any("device" in name for name in network.state_dict())


def test_reprogramming_moves_a_network_to_another_chip(model: nn.Module, x: Tensor) -> None:
    network = convert(model, MISSED, seed=4)
    first = network(x)
    chip = network[0].programmed
    am.nn.reprogram(network, chip.fresh(5))
    torch.testing.assert_close(network(x), convert(model, MISSED, seed=5)(x))
    am.nn.reprogram(nn.ModuleList([network]), chip)
    assert torch.equal(network(x), first)
    am.nn.reprogram(network, None)
    torch.testing.assert_close(network(x), model(x))


def test_another_kind_of_chip_is_refused(model: nn.Module) -> None:
    other = am.nn.ProgrammedChip(ideal_chip(name="other"), MISSED, 0)
    with pytest.raises(ConfigurationError, match=r"convert\.programmed.*'ideal'.*'other'"):
        am.nn.convert(model, CHIP, configuration=FIXED, programmed=other)
    with pytest.raises(ConfigurationError, match=r"reprogram\.programmed.*'ideal'.*'other'"):
        am.nn.reprogram(convert(model, MISSED), other)


def test_outputs_share_the_devices_of_their_reference_line() -> None:
    """8 bit lines of two classes: three outputs with a reference each, in each class."""
    layer = nn.Linear(4, 14, bias=False)
    offset = FIXED.replace(signed_weights="offset")
    network = convert(layer, MISSED, configuration=offset)
    shared = outputs_of_references(network.tiling)
    assert len(set(shared.tolist())) == 2 * network.tiling.columns.n_column_tiles
    plus, minus = DeviceFields.of(network).programming_offset
    for output, first in enumerate(shared):
        assert torch.equal(minus[output], minus[first])
    assert len(torch.unique(minus)) == 4 * len(set(shared.tolist()))
    assert len(torch.unique(plus)) == 4 * 14


def test_groups_share_no_reference_line() -> None:
    layer = nn.Conv1d(4, 4, 1, groups=2)
    network = convert(layer, MISSED, configuration=FIXED.replace(signed_weights="offset"))
    assert (outputs_of_references(network.tiling)[2:] >= 2).all()


@pytest.mark.parametrize("signed", [False, True])
def test_read_noise_has_the_deviation_of_its_reads(signed: bool) -> None:
    """Each read adds 0.01: two lines, two arrays of 16 word lines, one or two phases."""
    layer = nn.Linear(32, 50)
    noise = am.nn.Effects(read_noise=0.01)
    network = convert(layer, noise, configuration=FIXED.replace(signed_inputs=signed))
    x = torch.rand(1, 32).expand(2000, 32)
    with torch.no_grad(), am.nn.drawing_from(network, torch.Generator().manual_seed(3)):
        error = network(x) - layer(x)
    reads = 2 * 2 * (2 if signed else 1)
    expected = 0.01 * reads**0.5 * layer.weight.abs().max().item() * 2.0
    # 1e5 draws: a standard error of 0.22 %.
    assert error.std().item() == pytest.approx(expected, rel=0.01)
    assert abs(error.mean().item()) < 4 * expected / 100_000**0.5


def test_noise_comes_from_the_generator_that_is_named(model: nn.Module, x: Tensor) -> None:
    network = convert(model, am.nn.Effects(read_noise=0.01, pulse_jitter=0.01))
    replies = []
    for _ in range(2):
        with am.nn.drawing_from(network, torch.Generator().manual_seed(7)):
            before = torch.get_rng_state()
            replies.append(network(x))
            assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(replies[0], replies[1])
    torch.manual_seed(1)
    free = network(x)
    assert not torch.equal(free, network(x))
    torch.manual_seed(1)
    assert torch.equal(free, network(x))


def test_jitter_leaves_word_lines_without_pulse_alone() -> None:
    layer = nn.Linear(4, 3)
    network = convert(layer, am.nn.Effects(pulse_jitter=0.1))
    still = torch.zeros(5, 4)
    assert torch.equal(network(still), layer(still))
    high = torch.ones(5, 4)
    assert (network(high) - layer(high)).abs().max() > 0
