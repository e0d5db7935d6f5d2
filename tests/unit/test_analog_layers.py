"""Analog layers on arrays without physics, held to the digital layers they replace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.currents import charge_per_weight, pair_of_currents, weight_range
from tests.analog_chips import ideal_chip

Configuration = am.nn.LayerConfiguration


def converted(layer: nn.Module, **options: Any) -> am.nn.AnalogLinear:
    """The layer on ideal arrays, in float64, with input range 4 in one phase by default."""
    settings = {"input_range": 4.0, "signed_inputs": False, **options}
    return am.nn.convert(layer.double(), ideal_chip(), configuration=Configuration(**settings))


def outcome(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output with the gradients of a weighted sum of it."""
    x = x.clone().requires_grad_()
    y = layer(x)
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)
    names = [name for name, _ in layer.named_parameters() if not name.startswith("log_")]
    parameters = dict(layer.named_parameters())
    gradients = torch.autograd.grad((y * weights).sum(), [x, *(parameters[n] for n in names)])
    return {"y": y.detach(), **dict(zip(["x", *names], gradients, strict=True))}


class Squaring(nn.Module):
    """A product that is not linear, so that scales do not cancel: q + q^2/2 of each line."""

    def linear(
        self, width: Tensor, current: Tensor, kappa_deviation: Tensor | None = None
    ) -> Tensor:
        assert kappa_deviation is None
        plus, minus = (nn.functional.linear(width, line) for line in current)
        return plus + plus**2 / 2 - minus - minus**2 / 2


# Currents -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "smallest", "plus", "minus"),
    [
        ("differential", 0.0, [1.0, 0.0, 0.5], [0.0, 0.5, 0.0]),
        ("differential", 0.2, [1.0, 0.2, 0.6], [0.2, 0.6, 0.2]),
        ("offset", 0.0, [1.0, 0.25, 0.75], [0.5, 0.5, 0.5]),
        ("offset", 0.2, [1.0, 0.4, 0.8], [0.6, 0.6, 0.6]),
    ],
)
def test_currents_by_hand(
    scheme: Any, smallest: float, plus: list[float], minus: list[float]
) -> None:
    weight = torch.tensor([1.0, -0.5, 0.5], dtype=torch.float64)
    pair = pair_of_currents(weight, signed_weights=scheme, smallest_current=smallest)
    torch.testing.assert_close(pair, torch.tensor([plus, minus], dtype=torch.float64))
    per_weight = charge_per_weight(signed_weights=scheme, smallest_current=smallest)
    torch.testing.assert_close(pair[0] - pair[1], per_weight * weight)


def test_a_weight_of_zero_has_its_gradient_once() -> None:
    weight = torch.zeros(1, requires_grad=True)
    pair = pair_of_currents(weight, signed_weights="differential", smallest_current=0.0)
    (slope,) = torch.autograd.grad((pair[0] - pair[1]).sum(), weight)
    assert slope == 1


def test_weight_ranges() -> None:
    weight = torch.tensor([[1.0, -3.0], [0.0, 0.0]], requires_grad=True)
    assert weight_range(weight, "layer") == 3
    # An output without weights may have any range but 0.
    assert weight_range(weight, "output").tolist() == [[3.0], [1.0]]
    assert weight_range(weight, 2.0) == 2
    (slope,) = torch.autograd.grad(weight_range(weight, "layer"), weight)
    assert slope.tolist() == [[0.0, -1.0], [0.0, 0.0]]


# Against the digital layer ------------------------------------------------------------------

LAYERS = {
    "linear": (lambda: nn.Linear(20, 5), (7, 20)),
    "linear without bias": (lambda: nn.Linear(3, 4, bias=False), (2, 3)),
    "linear in 3 dimensions": (lambda: nn.Linear(6, 5), (2, 3, 6)),
    "linear of one vector": (lambda: nn.Linear(6, 5), (6,)),
    "linear of an empty batch": (lambda: nn.Linear(6, 5), (0, 6)),
    "conv2d": (lambda: nn.Conv2d(3, 5, 3), (2, 3, 6, 7)),
    "conv2d without batch": (lambda: nn.Conv2d(3, 5, 3), (3, 6, 7)),
    "conv2d stride, padding": (
        lambda: nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 2)),
        (2, 3, 6, 7),
    ),
    "conv2d dilation": (lambda: nn.Conv2d(3, 5, 3, dilation=(1, 2)), (2, 3, 6, 7)),
    "conv2d groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, padding=1), (2, 4, 5, 5)),
    "conv2d depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, bias=False), (2, 4, 5, 5)),
    "conv2d same, even kernel": (lambda: nn.Conv2d(2, 3, (4, 3), padding="same"), (2, 2, 6, 7)),
    "conv2d valid": (lambda: nn.Conv2d(2, 3, 3, padding="valid"), (2, 2, 6, 7)),
    "conv2d reflect": (
        lambda: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect"),
        (2, 2, 6, 7),
    ),
    "conv2d circular": (
        lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="circular"),
        (2, 2, 6, 7),
    ),
    "conv2d replicate, same": (
        lambda: nn.Conv2d(2, 3, (2, 4), padding="same", padding_mode="replicate"),
        (2, 2, 6, 7),
    ),
    "conv1d": (lambda: nn.Conv1d(3, 5, 4, stride=2, padding=1), (2, 3, 9)),
    "conv1d without batch": (lambda: nn.Conv1d(3, 5, 4), (3, 9)),
    "conv1d same, dilation": (lambda: nn.Conv1d(3, 5, 4, padding="same", dilation=2), (2, 3, 9)),
    "conv1d circular": (
        lambda: nn.Conv1d(3, 6, 3, padding=2, padding_mode="circular", groups=3),
        (2, 3, 9),
    ),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"signed_inputs": True, "weight_range": "output", "smallest_current": 0.1},
        {"signed_weights": "offset", "input_range": "learned", "initial_input_range": 4.0},
        {"signed_inputs": True, "weight_range": 2.0, "signed_weights": "offset"},
    ],
    ids=["one phase", "two phases", "offset", "offset in two phases"],
)
def test_ideal_arrays_give_the_digital_layer(case: str, options: dict[str, Any]) -> None:
    make, shape = LAYERS[case]
    torch.manual_seed(0)
    digital = make().double()
    x = torch.rand(shape, dtype=torch.float64) * 3
    if options.get("signed_inputs"):
        x = x - 1.5
    expected, got = outcome(digital, x), outcome(converted(digital, **options), x)
    assert expected.keys() == got.keys()
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-10, atol=1e-12, msg=name)


def test_the_digital_layer_is_left_alone() -> None:
    digital = nn.Linear(4, 3)
    analog = converted(digital)
    with torch.no_grad():
        analog.weight.zero_()
    assert digital.weight.abs().min() > 0


def test_weights_that_are_all_zero_give_the_bias() -> None:
    digital = nn.Linear(4, 3)
    nn.init.zeros_(digital.weight)
    expected = digital.bias.detach().double().expand(2, 3)
    for rule in ("layer", "output"):
        got = converted(digital, weight_range=rule)(torch.rand(2, 4, dtype=torch.float64))
        torch.testing.assert_close(got, expected)


# Inputs -------------------------------------------------------------------------------------


def one_weight(**options: Any) -> nn.Module:
    digital = nn.Linear(1, 1, bias=False)
    nn.init.constant_(digital.weight, 2.0)
    return converted(digital, **options)


def response(layer: nn.Module, *inputs: float) -> list[float]:
    return layer(torch.tensor(inputs, dtype=torch.float64)[:, None])[:, 0].tolist()


def test_inputs_saturate_where_they_have_no_pulse() -> None:
    assert response(one_weight(), -1.0, 1.0, 4.0, 5.0) == [0.0, 2.0, 8.0, 8.0]
    two_phases = one_weight(signed_inputs=True)
    assert response(two_phases, -5.0, -1.0, 1.0, 5.0) == [-8.0, -2.0, 2.0, 8.0]


def test_weights_saturate_at_a_fixed_range() -> None:
    assert response(one_weight(weight_range=0.5), 1.0) == [0.5]


def test_input_codes_by_hand() -> None:
    # Two bits: 0, 1/3, 2/3, 1 of the range 4, doubled by the weight.
    got = response(one_weight(input_bits=2), 0.6, 0.7, 2.5, 3.9, 9.0)
    assert got == pytest.approx([0, 8 / 3, 16 / 3, 8, 8])


def test_input_codes_are_the_chips_unless_said_otherwise() -> None:
    chip = ideal_chip(pulse=am.Pulse(lsb=1e-9, bits=2))
    digital = nn.Linear(1, 1)
    settings = Configuration(input_range=4.0, signed_inputs=False)
    of_chip = am.nn.convert(digital, chip, configuration=settings)
    assert of_chip.input_bits == 2
    settings = settings.replace(input_bits=None)
    assert am.nn.convert(digital, chip, configuration=settings).input_bits is None


def test_gradient_of_codes_passes_straight_through() -> None:
    layer = one_weight(input_bits=2)
    x = torch.tensor([[-1.0], [0.6], [4.0], [5.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).sum(), x)
    assert slope[:, 0].tolist() == pytest.approx([0, 2, 2, 0])


def test_two_phases_are_two_operations() -> None:
    layer = one_weight(signed_inputs=True, input_range=1.0)
    layer.product = Squaring()
    # Weight 2 is full scale: phase p gives p + p^2/2, times 2.
    assert response(layer, 0.5, -0.5) == pytest.approx([1.25, -1.25])
    x = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(x).sum(), x)
    assert slope.item() == pytest.approx(2.0)


# Readout ------------------------------------------------------------------------------------


def test_readout_codes_by_hand() -> None:
    # Three bits: -3 to 3 thirds of a charge of 0.6, which is worth 0.6 * 2 * 4 = 4.8.
    layer = one_weight(readout_bits=3, readout_range=0.6)
    assert response(layer, 0.0, 1.0, 1.9, 3.0) == pytest.approx([0.0, 1.6, 3.2, 4.8])
    two_phases = one_weight(readout_bits=3, readout_range=0.6, signed_inputs=True)
    assert response(two_phases, -1.0, -3.0) == pytest.approx([-1.6, -4.8])


def test_readout_range_is_the_largest_charge_of_the_data() -> None:
    digital = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    nn.init.constant_(digital[0].weight, 2.0)
    nn.init.constant_(digital[1].weight, -3.0)
    chosen = Configuration(readout_bits=8, input_range=4.0, signed_inputs=False)
    data = torch.tensor([[0.5], [1.0]])
    network = am.nn.convert(digital, ideal_chip(), configuration=chosen, calibration_data=data)
    # Charges: 1/4 of the widest pulse at full scale; then 2/4 at minus full scale.
    assert network.state_dict()["0.readout.range"] == pytest.approx(0.25)
    assert network.state_dict()["1.readout.range"] == pytest.approx(0.5)
    assert network(data)[1].item() == pytest.approx(-6.0)
    with pytest.raises(ConfigurationError, match=r"layer '0'.*readout_range.*calibration_data"):
        am.nn.convert(digital, ideal_chip(), configuration=chosen)


# Gradients through everything that is smooth ------------------------------------------------


@pytest.mark.parametrize("weight_rule", ["layer", "output"])
@pytest.mark.parametrize("scheme", ["differential", "offset"])
@pytest.mark.parametrize("signed", [False, True])
def test_gradients_are_exact(weight_rule: str, scheme: str, signed: bool) -> None:
    """Also of the ranges, whose part cancels only where the product is linear."""
    torch.manual_seed(1)
    layer = converted(
        nn.Linear(4, 3),
        weight_range=weight_rule,
        signed_weights=scheme,
        signed_inputs=signed,
        input_range="learned",
        initial_input_range=2.0,
    )
    layer.product = Squaring()
    names = [name for name, _ in layer.named_parameters()]
    assert names == ["weight", "bias", "log_input_range"]
    x = torch.rand(5, 4, dtype=torch.float64) * 3 - (1.5 if signed else 0)
    assert (x.abs() > 2).any() != signed

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    inputs = [one.detach().clone().requires_grad_() for one in (x, *layer.parameters())]
    assert torch.autograd.gradcheck(function, inputs)


def test_the_learned_range_is_what_training_moves() -> None:
    torch.manual_seed(0)
    layer = one_weight(input_range="learned", initial_input_range=1.0)
    x = torch.rand(64, 1, dtype=torch.float64) * 4
    optimiser = torch.optim.Adam([layer.log_input_range], lr=0.05)
    losses = []
    for _ in range(100):
        loss = (layer(x) - 2 * x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 1000
    assert layer.log_input_range.exp() > 3.5


# Configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_rang": 1.0}, "Did you mean 'input_range'"),
        ({"input_range": -1.0}, "input_range"),
        ({"input_range": "calibratd"}, "input_range"),
        ({"initial_input_range": 1.0}, "initial_input_range.*'learned'"),
        ({"smallest_current": 1.0}, "smallest_current"),
        ({"readout_bits": 1}, "readout_bits"),
        ({"guard_word_lines": -1}, "guard_word_lines"),
    ],
)
def test_wrong_configurations_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Configuration(**options)
