"""Folding of batch normalisation, held to the model in evaluation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from tests.analog_chips import ideal_chip

FIXED = am.nn.LayerConfiguration(input_range=8.0, signed_inputs=True)


def trained(model: nn.Module) -> nn.Module:
    """Normalisations as after some training; their statistics are far from 0 and 1."""
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for name, low, high in (
                ("running_mean", -1.0, 1.0),
                ("running_var", 0.2, 3.0),
                ("weight", -2.0, 2.0),
                ("bias", -1.0, 1.0),
            ):
                value = getattr(module, name)
                if value is not None:
                    value.data.uniform_(low, high, generator=generator)
    return model


def convert(model: nn.Module, **options: Any) -> Any:
    return am.nn.convert(model, ideal_chip(), configuration=FIXED, **options)


def computed(network: nn.Module) -> dict[str, str]:
    return {one.name: one.computed for one in am.nn.conversion_report(network)}


def check(model: nn.Module, x: Tensor, *, folded: set[str]) -> nn.Module:
    """The converted model does what the original does in evaluation."""
    network = convert(model)
    found = {name for name, how in computed(network).items() if how == "folded"}
    assert found == folded
    with torch.no_grad():
        torch.testing.assert_close(
            network.eval()(x), copy.deepcopy(model).eval()(x), rtol=1e-4, atol=1e-5
        )
    return network


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), (4, 2, 5, 5)),
        (nn.Sequential(nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4)), (4, 2, 5, 5)),
        (nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, affine=False)), (4, 2, 5, 5)),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3, eps=0.1)), (4, 2, 5)),
        (nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3)), (4, 2)),
    ],
    ids=["bias", "groups without bias", "not affine", "one dimension", "linear"],
)
def test_pairs_are_folded(model: nn.Module, shape: tuple[int, ...]) -> None:
    network = check(trained(model), torch.rand(shape), folded={"1"})
    assert isinstance(network[1], nn.Identity)
    # In training too, for the statistics are those of evaluation.
    network.train()
    x = torch.rand(shape)
    torch.testing.assert_close(network(x), model.eval()(x), rtol=1e-4, atol=1e-5)


class Residual(nn.Module):
    """A block in which the order of the modules is not that of the calls."""

    def __init__(self, *, branch: bool = False) -> None:
        super().__init__()
        self.norm_2, self.norm_1 = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
        self.convolution_1 = nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.convolution_2 = nn.Conv2d(2, 2, 3, padding=1)
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        first = self.convolution_1(x)
        y = torch.relu(self.norm_1(first))
        y = self.norm_2(self.convolution_2(y))
        # A branch that a symbolic trace cannot follow.
        if self.branch and x.sum() < 0:
            return y
        return torch.relu(y + x)


def test_a_trace_finds_pairs_in_any_module() -> None:
    check(trained(Residual()), torch.rand(2, 2, 4, 4), folded={"norm_1", "norm_2"})


def test_what_no_trace_shows_stays_digital() -> None:
    network = check(trained(Residual(branch=True)), torch.rand(2, 2, 4, 4), folded=set())
    assert computed(network)["norm_1"] == "digital"


def test_without_a_trace_a_sequential_shows_the_order() -> None:
    inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.BatchNorm2d(2))
    model = nn.Sequential(inner, Residual(branch=True))
    check(trained(model), torch.rand(2, 2, 4, 4), folded={"0.1"})


class Uses(nn.Module):
    """A pair whose parts are used otherwise too, in the way that `how` says."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.how = how
        if how == "tied":
            self.other = nn.Linear(3, 3)
            self.other.weight = self.layer.weight
        if how == "two names":
            self.alias = self.norm

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        if self.how == "output used twice":
            return self.norm(y) + y
        if self.how == "layer called twice":
            return self.norm(y) + self.layer(-x)
        if self.how == "norm called twice":
            return self.norm(self.norm(y))
        if self.how == "weight used":
            return self.norm(y) + x @ self.layer.weight
        if self.how == "tied":
            return self.norm(y) + self.other(x)
        if self.how == "another order in evaluation":
            return self.norm(y) if self.training else self.norm(torch.relu(y))
        return self.norm(y)


@pytest.mark.parametrize(
    "how",
    [
        "output used twice",
        "layer called twice",
        "norm called twice",
        "weight used",
        "tied",
        "two names",
        "another order in evaluation",
    ],
)
def test_what_is_used_otherwise_too_is_not_folded(how: str) -> None:
    network = check(trained(Uses(how)), torch.rand(4, 3), folded=set())
    assert computed(network)["norm"] == "digital"


def test_no_folding_without_running_statistics_or_into_a_digital_layer() -> None:
    statistics = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False))
    check(statistics, torch.rand(4, 3), folded=set())
    pair = trained(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)))
    assert computed(convert(pair, digital=["0"]))["1"] == "digital"
    assert computed(convert(pair, fold_batch_norm=False))["1"] == "digital"
    assert computed(convert(pair))["1"] == "folded"


# Checkpoints --------------------------------------------------------------------------------


@pytest.fixture
def pair() -> nn.Sequential:
    return trained(nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()))


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("copied", [False, True])
def test_a_checkpoint_of_the_original_is_folded_on_loading(
    pair: nn.Sequential, wrapped: bool, copied: bool
) -> None:
    """Not folding it would load without a word and compute without the normalisation."""
    network = convert(pair)
    if copied:
        network = copy.deepcopy(network)
    torch.manual_seed(1)
    other = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU())
    trained(other).eval()[1].running_mean += 1
    if wrapped:
        network, other = nn.ModuleDict({"in": network}), nn.ModuleDict({"in": other})
    state = other.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    loaded = network.load_state_dict(state, strict=False)
    assert not loaded.unexpected_keys
    assert [name.rpartition(".")[2] for name in loaded.missing_keys] == ["input_range"]
    # The caller's checkpoint is as it was.
    assert state.keys() == before.keys()
    assert all(torch.equal(state[name], before[name]) for name in state)
    if wrapped:
        network, other = network["in"], other["in"]
    x = torch.rand(2, 2, 5, 5)
    torch.testing.assert_close(network(x), other(x), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_the_converted_network_loads_as_it_is(pair: nn.Sequential) -> None:
    network = convert(pair)
    with torch.no_grad():
        network[0].weight.mul_(2)
    again = convert(pair)
    again.load_state_dict(network.state_dict())
    x = torch.rand(2, 2, 5, 5)
    assert torch.equal(again(x), network(x))
