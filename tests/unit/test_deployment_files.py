"""Files of a deployment: a layer recomputed from them alone, against the network's own answer."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import analog_model as am
from analog_model.deployment.tables import SPECS
from analog_model.errors import ConfigurationError, DataError, SimulationError
from tests.deployed import deployable_chip, deployed, exact, mixed_network, perceptron


def converted(network: nn.Module, inputs: torch.Tensor, **settings: Any) -> nn.Module:
    return am.nn.convert(
        network, deployable_chip(), configuration=exact(**settings), calibration_data=inputs
    ).eval()


@pytest.fixture(scope="module")
def small() -> tuple[nn.Module, torch.Tensor, am.Deployment]:
    """Perceptron on arrays, its inputs, its deployment."""
    network, inputs = perceptron()
    analog = converted(network, inputs)
    return analog, inputs, deployed(analog, inputs, deployable_chip())


def layer_by_layer(network: nn.Module, inputs: torch.Tensor) -> dict[str, tuple[Any, Any]]:
    """Inputs, outputs of each analog layer."""
    seen = {}
    with torch.no_grad():
        for name, module in network.named_children():
            outputs = module(inputs)
            if hasattr(module, "tiling"):
                seen[name] = inputs.numpy(), outputs.numpy()
            inputs = outputs
    return seen


@pytest.mark.parametrize(
    ("made", "settings"),
    [
        (mixed_network, {}),
        (mixed_network, {"signed_weights": "offset", "weight_range": "output"}),
        (perceptron, {"readout_bits": 8, "smallest_current": 0.05}),
        (perceptron, {"signed_weights": "offset", "input_bits": 5, "window": 3e-7}),
    ],
)
def test_files_alone_give_every_layers_outputs(tmp_path: Path, made: Any, settings: Any) -> None:
    """Targets, scales, chip from disk, through the reference loops: what the network says."""
    network, inputs = made()
    analog = converted(network, inputs, **settings)
    am.save_deployment(deployed(analog, inputs, deployable_chip()), tmp_path / "out")
    found = am.open_deployment(tmp_path / "out")
    seen = layer_by_layer(analog, inputs)
    assert list(seen) == [str(name) for name in found.layers["layer"].values]
    for name, (given, expected) in seen.items():
        again = am.recomputed_outputs(found, name, given, method="reference")
        np.testing.assert_allclose(again, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())
        # The physics is in it: the plain product is percent away.
        ideal = network.get_submodule(name)(torch.from_numpy(given)).detach().numpy()
        assert np.abs(ideal - expected).max() > 1e-3 * np.abs(expected).max()


def test_csv_files_alone_give_a_layers_outputs(tmp_path: Path, small: Any) -> None:
    """Read with Python's csv, in the units of the headers, on the chip of the YAML file."""
    analog, inputs, deployment = small
    am.save_deployment(deployment, tmp_path / "out")

    def rows(name: str) -> list[dict[str, str]]:
        with (tmp_path / "out" / name).open(newline="") as file:
            return list(csv.DictReader(file))

    (scales,) = (row for row in rows("layers.csv") if row["layer"] == "0")
    lsb = float(scales["window [s]"]) / (int(scales["input_levels"]) - 1)
    given, expected = layer_by_layer(analog, inputs)["0"]
    encoded = np.round(given * float(scales["seconds_per_input [s]"]) / lsb) * lsb
    chip = am.Chip.from_yaml((tmp_path / "out" / "chip.yaml").read_text())
    total = np.zeros_like(expected)
    for path in sorted((tmp_path / "out" / "arrays").iterdir()):
        cells = rows(f"arrays/{path.name}")
        if cells[0]["layer"] != "0":
            continue
        current, width = np.zeros((16, 8)), np.zeros((len(given), 16))
        for cell in cells:
            j, i = int(cell["word_line"]), int(cell["bit_line"])
            current[j, i] = float(cell["target_current [nA]"]) * 1e-9
            if int(cell["weight_row"]) >= 0:
                width[:, j] = encoded[:, int(cell["weight_row"])]
        charge = am.simulate(chip.with_weights(current), width)
        for cell in cells[:8]:
            if int(cell["output"]) >= 0:
                i = int(cell["bit_line"])
                total[:, int(cell["output"])] += int(cell["sign"]) * charge[:, i]
    outputs = [row for row in rows("outputs.csv") if row["layer_of_output"] == "0"]
    scale, bias = (
        np.array([float(row[name]) for row in outputs])
        for name in ("output_per_coulomb [1/C]", "bias")
    )
    np.testing.assert_allclose(total * scale + bias, expected, rtol=1e-10)


def test_a_folder_gives_back_the_deployment(tmp_path: Path, small: Any) -> None:
    network, inputs = mixed_network()
    analog = converted(network, inputs)
    folder = tmp_path / "out"
    written = deployed(analog, inputs, deployable_chip())
    paths = am.save_deployment(written, folder)
    assert {path.name for path in paths} >= {"deployment.nc", "chip.yaml", "cost.csv"}
    found = am.open_deployment(folder)
    assert found.chip == written.chip
    assert found.digital == written.digital
    for name in SPECS:
        xr.testing.assert_identical(getattr(found, name), getattr(written, name))
    for name, variable in found.cost.items():
        assert variable.attrs["long_name"], name

    with pytest.raises(DataError, match="an empty folder"):
        am.save_deployment(written, folder)
    am.save_deployment(small[2], folder, overwrite=True)
    # 16 and 10 outputs at 4 pairs to an array: 4 and 3 arrays; no older one is left over.
    assert len(list((folder / "arrays").iterdir())) == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("chip", "the chip that the deployment was made for"),
        ("garbage", "a NetCDF4"),
        ("missing", "no such file"),
        ("unit", "target_current of group arrays in deployment.nc: expected .*units A"),
        ("variable", r"the variable bias \(layer_output\)"),
    ],
)
def test_a_damaged_folder_is_refused(tmp_path: Path, change: str, message: str, small: Any) -> None:
    folder = tmp_path / "out"
    am.save_deployment(small[2], folder)
    if change == "chip":
        other = deployable_chip().replace(v_bit_line=0.6)
        (folder / "chip.yaml").write_text(other.to_yaml())
    elif change == "garbage":
        (folder / "deployment.nc").write_bytes(b"garbage")
    elif change == "missing":
        (folder / "deployment.nc").unlink()
    else:
        with h5py.File(folder / "deployment.nc", "r+") as file:
            if change == "unit":
                file["arrays/target_current"].attrs["units"] = "nA"
            else:
                del file["outputs/bias"]
    with pytest.raises(DataError, match=message):
        am.open_deployment(folder)
    with pytest.raises(DataError, match="within an existing one"):
        am.save_deployment(small[2], tmp_path / "nowhere" / "out")


def test_a_layer_must_be_one_of_the_deployment(small: Any) -> None:
    _, inputs, found = small
    with pytest.raises(ConfigurationError, match="a layer of the deployment"):
        am.recomputed_outputs(found, "fc", inputs.numpy())
    with pytest.raises(SimulationError, match="16 rows"):
        am.recomputed_outputs(found, "0", inputs.numpy()[:, :15])
