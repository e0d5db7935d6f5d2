"""Conversion of whole models: what becomes analog, under which names, with what settings."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.models import NETWORKS
from tests.analog_chips import FULL_SCALE, ideal_chip

FIXED = am.nn.LayerConfiguration(input_range=4.0, signed_inputs=True)


def convert(model: nn.Module, **options: Any) -> Any:
    return am.nn.convert(model, ideal_chip(), **{"configuration": FIXED, **options})


class Block(nn.Module):
    """Nested layers, one of them used twice under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again = self.first
        self.many = nn.ModuleList([nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.Tanh())])
        self.table = nn.ModuleDict({"last": nn.Linear(6, 2)})
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.again(x)) * self.scale
        for one in self.many:
            x = one(x)
        return self.table["last"](x)


@pytest.fixture
def block() -> Block:
    torch.manual_seed(0)
    return Block()


def test_nested_and_shared_layers(block: Block) -> None:
    x = torch.rand(5, 6)
    network = convert(block)
    torch.testing.assert_close(network(x), block(x))
    assert isinstance(network.first, am.nn.AnalogLinear)
    assert network.again is network.first
    analog = [m for m in network.modules() if isinstance(m, am.nn.AnalogLinear)]
    assert len(analog) == 4
    assert not any(isinstance(m, nn.Linear) for m in network.modules())
    assert isinstance(network, Block)


def test_the_original_is_untouched(block: Block) -> None:
    before = {name: value.clone() for name, value in block.state_dict().items()}
    network = convert(block)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert type(block.first) is nn.Linear
    for name, value in block.state_dict().items():
        assert torch.equal(value, before[name])


def test_parameters_keep_names_ties_and_settings(block: Block) -> None:
    block.many[0].weight = block.first.weight
    block.first.bias.requires_grad_(False)
    block.many.eval()
    network = convert(block)
    assert dict(network.named_parameters()).keys() == dict(block.named_parameters()).keys()
    assert network.many[0].weight is network.first.weight
    assert not network.first.bias.requires_grad
    modes = {name: module.training for name, module in block.named_modules()}
    assert not modes["many.0"]
    for name, mode in modes.items():
        assert network.get_submodule(name).training == mode


def test_a_float_checkpoint_loads_and_lacks_only_what_is_the_chips(block: Block) -> None:
    network = convert(block)
    other = Block()
    loaded = network.load_state_dict(other.state_dict(), strict=False)
    assert not loaded.unexpected_keys
    assert {name.rpartition(".")[2] for name in loaded.missing_keys} == {"input_range"}
    x = torch.rand(5, 6)
    torch.testing.assert_close(network(x), other(x))


def test_a_layer_by_itself() -> None:
    layer = nn.Linear(3, 2)
    network = convert(layer)
    assert isinstance(network, am.nn.AnalogLinear)
    assert [one.computed for one in am.nn.conversion_report(network)] == ["analog"]
    x = torch.rand(4, 3)
    torch.testing.assert_close(network(x), layer(x))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_bundled_networks(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]
    model = network.build().eval()
    channels = {"mnist": 1, "cifar10": 3}[network.images]
    images = torch.rand(2, channels, network.image_size, network.image_size)
    analog = am.nn.convert(model, ideal_chip(), array_shape=(128, 128), calibration_data=images)
    torch.testing.assert_close(analog(images), model(images), rtol=1e-4, atol=1e-5)
    # Images and activations are never negative: one phase each.
    layers = [m for m in analog.modules() if hasattr(m, "signed_inputs")]
    assert layers
    assert not any(layer.signed_inputs for layer in layers)


# Which layers, with which settings ----------------------------------------------------------


def settings(network: nn.Module) -> dict[str, float]:
    return {
        name: module.configuration.input_range
        for name, module in network.named_modules()
        if isinstance(module, am.nn.AnalogLinear)
    }


def test_the_closest_override_wins(block: Block) -> None:
    network = convert(
        block,
        overrides={
            "many": {"input_range": 5.0},
            "many.1.0": FIXED.replace(input_range=6.0, readout_bits=None),
            "table.last": {"input_range": 7.0, "weight_range": "output"},
        },
    )
    expected = {"first": 4.0, "many.0": 5.0, "many.1.0": 6.0, "table.last": 7.0}
    assert settings(network) == expected
    assert network.table["last"].configuration.signed_inputs is True


def test_one_name_of_a_shared_layer_is_enough(block: Block) -> None:
    assert settings(convert(block, overrides={"again": {"input_range": 9.0}}))["first"] == 9.0
    assert "first" not in settings(convert(block, digital=["again"]))
    both = {"first": {"input_range": 1.0}, "again": {"input_range": 2.0}}
    with pytest.raises(ConfigurationError, match=r"shared layer 'first'.*'first', 'again'"):
        convert(block, overrides=both)


def test_layers_left_digital(block: Block) -> None:
    network = convert(block, digital=("many", "table.last"))
    assert list(settings(network)) == ["first"]
    reasons = {one.name: one.reason for one in am.nn.conversion_report(network)}
    assert reasons["many.1.0"] == "left digital as asked"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digital": ("tabel.last",)}, r"convert\.digital.*Did you mean 'table\.last'"),
        ({"overrides": {"frist": {}}}, r"convert\.overrides.*Did you mean 'first'"),
        ({"overrides": {"many.1.1": {}}}, r"overrides\['many\.1\.1'\].*Tanh.*stays digital"),
        ({"overrides": {"first": {"input_rang": 1.0}}}, r"Did you mean 'input_range'"),
        ({"overrides": {"first": 1.0}}, r"overrides\['first'\].*float"),
        ({"digital": "first"}, r"convert\.digital.*a sequence of names"),
        ({"configuration": None}, r"layer 'first'.*calibration_data, which decide it"),
        ({"chip": None}, r"convert\.chip.*a Chip.*NoneType"),
        (
            {"chip": ideal_chip(readout=am.Readout(full_scale=1e-12, bits=8))},
            r"convert\.chip\.readout.*readout_bits",
        ),
        (
            {"chip": ideal_chip().with_weights([[0.0] * 8] * 16)},
            r"full_scale_current.*a chip without any",
        ),
        ({"array_shape": (16, 1)}, r"layer 'first'.*two bit lines of one class"),
    ],
)
def test_what_cannot_be_met_is_refused(block: Block, options: dict[str, Any], message: str) -> None:
    given = {"chip": ideal_chip(), "configuration": FIXED, **options}
    chip = given.pop("chip")
    with pytest.raises(ConfigurationError, match=message):
        am.nn.convert(block, chip, **given)


# What has no analog layer -------------------------------------------------------------------


class Derived(nn.Linear):
    """Computes something else than its base."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


def test_what_cannot_be_mapped_stays_and_is_reported() -> None:
    model = nn.Sequential(
        OrderedDict(
            up=nn.ConvTranspose2d(1, 2, 2),
            down=nn.Conv2d(2, 1, 2),
            flat=nn.Flatten(),
            derived=Derived(9, 9),
            watched=nn.Linear(9, 9),
            normal=nn.utils.parametrizations.weight_norm(nn.Linear(9, 4)),
        )
    )
    model.watched.register_forward_hook(lambda module, inputs, output: output * 3)
    x = torch.rand(2, 1, 3, 3)
    network = convert(model)
    torch.testing.assert_close(network(x), model(x))
    report = {one.name: (one.computed, one.reason) for one in am.nn.conversion_report(network)}
    assert report["up"] == ("digital", "no analog layer for ConvTranspose2d")
    assert report["down"] == ("analog", "")
    assert report["derived"][1] == "Derived derives from Linear and may compute something else"
    assert report["watched"][1] == "its forward hooks would be lost"
    assert report["normal"][0] == "digital"


def test_a_transformer_does_not_compute_past_its_analog_layers() -> None:
    """In evaluation torch reads the weights of its encoder's layers without calling them."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    network = convert(model)
    x = torch.rand(2, 5, 8)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
        for name in ("layers.0.linear1", "layers.1.linear2"):
            network.get_submodule(name).input_range.fill_(1e-3)
        assert (network(x) - expected).abs().max() > 0.01
    report = {one.name: one.computed for one in am.nn.conversion_report(network)}
    assert report["layers.0.linear1"] == "analog"
    assert report["layers.0.self_attn.out_proj"] == "digital"


def test_a_report_needs_a_converted_network(block: Block) -> None:
    wrapped = nn.Sequential(convert(block))
    assert len(am.nn.conversion_report(wrapped)) == 5
    with pytest.raises(ConfigurationError, match="a network that convert returned"):
        am.nn.conversion_report(block)


# Chips --------------------------------------------------------------------------------------


def test_arrays_take_the_shape_asked_for(block: Block) -> None:
    network = convert(block, array_shape=(4, 12))
    # 6 rows on 4 word lines, 6 pairs on 12 bit lines.
    assert network.first.tiling.array_shape == (4, 12)
    assert network.first.tiling.n_arrays == 2
    assert convert(block).first.tiling.array_shape == (16, 8)
    x = torch.rand(5, 6)
    torch.testing.assert_close(network(x), block(x))


def test_full_scale_is_the_chips_largest_current(block: Block) -> None:
    assert convert(block).first.full_scale_current == FULL_SCALE
    given = convert(block, configuration=FIXED.replace(full_scale_current=3e-8))
    assert given.first.full_scale_current == 3e-8
