"""Analog layers on arrays with physics, held to simulations of the single arrays.

The oracle knows nothing of layers but their map: it programs chips by hand, cell by cell,
sends them the pulses, and adds up what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.chip.continuation import continued_chip
from analog_model.errors import ConfigurationError
from analog_model.nn.layer_map import layer_map
from tests.analog_chips import FULL_SCALE, physical_chip

Configuration = am.nn.LayerConfiguration
SHAPE = (12, 8)
INPUT_RANGE = 2.0


def by_hand(layer: nn.Module, weight: Tensor, vectors: Tensor, chip: am.Chip) -> Tensor:
    """Outputs (B, out) without bias of inputs (B, groups, rows), array by array."""
    cells = layer_map(layer)
    offset = cells.signed_weights.item() == "offset"
    flat, limit = weight.flatten(1).detach().numpy(), float(weight.detach().abs().max())
    rows, outputs = cells.weight_row.values, cells.output.values
    # No output of its own: the reference is the current of a weight of 0.
    own = np.where(outputs < 0, 0.0, flat[outputs, rows] / limit)
    current = (1 + own) / 2 if offset else np.maximum(own * cells.sign.values, 0.0)
    window = chip.pulse.full_scale
    array_chip = continued_chip(chip, *SHAPE)
    array_chip = array_chip.replace(pulse=chip.pulse.replace(bits=None))
    total = np.zeros((len(vectors), len(weight)))
    for number in np.unique(cells.array.values):
        on = np.flatnonzero(cells.array.values == number)
        lines, bits = cells.word_line.values[on], cells.bit_line.values[on]
        programmed, width = np.zeros(SHAPE), np.zeros((len(vectors), SHAPE[0]))
        programmed[lines, bits] = current[on] * FULL_SCALE
        width[:, lines] = vectors[:, cells.group.values[on[0]], rows[on]] / INPUT_RANGE * window
        charge = am.simulate(array_chip.with_weights(programmed), width, method="reference")
        for line in np.unique(bits):
            here = on[bits == line][0]
            if outputs[here] >= 0 and cells.sign.values[here] > 0:
                minus = minus_line(cells, on, outputs[here], line)
                total[:, outputs[here]] += charge[:, line] - charge[:, minus]
    per_weight = 0.5 if offset else 1.0
    return torch.tensor(total / (FULL_SCALE * window) * limit * INPUT_RANGE / per_weight)


def minus_line(cells: Any, on: np.ndarray, output: int, plus: int) -> int:
    """Bit line of the array that output is read against: of its own, or of its parity."""
    minus = on[cells.sign.values[on] < 0]
    mine = minus[cells.output.values[minus] == output]
    if not mine.size:
        mine = minus[cells.bit_line.values[minus] % 2 == plus % 2]
    return int(np.unique(cells.bit_line.values[mine]).item())


def converted(layer: nn.Module, **options: Any) -> Any:
    settings = {
        "input_range": INPUT_RANGE,
        "signed_inputs": False,
        "input_bits": None,
        "method": "slots",
        **options,
    }
    return am.nn.convert(
        layer.double(), physical_chip(), array_shape=SHAPE, configuration=Configuration(**settings)
    )


def inputs(*shape: int) -> Tensor:
    """Inputs within the range, some of them 0."""
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (3 * x - 1).clamp(min=0)


@pytest.mark.parametrize("signed_weights", ["differential", "offset"])
def test_a_linear_layer_is_its_arrays(signed_weights: str) -> None:
    torch.manual_seed(0)
    # Three row tiles, the last partly filled; two column tiles at least.
    layer = nn.Linear(29, 5).double()
    analog = converted(layer, signed_weights=signed_weights)
    x = inputs(4, 29)
    assert analog.tiling.rows.n_row_tiles == 3
    assert analog.tiling.columns.n_column_tiles >= 1
    expected = by_hand(analog, layer.weight, x[:, None], physical_chip()) + layer.bias
    torch.testing.assert_close(analog(x), expected, rtol=1e-9, atol=1e-10)
    assert (expected - layer(x)).abs().max() > 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(3, 5, (2, 3), padding=(1, 0), stride=(2, 1)),
        lambda: nn.Conv2d(4, 6, 2, groups=2, dilation=2),
        lambda: nn.Conv2d(1, 2, 4),
    ],
    ids=["padding, stride", "groups, dilation", "one channel"],
)
def test_a_convolution_is_its_arrays(make: Callable[[], nn.Conv2d]) -> None:
    torch.manual_seed(0)
    layer = make().double()
    analog = converted(layer)
    x = inputs(2, layer.in_channels, 5, 6)
    pixels = nn.functional.unfold(
        x,
        layer.kernel_size,
        dilation=layer.dilation,
        padding=layer.padding,
        stride=layer.stride,
    )
    n_images, n_rows, n_pixels = pixels.shape
    vectors = pixels.transpose(1, 2).reshape(n_images * n_pixels, layer.groups, -1)
    assert vectors.shape[1] * vectors.shape[2] == n_rows
    found = by_hand(analog, layer.weight, vectors, physical_chip())
    y = layer(x)
    expected = found.reshape(n_images, n_pixels, -1).transpose(1, 2).reshape(y.shape)
    expected = expected + layer.bias[:, None, None]
    torch.testing.assert_close(analog(x), expected, rtol=1e-9, atol=1e-10)
    assert (expected - y).abs().max() > 0.01


LAYERS = {
    "linear": (lambda: nn.Linear(29, 7), (64, 29)),
    "conv2d": (lambda: nn.Conv2d(3, 5, 3, padding=1, stride=2), (16, 3, 7, 8)),
    "groups": (lambda: nn.Conv2d(4, 6, 2, groups=2), (16, 4, 5, 5)),
    "conv1d": (lambda: nn.Conv1d(3, 5, 4, padding="same"), (16, 3, 9)),
}


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("signed", [False, True])
def test_the_closed_form_is_within_its_tolerance(case: str, signed: bool) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[case]
    layer = make().double()
    x = inputs(2 * shape[0], *shape[1:])
    x = x - x.flip(0) if signed else x
    seen, held_out = x[: shape[0]], x[shape[0] :]
    networks = {
        method: am.nn.convert(
            layer,
            physical_chip(),
            array_shape=SHAPE,
            configuration=Configuration(method=method, input_bits=None, tolerance=1e-3),
            calibration_data=seen,
        )
        for method in ("closed_form", "slots")
    }
    closed, exact = (networks[one](held_out) - _bias(layer) for one in ("closed_form", "slots"))
    # Outputs weigh their phases otherwise than the probe does, and are not those it saw.
    assert (closed - exact).norm() < 3e-3 * exact.norm()
    (report,) = am.nn.conversion_report(networks["closed_form"])
    assert 0 < report.error <= 1e-3
    ideal = layer(held_out) - _bias(layer)
    assert (ideal - exact).norm() > 20 * (closed - exact).norm()


def _bias(layer: nn.Module) -> Tensor:
    outputs = (-1,) if isinstance(layer, nn.Linear) else (-1, *[1] * (layer.weight.ndim - 2))
    return layer.bias.detach().reshape(outputs)


def test_without_data_the_probe_is_drawn_and_the_same_each_time() -> None:
    torch.manual_seed(0)
    layer, state = nn.Linear(20, 4), torch.get_rng_state()
    networks = [converted(layer, method="closed_form") for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    x = inputs(3, 20)
    assert torch.equal(networks[0](x), networks[1](x))


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        (
            {
                "coupling": am.CouplingByCell(
                    offsets=(1,), kappa=[np.arange(96).reshape(12, 8) / 1e3]
                )
            },
            {},
            r"layer '': Chip\.coupling: .*by_cell.*coupling by layout class",
        ),
        ({"pulse": am.Pulse(dead_time=1e-9)}, {}, r"LayerConfiguration\.window.*dead_time"),
        (
            {"pulse": am.Pulse(alignment="staggered", stagger=np.arange(12) * 1e-9)},
            {},
            r"pulse\.alignment.*'staggered'",
        ),
        (
            {"bit_line": am.BitLine()},
            {"tolerance": 1e-12},
            r"LayerConfiguration\.tolerance.*at best",
        ),
    ],
)
def test_what_the_products_leave_out_is_refused(
    parts: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    settings = {"input_range": INPUT_RANGE, "signed_inputs": False, **options}
    with pytest.raises(ConfigurationError, match=message):
        am.nn.convert(
            nn.Linear(12, 3),
            physical_chip(*SHAPE, **parts),
            configuration=Configuration(**settings),
        )


def test_mismatch_of_single_kappas_reaches_the_product() -> None:
    """Closed form and slots meet on the same cells; without mismatch they are elsewhere."""
    torch.manual_seed(0)
    layer, chip, x = nn.Linear(12, 8), physical_chip(), torch.rand(16, 12) * INPUT_RANGE
    programmed = am.nn.ProgrammedChip(chip, am.nn.Effects(kappa_mismatch=0.3), 0)
    settings = {"input_range": INPUT_RANGE, "signed_inputs": False, "input_bits": None}

    def output(method: str, instance: am.nn.ProgrammedChip | None) -> torch.Tensor:
        configuration = Configuration(**settings, method=method)
        network = am.nn.convert(layer, chip, configuration=configuration, programmed=instance)
        with torch.no_grad():
            return network(x) - layer.bias

    exact = output("slots", programmed)
    missed = (output("closed_form", programmed) - exact).norm() / exact.norm()
    shifted = (output("slots", None) - exact).norm() / exact.norm()
    assert shifted > 5e-3
    assert missed < 2e-3 < shifted


def test_temperature_changes_the_arrays_too() -> None:
    """Twice kappa/T at the same currents is not the same: the product knows the operating chip."""
    torch.manual_seed(0)
    layer, chip = nn.Linear(12, 3).double(), physical_chip()
    warm = am.nn.ProgrammedChip(chip, am.nn.Effects(temperature={"celsius": 85.0}), 0)
    settings = Configuration(
        input_range=INPUT_RANGE, signed_inputs=False, method="slots", input_bits=None
    )
    at_85 = am.nn.convert(layer, chip, configuration=settings, programmed=warm)
    operating = warm.operating_chip
    assert operating.temperature_celsius == 85.0
    specific = at_85.product._arrays.specific_current
    assert specific == pytest.approx(operating.cell_law.specific_current / FULL_SCALE)
    with pytest.raises(ConfigurationError, match=r"at 85 °C, as converted.*at 27 °C"):
        am.nn.reprogram(at_85, am.nn.ProgrammedChip(chip, am.nn.Effects(), 0))
