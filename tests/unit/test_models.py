"""The networks: sizes counted by hand, inputs that a pulse width can carry, learning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from analog_model.errors import ConfigurationError
from analog_model.nn.images.inputs import network_input
from analog_model.nn.images.loading import IMAGE_SETS, load_images
from analog_model.nn.models import NETWORKS, find_network

CHANNELS = {"mnist": 1, "cifar10": 3}


def analog_layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mlp_4x4", 16 * 16 + 16 * 10),
        ("mlp_14x14", 196 * 128 + 128 * 10),
        ("lenet5", 25 * 6 + 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10),
        (
            "vgg_small",
            9 * (3 * 32 + 32**2 + 32 * 64 + 64**2 + 64 * 128 + 128**2 + 128 * 256 + 256**2) + 2560,
        ),
    ],
)
def test_the_weights_are_counted_and_told(name: str, weights: int) -> None:
    network = find_network(name)
    assert sum(layer.weight.numel() for layer in analog_layers(network.build())) == weights
    assert f"{weights:,} weights" in (network.build.__doc__ or "")


@pytest.mark.parametrize("name", NETWORKS)
def test_no_negative_value_enters_an_analog_layer(name: str) -> None:
    network = find_network(name)
    torch.manual_seed(3)
    model = network.build()
    entered: list[Tensor] = []
    for layer in analog_layers(model):
        layer.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0].detach()))
    shape = (4, CHANNELS[network.images], network.image_size, network.image_size)
    for mode in (True, False):
        scores = model.train(mode)(torch.rand(shape))
        assert scores.shape == (4, 10)
    assert len(entered) == 2 * len(analog_layers(model))
    assert all((values >= 0).all() and values.max() > 0 for values in entered)
    # Scores are of both signs: no ReLU stands behind the last layer.
    assert scores.min() < 0 < scores.max()


def test_a_bias_stands_where_no_batch_normalisation_follows() -> None:
    for network in NETWORKS.values():
        modules = list(network.build())  # type: ignore[call-overload]
        for module, following in zip(modules, [*modules[1:], None], strict=True):
            if isinstance(module, nn.Linear | nn.Conv2d):
                assert (module.bias is None) == isinstance(following, nn.BatchNorm2d)


def test_the_registry_names_what_exists() -> None:
    assert list(NETWORKS) == ["mlp_4x4", "mlp_14x14", "lenet5", "vgg_small"]
    for name, network in NETWORKS.items():
        assert name == network.name == network.build.__name__
        assert network.images in IMAGE_SETS
    with pytest.raises(ConfigurationError, match="Did you mean 'lenet5'"):
        find_network("lenet-5")


def test_the_same_seed_builds_the_same_network() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(find_network("lenet5").build().state_dict()["0.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize(("name", "accuracy"), [("mlp_4x4", 0.70), ("mlp_14x14", 0.88)])
def test_a_network_learns_the_offline_digits(name: str, accuracy: float) -> None:
    """Nearest class means reach about 0.8 on whole digits; chance is 0.1."""
    network, digits = find_network(name), load_images()
    options = {"size": network.image_size, "margin": network.margin}
    inputs, labels = network_input(digits.train_images, **options), digits.train_labels
    torch.manual_seed(0)
    model = network.build()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(15):
        for batch in torch.randperm(len(inputs)).split(128):
            optimiser.zero_grad()
            functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            optimiser.step()
    scores = model(network_input(digits.test_images, **options))
    assert (scores.argmax(1) == digits.test_labels).double().mean() > accuracy
