"""Layer map: a network's weights found again cell by cell, drawn where they lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from analog_model.errors import ConfigurationError
from analog_model.figures import tiling as figures
from analog_model.figures.paper import save_figure
from analog_model.nn.layer_map import layer_map
from analog_model.nn.tiling import REFERENCE, tile_layer


class OnArrays(nn.Module):
    """All that the map asks of a layer."""

    def __init__(self, *shape: int, array: tuple[int, int] = (12, 8), **options: Any) -> None:
        super().__init__()
        layout_class = np.indices(array)[1] % 2
        self.weight = nn.Parameter(torch.arange(1.0, np.prod(shape) + 1).reshape(shape))
        self.tiling = tile_layer(shape, layout_class=layout_class, **options)


def network() -> nn.Module:
    return nn.Sequential(
        OnArrays(6, 2, 3, 3, reach=1),
        nn.ReLU(),
        OnArrays(4, 2, 2, 2, n_groups=2, array=(8, 4)),
        nn.Flatten(),
        OnArrays(7, 30, signed_weights="offset"),
    )


def test_a_linear_layer_drawn_by_hand() -> None:
    """Two inputs, three outputs on 2 x 4: classes 0 1 0 1 hold outputs 0, 1 and 2."""
    mapped = layer_map(OnArrays(3, 2, array=(2, 4)))
    names = ("array", "word_line", "bit_line", "weight_row", "output", "sign")
    cells = list(zip(*(mapped[name].values.tolist() for name in names), strict=True))
    assert cells == [
        (0, 0, 0, 0, 0, 1), (0, 0, 1, 0, 2, 1), (0, 0, 2, 0, 0, -1), (0, 0, 3, 0, 2, -1),
        (0, 1, 0, 1, 0, 1), (0, 1, 1, 1, 2, 1), (0, 1, 2, 1, 0, -1), (0, 1, 3, 1, 2, -1),
        (1, 0, 0, 0, 1, 1), (1, 0, 2, 0, 1, -1),
        (1, 1, 0, 1, 1, 1), (1, 1, 2, 1, 1, -1),
    ]  # fmt: skip
    assert mapped.n_arrays.item() == 2
    assert mapped.fill.item() == pytest.approx(12 / 16)


@pytest.mark.parametrize("index", [0, 2, 4])
def test_every_weight_is_found_once_on_a_plus_line(index: int) -> None:
    model = network()
    mapped = layer_map(model)
    own = mapped.isel(cell=mapped.layer_of_cell.values == index // 2)
    weight = model[index].weight.detach().flatten(1).numpy()
    plus = own.isel(cell=own.sign.values == 1)
    assert np.array_equal(np.sort(weight[plus.output, plus.weight_row]), weight.ravel())
    minus = own.isel(cell=own.sign.values == -1)
    if index == 4:
        assert (minus.output == REFERENCE).all()
    else:
        assert np.array_equal(np.sort(weight[minus.output, minus.weight_row]), weight.ravel())


def test_no_two_weights_share_a_cell() -> None:
    mapped = layer_map(network())
    places = np.stack([mapped[name].values for name in ("array", "word_line", "bit_line")])
    assert np.unique(places, axis=1).shape[1] == mapped.sizes["cell"]
    # Arrays belong to one layer, one group, one pair of tiles.
    owner = np.stack(
        [mapped[name].values for name in ("layer_of_cell", "group", "row_tile", "column_tile")]
    )
    owners = {
        array: set(map(tuple, owner[:, mapped.array.values == array].T))
        for array in np.unique(mapped.array)
    }
    assert all(len(found) == 1 for found in owners.values())
    assert len(owners) == mapped.n_arrays.sum() == len(set.union(*owners.values()))


def test_groups_have_outputs_of_their_own() -> None:
    mapped = layer_map(network(), layers=["2"])
    for group, outputs in ((0, {0, 1}), (1, {2, 3})):
        assert set(mapped.output.values[mapped.group == group].tolist()) == outputs


def test_counts_follow_from_the_cells() -> None:
    mapped = layer_map(network())
    assert mapped.layer.values.tolist() == ["0", "2", "4"]
    for index in range(3):
        own = mapped.isel(cell=mapped.layer_of_cell.values == index, layer=index)
        assert len(np.unique(own.array)) == own.n_arrays
        cells = own.n_arrays * own.n_word_lines * own.n_bit_lines
        assert own.fill.item() == pytest.approx(own.sizes["cell"] / cells.item())


def test_selected_layers_keep_their_arrays() -> None:
    whole, part = layer_map(network()), layer_map(network(), layers=["4"])
    own = whole.isel(cell=whole.layer_of_cell.values == 2)
    assert np.array_equal(part.array, own.array)
    assert part.array.min() == whole.n_arrays[:2].sum()
    assert part.layer.values.tolist() == ["4"]


def test_a_shared_layer_appears_once() -> None:
    shared = OnArrays(2, 3)
    assert layer_map(nn.ModuleList([shared, nn.ReLU(), shared])).layer.values.tolist() == ["0"]


def test_what_cannot_be_mapped_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Convert it first"):
        layer_map(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ConfigurationError, match="Did you mean 'first'"):
        layer_map(nn.ModuleDict({"first": OnArrays(2, 2)}), layers=["frist"])


def test_the_map_survives_a_file(tmp_path: Path) -> None:
    mapped = layer_map(network())
    mapped.to_netcdf(tmp_path / "map.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "map.nc", engine="h5netcdf") as opened:
        xr.testing.assert_identical(opened.load(), mapped)


def drawn(overlay: Any) -> tuple[np.ndarray, list[tuple[float, float, str]], str]:
    """Values of the picture, first row of the array as drawn at the top; labels; title."""
    image, numbers = list(overlay)
    values = np.flipud(image.dimension_values(2, flat=False))
    if image.dimension_values("down", flat=False)[0, 0] == 0:
        values = np.flipud(values)
    labels = [
        (float(x), float(y), str(text))
        for x, y, text in zip(*(numbers.dimension_values(k) for k in range(3)), strict=True)
    ]
    return values, labels, str(image.opts.get("plot", backend="matplotlib").kwargs["title"])


def test_the_picture_shows_every_cell_in_its_place() -> None:
    """3 outputs of 2 inputs on 2 x 4: two arrays side by side, each under a strip of 3 lines."""
    nan, idle, plus, minus = np.nan, 0.0, 1.0, 2.0
    values, labels, title = drawn(figures.sign_map(layer_map(OnArrays(3, 2, array=(2, 4)))))
    line = [plus, plus, minus, minus, nan, nan, nan, plus, idle, minus, idle]
    np.testing.assert_array_equal(values, [[nan] * 11] * 3 + [line] * 2)
    assert labels == [(1.5, 1.0, "array 0"), (8.5, 1.0, "array 1")]
    assert title == "2 arrays of 2×4, 75 % of the cells in use"


def test_positions_are_drawn_where_they_lie() -> None:
    """Two channels of a 2 x 2 kernel with guards: positions 0, 1 above 3, 2, idle between."""
    layer = OnArrays(1, 2, 2, 2, array=(6, 3), reach=1)
    values, labels, _title = drawn(figures.position_map(layer_map(nn.ModuleDict({"a": layer}))))
    idle = -1
    assert values[3:9, 0].tolist() == [0, 0, idle, 1, 1, idle]
    assert (values[3:9, 1] == idle).all()
    assert np.array_equal(values[3:9, 2], values[3:9, 0])
    assert values.shape in {(18, 3), (9, 9)}
    second = values[12:18, 0] if values.shape == (18, 3) else values[3:9, 6]
    assert second.tolist() == [3, 3, idle, 2, 2, idle]
    assert [text for _x, _y, text in labels] == ["array 0", "array 1"]


def test_one_group_can_be_drawn_alone() -> None:
    mapped = layer_map(network())
    _values, labels, title = drawn(figures.sign_map(mapped, layer="2", group=1))
    own = mapped.array.values[(mapped.layer_of_cell == 1) & (mapped.group == 1)]
    assert [text for _x, _y, text in labels] == [f"array {k}" for k in np.unique(own)]
    assert title.startswith("2: 1 array of 8×4")


@pytest.mark.parametrize(
    ("options", "says"),
    [({}, "Valid names: 0, 2, 4"), ({"layer": "1"}, "a layer of the map"),
     ({"layer": "2", "group": 2}, "a group from 0 to 1")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        figures.sign_map(layer_map(network()), **options)


@pytest.mark.parametrize("layer", ["0", "2", "4"])
def test_pictures_print(layer: str) -> None:
    mapped = layer_map(network())
    for draw in (figures.sign_map, figures.position_map):
        target = io.BytesIO()
        save_figure(draw(mapped, layer=layer), target, format="pdf")
        assert target.getvalue().startswith(b"%PDF")
