"""Input ranges from calibration data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.ranges import observe_inputs
from tests.analog_chips import ideal_chip

Configuration = am.nn.LayerConfiguration


def doubling() -> nn.Sequential:
    """x, then relu(2 x)."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1, bias=False))
    nn.init.constant_(model[0].weight, 2.0)
    return model


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def convert(model: nn.Module, data: Any = None, **options: Any) -> Any:
    return am.nn.convert(
        model, ideal_chip(), configuration=Configuration(**options), calibration_data=data
    )


@pytest.mark.parametrize(
    "data",
    [
        column(-3.0, 0.5, 1.5),
        [column(-3.0), column(0.5, 1.5)],
        (batch for batch in [column(-3.0), column(0.5, 1.5)]),
        torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(column(-3.0, 0.5, 1.5), torch.arange(3)), batch_size=2
        ),
        [(column(-3.0, 0.5, 1.5), "label")],
    ],
    ids=["tensor", "list", "generator", "loader", "pair"],
)
def test_ranges_by_hand(data: Any) -> None:
    network = convert(doubling(), data, readout_bits=8)
    assert network[0].input_range == 3.0
    assert network[2].input_range == 3.0
    assert network[0].signed_inputs
    assert not network[2].signed_inputs


def test_a_quantile_leaves_outliers_to_saturation() -> None:
    data = torch.cat([torch.linspace(0, 1, 100), torch.tensor([50.0])])[:, None]
    assert convert(doubling(), data)[0].input_range == 50.0
    assert convert(doubling(), data, input_quantile=0.9)[0].input_range == pytest.approx(
        torch.quantile(data, 0.9).item(), rel=0.02
    )


def test_a_quantile_of_more_inputs_than_are_kept() -> None:
    torch.manual_seed(0)
    batches = [torch.rand(300_000, 1), torch.rand(300_000, 1) + 1]
    seen = observe_inputs(doubling(), {"0": 0.75}, batches)["0"]
    # Of 2^17 uniform values a quarter lies above: a standard error of 0.0024 twice over.
    assert seen.largest == pytest.approx(1.5, abs=0.012)


def test_signs_can_be_decided_without_data() -> None:
    network = convert(doubling(), input_range=2.0, signed_inputs=False)
    assert network[0].input_range == 2.0
    assert not network[0].signed_inputs
    both = convert(doubling(), column(1.0, 2.0), input_range=5.0)
    assert both[0].input_range == 5.0
    assert not both[0].signed_inputs


def test_a_learned_range_starts_at_the_calibrated_or_the_given() -> None:
    network = convert(doubling(), column(1.0, 2.0), input_range="learned")
    assert network[0].log_input_range.exp().item() == pytest.approx(2.0)
    assert network[2].log_input_range.exp().item() == pytest.approx(4.0)
    given = convert(doubling(), input_range="learned", initial_input_range=3.0, signed_inputs=False)
    assert given[2].log_input_range.exp().item() == pytest.approx(3.0)
    assert isinstance(given[2].log_input_range, nn.Parameter)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (None, {}, r"layer '0'.*signed_inputs.*True or False"),
        (None, {"signed_inputs": True}, r"layer '0'.*\.input_range.*'learned'"),
        (None, {"signed_inputs": True, "input_range": "learned"}, r"initial_input_range"),
        (column(0.0), {}, r"layer '0': calibration_data.*inputs other than 0"),
        ([], {}, r"inputs that reach every analog layer, got none through '0', '2'"),
        ([{"x": 1}], {}, r"calibration_data\[0\].*dict"),
    ],
)
def test_missing_data_are_said(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        convert(doubling(), data, **options)


class Detour(nn.Module):
    """Leaves one of its layers out."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def test_a_layer_that_no_data_reach_is_named() -> None:
    with pytest.raises(ConfigurationError, match="none through 'unused'"):
        convert(Detour(), torch.rand(3, 2))


def test_watching_leaves_no_trace() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2), nn.Linear(2, 2))
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    observe_inputs(model, {"0": 1.0, "3": 1.0}, torch.rand(8, 2))
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_pre_hooks for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
