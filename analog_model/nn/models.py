"""Networks to be run on analog arrays, in plain torch.

Each is a sequence of linear layers or convolutions with digital steps between them. What
enters a linear layer or convolution is never negative, given non-negative images: pulse
widths cannot be. Biases are digital, added after readout; a convolution that batch
normalisation follows has none, as folding gives it one. Every forward pass returns ten
class scores (image, class).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from torch import nn

from analog_model.errors import ConfigurationError, nearest_name

N_CLASSES = 10


@dataclass(frozen=True)
class Network:
    """A constructor with what it is made for: data set, width of its input, margin cut off.

    The widths are in pixels, as `images.inputs.network_input` takes them.
    """

    name: str
    build: Callable[[], nn.Module]
    images: str
    image_size: int
    margin: int = 0


def mlp_4x4() -> nn.Sequential:
    """16-16-10 perceptron on 4x4 digits: 416 weights.

    Its 26 signed outputs are 52 bit lines of 16 cells where a pair makes one output.
    """
    return _perceptron(16, 16, N_CLASSES)


def mlp_14x14() -> nn.Sequential:
    """196-128-10 perceptron on 14x14 digits: 26,368 weights."""
    return _perceptron(196, 128, N_CLASSES)


def lenet5() -> nn.Sequential:
    """LeNet-5 on 28x28 digits: 61,470 weights.

    Of the network of LeCun et al., Proc. IEEE 86, 2278 (1998), doi:10.1109/5.726791, with
    ReLU, maximum pooling, full connection of the second convolution, linear output.
    """
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, N_CLASSES)),
    )


def vgg_small() -> nn.Sequential:
    """VGG-style network on 32x32 colour images: 1,173,856 weights, 53 million products.

    Eight 3x3 convolutions with batch normalisation, two in each stage; stages halve the
    image and double the channels, the last 4x4 pixels are averaged.
    """
    return nn.Sequential(
        *_convolution(3, 32),
        *(*_convolution(32, 32), nn.MaxPool2d(2)),
        *_convolution(32, 64),
        *(*_convolution(64, 64), nn.MaxPool2d(2)),
        *_convolution(64, 128),
        *(*_convolution(128, 128), nn.MaxPool2d(2)),
        *_convolution(128, 256),
        *_convolution(256, 256),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, N_CLASSES)),
    )


def _perceptron(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network("mlp_4x4", mlp_4x4, "mnist", 4, margin=4),
            Network("mlp_14x14", mlp_14x14, "mnist", 14),
            Network("lenet5", lenet5, "mnist", 28),
            Network("vgg_small", vgg_small, "cifar10", 32),
        )
    }
)


def find_network(name: str) -> Network:
    """The network of that name. Raises ConfigurationError for an unknown one."""
    if name not in NETWORKS:
        raise ConfigurationError(
            "network",
            expected=f"one of {', '.join(NETWORKS)}",
            got=repr(name),
            advice=nearest_name(name, NETWORKS),
        )
    return NETWORKS[name]
