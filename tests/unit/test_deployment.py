"""Deployment of networks: arrays, accuracy, cost by hand, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.models import mlp_4x4
from tests.analog_chips import FULL_SCALE, ideal_chip
from tests.deployed import VOLTAGES, deployable_chip, deployed, exact, perceptron


def square_chip(**parts: Any) -> am.Chip:
    pulse = am.Pulse(lsb=1e-9, bits=8)
    return ideal_chip(16, 16, **{"pulse": pulse, **VOLTAGES, **parts})


def calibrated(inputs: torch.Tensor, **settings: Any) -> dict[str, Any]:
    return {"configuration": am.nn.LayerConfiguration(**settings), "calibration_data": inputs}


def small_perceptron() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return mlp_4x4(), torch.rand(32, 1, 4, 4)


def test_the_16_16_10_perceptron_takes_four_arrays_and_why() -> None:
    """16 + 10 signed outputs: 52 bit lines of 16 cells, where two 16x16 arrays have 32."""
    network, inputs = small_perceptron()
    found = deployed(network, inputs, square_chip(), **calibrated(inputs))
    assert found.layers["n_arrays"].values.tolist() == [2, 2]
    assert int(found.layers["n_bit_lines_in_use"].sum()) == 52
    assert found.layers["fill"].values.tolist() == [1.0, 20 / 32]
    first, second, total = found.sentences()
    assert first == (
        "1: 16 outputs as pairs of bit lines, 8 of them to an array: 2 arrays, "
        "1 along the 16 inputs, 2 along the outputs"
    )
    assert second.startswith("3: 10 outputs")
    # Two layouts of columns, each with a reference line, leave 14 outputs to an array: 16 take
    # two, 10 one. Arrays that took both layers would do with 26 / 14, or with 26 / 8 in pairs.
    assert total == (
        "4 arrays in all (differential weights 4, at least 4 if layers shared arrays; "
        "offset weights 3, at least 2 if layers shared arrays)"
    )
    offset = deployed(network, inputs, square_chip(), **calibrated(inputs, signed_weights="offset"))
    assert offset.arrays.sizes["array"] == 3
    with pytest.raises(ConfigurationError, match=r"expected 4 arrays .*got 2"):
        deployed(network, inputs, square_chip(), n_arrays=2, **calibrated(inputs))


def test_targets_are_the_weights_in_amperes() -> None:
    """W = [[1, -0.5], [0, 0.25]] on pairs: the plus line takes w > 0, the minus line w < 0."""
    network = nn.Linear(2, 2, bias=False)
    network.weight.data = torch.tensor([[1.0, -0.5], [0.0, 0.25]])
    chip = square_chip(cell_current=np.full((2, 4), FULL_SCALE), layout=am.Layout.uniform(2, 4))
    inputs = torch.rand(4, 2)
    found = deployed(network, inputs, chip, **calibrated(inputs, input_range=2.0))
    # Bit lines: plus, minus of output 0, then of output 1.
    expected = FULL_SCALE * np.array([[1, 0, 0, 0], [0, 0.5, 0.25, 0]])
    np.testing.assert_allclose(found.arrays["target_current"][0], expected, rtol=1e-7)
    assert found.arrays["minus_line"].values.tolist() == [[1, -1, 3, -1]]
    assert float(found.layers["seconds_per_input"][0]) == pytest.approx(255e-9 / 2, rel=1e-6, abs=0)
    # A charge of T I_max is the product of the largest weight with the largest input, 1 x 2.
    per_coulomb = found.outputs["output_per_coulomb"].values
    np.testing.assert_allclose(per_coulomb, 2 / (255e-9 * FULL_SCALE), rtol=1e-6)


@pytest.mark.parametrize("signed", [False, True])
def test_the_cost_of_a_linear_layer_by_hand(signed: bool) -> None:
    """Inputs 1 and 0.2 of range 1: pulses of 255 ns and 51 ns; weights 1 and -0.5.

    Charge 255 ns x 100 nA + 51 ns x 50 nA, at 0.5 V. Each pulse charges a word line of two
    cells to 2 V. The second phase of signed inputs has no pulse, but takes its time.
    """
    network = nn.Linear(2, 1)
    network.weight.data = torch.tensor([[1.0, -0.5]])
    chip = square_chip(cell_current=np.full((2, 2), FULL_SCALE), layout=am.Layout.uniform(2, 2))
    inputs = torch.tensor([[1.0, 0.2]] * 3)
    settings = calibrated(inputs, input_range=1.0, signed_inputs=signed)
    assumed = am.CostAssumptions(word_line_capacitance=3e-15, readout_time=1e-7)
    cost = deployed(network, inputs, chip, assumptions=assumed, **settings).cost
    charge = 255e-9 * 1e-7 + 51e-9 * 0.5e-7
    assert float(cost["charge"][0]) == pytest.approx(charge, rel=1e-6, abs=0)
    assert float(cost["energy_bit_line"][0]) == pytest.approx(0.5 * charge, rel=1e-6, abs=0)
    assert float(cost["energy_word_line"][0]) == pytest.approx(
        2 * 2 * 3e-15 * 2**2, rel=1e-6, abs=0
    )
    assert float(cost["energy"][0]) == pytest.approx(0.5 * charge + 48e-15, rel=1e-6, abs=0)
    n_phases = 2 if signed else 1
    assert float(cost["latency"][0]) == pytest.approx(
        n_phases * (255e-9 + 1e-7 + 50e-9), rel=1e-6, abs=0
    )
    assert int(cost["n_operations"][0]) == n_phases
    assert int(cost["n_products"][0]) == 2
    assert "3 fF of word line a cell (assumed, not measured)" in cost.attrs["assumptions"]
    assert "bit lines at 0.5 V, word lines at 2 V" in cost.attrs["assumptions"]


def test_the_cost_of_a_convolution_counts_what_each_position_sees() -> None:
    """3x3 kernel of ones on 2x2 ones with padding: four windows see all four pixels.

    Two kernels on arrays of two bit lines: two arrays, each with pulses of its own. 9 weights
    on 4 word lines: 3 arrays along the inputs.
    """
    network = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    network.weight.data = torch.ones(2, 1, 3, 3)
    chip = square_chip(cell_current=np.full((4, 2), FULL_SCALE), layout=am.Layout.uniform(4, 2))
    inputs = torch.ones(2, 1, 2, 2)

    whole = nn.Sequential(network, nn.Flatten())
    settings = calibrated(inputs, input_range=1.0, signed_inputs=False)
    found = deployed(whole, inputs, chip, **settings)
    cost = found.cost
    assert found.arrays.sizes["array"] == 6
    assert int(cost["n_operations"][0]) == 4
    assert float(cost["n_pulses"][0]) == 2 * 16
    assert float(cost["charge"][0]) == pytest.approx(2 * 16 * 255e-9 * FULL_SCALE, rel=1e-6, abs=0)
    assert int(cost["n_products"][0]) == 2 * 9 * 4
    assert "differential weights 6, at least 6 if" in found.sentences()[-1]


def test_the_charge_of_any_convolution_is_that_of_one_with_both_currents() -> None:
    """Groups, stride, dilation, padding, two phases: torch's convolution with I_plus + I_minus.

    Of pulses alike, with ones; each of the column tiles has its own.
    """
    torch.manual_seed(2)
    shape: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
    convolution = nn.Conv2d(4, 12, (3, 2), **shape)
    inputs = torch.randn(3, 4, 7, 6)
    chip = square_chip()
    network = nn.Sequential(convolution, nn.Flatten())
    settings = calibrated(inputs, input_range=2.0, signed_inputs=True, input_bits=None)
    found = deployed(network, inputs, chip, **settings)
    size = (inputs.abs() / 2).clamp(max=1)
    weight = convolution.weight.detach().abs()
    weight /= weight.max()
    drawn = nn.functional.conv2d(size, weight, **shape).sum() / 3
    charge = float(drawn) * 255e-9 * FULL_SCALE
    assert float(found.cost["charge"][0]) == pytest.approx(charge, rel=1e-5, abs=0)
    ones = torch.ones(2, *weight.shape[1:])
    pulses = nn.functional.conv2d((size > 0).float(), ones, **shape).sum() / 3
    n_column_tiles = int(found.layers["n_column_tiles"][0])
    assert float(found.cost["n_pulses"][0]) == pytest.approx(n_column_tiles * float(pulses))


def test_accuracy_is_that_of_the_networks_it_names() -> None:
    network, inputs = small_perceptron()
    labels = network(inputs).argmax(dim=1)
    labels[:8] = (labels[:8] + 1) % 10
    chip = deployable_chip(16, 16)
    rough = am.nn.Effects(
        programming_error=am.nn.ProgrammingError(full_scale=0.2), kappa_mismatch=0.1
    )
    options = calibrated(inputs, method="slots")
    found = am.deploy(
        network,
        chip,
        images=inputs,
        labels=labels,
        effects=rough,
        seeds=(0, 1, 2),
        writing=am.WriteVerify(most_iterations=1),
        **options,
    ).accuracy
    assert float(found["digital"]) == 0.75
    analog = am.nn.convert(network, chip, **options).eval()
    flawless = (analog(inputs).argmax(dim=1) == labels).double().mean()
    assert float(found["flawless"]) == float(flawless)
    chips = found["accuracy"].values
    assert len(set(chips.tolist())) > 1
    assert float(found["mean"]) == pytest.approx(sum(chips) / 3)
    assert float(found["standard_deviation"]) == pytest.approx(np.std(chips, ddof=1))
    assert (chips < float(flawless)).any()

    again = am.deploy(
        analog,
        chip,
        images=inputs,
        labels=labels,
        effects=rough,
        seeds=(2,),
        writing=am.WriteVerify(most_iterations=1),
    )
    # The same chip, whichever comes before it, from the network or its conversion.
    assert float(again.accuracy["accuracy"][0]) == chips[2]
    assert "digital" not in again.accuracy


def test_what_stays_digital_is_said() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    inputs = torch.rand(6, 4)
    found = deployed(network, inputs, deployable_chip(), **calibrated(inputs, method="slots"))
    assert list(found.layers["layer"].values) == ["0", "2"]
    assert found.digital == {"1": "no analog layer for LayerNorm"}
    with pytest.raises(ConfigurationError, match="layers are all digital"):
        deployed(nn.Sequential(nn.LayerNorm(4)), inputs, deployable_chip())


@pytest.mark.parametrize(
    ("chip", "options", "message"),
    [
        ({"v_bit_line": None}, {}, "v_bit_line: expected a voltage"),
        ({"v_word_line": None}, {}, "CostAssumptions\\(v_word_line=...\\)"),
        ({"pulse": am.Pulse()}, {}, "layer '0': LayerConfiguration.window"),
        ({}, {"labels": torch.zeros(3, dtype=torch.int64)}, "a label for each|int64 label"),
        ({}, {"seeds": ()}, "a chip at least"),
        ({}, {"batch_size": 0}, "at least 1"),
        ({}, {"largest_current": FULL_SCALE / 2}, "cells of at most 5e-08 A"),
    ],
)
def test_impossible_deployments_are_refused(
    chip: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    network, inputs = perceptron()
    with pytest.raises(ConfigurationError, match=message):
        deployed(
            network,
            inputs,
            deployable_chip(**chip),
            **{"configuration": exact(), "calibration_data": inputs, **options},
        )


def test_a_converted_network_stays_on_its_chip() -> None:
    network, inputs = perceptron()
    analog = am.nn.convert(
        network, deployable_chip(), configuration=exact(), calibration_data=inputs
    )
    before = {name: value.clone() for name, value in analog.state_dict().items()}
    with pytest.raises(ConfigurationError, match="Convert the model anew"):
        deployed(analog, inputs, deployable_chip(v_bit_line=0.7))
    with pytest.raises(ConfigurationError, match="Leave the options out"):
        deployed(analog, inputs, deployable_chip(), array_shape=(32, 32))
    deployed(analog, inputs, deployable_chip())
    for name, value in analog.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(layer.programmed is None for layer in (analog[0], analog[2]))
