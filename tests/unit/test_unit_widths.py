"""Widths of a layer's units: the compiled layers' kernel against the definition in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import analog_model as am
from analog_model.nn import unit_widths as module
from analog_model.nn.closed_form_product import ClosedFormProduct
from analog_model.nn.ideal_product import ConvolutionGeometry
from analog_model.nn.layer_arrays import layer_arrays
from analog_model.nn.unit_widths import UnitWidths, Widths, course_polynomials
from analog_model.nn.word_line_units import word_line_units
from analog_model.physics.closed_form import Expansion, modal_courses
from tests.placed_layers import PlacedLayer, chip_for

LAYERS = {
    "plain": PlacedLayer((8, 16, 3, 3), (3, 16, 6, 5), (64, 32)),
    "neighbours in other pixels": PlacedLayer((8, 7, 3, 3), (3, 7, 6, 5), (32, 32), guard=0),
    "padding, stride": PlacedLayer(
        (8, 7, 3, 3), (3, 7, 6, 5), (32, 32), ConvolutionGeometry((2, 1), (2, 1)), guard=0
    ),
    "dilation, groups": PlacedLayer(
        (8, 5, 3, 2),
        (3, 10, 7, 8),
        (32, 32),
        ConvolutionGeometry(padding=(2, 1), dilation=(2, 1), groups=2),
        guard=0,
    ),
    "a vector": PlacedLayer((8, 37), (5, 37), (32, 32)),
    "few channels": PlacedLayer((8, 2, 3, 3), (3, 2, 6, 5), (32, 32)),
    "one channel": PlacedLayer((8, 1, 5, 5), (3, 1, 7, 7), (32, 32)),
}
EXPANSIONS = {
    "one node, no pairs": Expansion(n_nodes=1, overlap_order=1),
    "pairs, more modes": Expansion(n_nodes=2, overlap_order=2, n_time=3, n_modal_nodes=2),
    "every set": Expansion(n_nodes=3, overlap_order=4, n_time=2),
}


def widths_of(layer: PlacedLayer, expansion: Expansion, *, coarse: bool = False) -> UnitWidths:
    chip = chip_for(layer.array)
    arrays = layer_arrays(layer.placed(chip), layer.geometry)
    sample = torch.rand(64, layer.array[0], generator=torch.Generator().manual_seed(3))
    found = ClosedFormProduct(arrays, expansion, sample, coarse=coarse)._widths
    assert isinstance(found, UnitWidths)
    return found


def image_of(layer: PlacedLayer, dtype: torch.dtype) -> Tensor:
    """Widths in few steps, so that many coincide."""
    width = layer.inputs().mul(8).round().div(8).to(dtype)
    image = width if width.ndim == 4 else width[:, :, None, None]
    groups = layer.geometry.groups
    return image.reshape(-1, image.shape[1] // groups, *image.shape[2:]).requires_grad_()


def maps(widths: Widths) -> list[Tensor]:
    return [*widths.effective, *widths.modal, *widths.departing]


def in_one_pass(own: UnitWidths, image: Tensor, *, departures: bool) -> Widths:
    plan = own._plans[departures]
    assert plan is not None
    return own._in_one_pass(image, plan, departures=departures)


@pytest.mark.parametrize("departures", [False, True])
@pytest.mark.parametrize("expansion", EXPANSIONS.values(), ids=EXPANSIONS)
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.usefixtures("compiler", "double_precision")
def test_one_pass_gives_what_the_steps_give(
    layer: PlacedLayer, expansion: Expansion, departures: bool
) -> None:
    own, image = widths_of(layer, expansion), image_of(layer, torch.float64)
    expected = maps(own._step_by_step(image, departures=departures))
    found = maps(in_one_pass(own, image, departures=departures))
    assert len(found) == len(expected)
    generator = torch.Generator().manual_seed(1)
    slopes = [torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in expected]
    by_steps, in_one = (
        torch.autograd.grad(one, image, slopes, retain_graph=True)[0] for one in (expected, found)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)
    torch.testing.assert_close(in_one, by_steps, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["neighbours in other pixels", "few channels", "one channel"])
@pytest.mark.usefixtures("compiler")
def test_corrections_are_rounded_as_torch_rounds(name: str) -> None:
    layer = LAYERS[name]
    own, image = widths_of(layer, Expansion(), coarse=True), image_of(layer, torch.float32)
    expected, found = (
        own._step_by_step(image, departures=False),
        in_one_pass(own, image, departures=False),
    )
    assert [one.dtype for one in maps(found)] == [torch.bfloat16, torch.bfloat16]
    for one, other in zip(maps(found), maps(expected), strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.float(), other.float(), rtol=2**-8, atol=1e-6)
    gradients = [
        torch.autograd.grad(sum(one.float().sum() for one in maps(each)), image)[0]
        for each in (found, expected)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("compiler")
def test_what_is_not_a_number_stays_so() -> None:
    layer = LAYERS["plain"]
    for expansion in (Expansion(), Expansion(n_nodes=1)):
        own, image = widths_of(layer, expansion, coarse=True), image_of(layer, torch.float32)
        with torch.no_grad():
            image[1, 2, 3, 4] = float("nan")
        first, modal = maps(in_one_pass(own, image, departures=False))
        assert bool(first[1, 3, 4, :, 2].isnan().all())
        assert bool(modal[1, 2, 3, 4].isnan())
        assert not bool(first[0].isnan().any() or first[2].isnan().any())


@pytest.mark.usefixtures("compiler")
def test_any_number_of_threads_gives_the_same() -> None:
    layer, before = LAYERS["padding, stride"], torch.get_num_threads()
    own, image = widths_of(layer, Expansion()), image_of(layer, torch.float32)
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            first = in_one_pass(own, image, departures=False).effective[0]
            found.append((first, *torch.autograd.grad(first.sum(), image)))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(found[0], other, strict=True))


def test_courses_are_polynomials() -> None:
    time = np.random.default_rng(0).normal(size=(3, 6)).tolist()
    width = torch.linspace(0, 1, 11, dtype=torch.float64)
    for row, course in zip(course_polynomials(time), modal_courses(width, time), strict=True):
        found = np.polynomial.polynomial.polyval(2 * width.numpy() - 1, row)
        np.testing.assert_allclose(found, course, rtol=1e-12, atol=1e-12)


def test_modes_that_see_lifts_in_time_are_no_matter_of_one_pass() -> None:
    lifted = widths_of(LAYERS["plain"], Expansion(lifted_modes=True))
    many = widths_of(LAYERS["plain"], Expansion(n_time=12))
    assert lifted._plans == many._plans == [None, None]


@pytest.mark.usefixtures("compiler")
def test_a_compiled_layer_keeps_no_large_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither own widths by class nor those of neighbours: the image and the modes' charges."""
    monkeypatch.setattr(module, "_MOST_KEPT", 100_000)
    torch.manual_seed(0)
    x = torch.rand(8, 16, 12, 12)
    layer = am.nn.convert(
        torch.nn.Conv2d(16, 16, 3, padding=1, bias=False),
        chip_for((64, 64)),
        configuration=am.nn.LayerConfiguration(signed_inputs=False, tolerance=5e-3),
        calibration_data=x,
    )
    kept = {True: 0, False: 0}
    for compiled in (True, False):
        run = torch.compile(layer, fullgraph=True, dynamic=False) if compiled else layer
        seen: dict[int, int] = {}

        def keep(tensor: Tensor, seen: dict[int, int] = seen) -> Tensor:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run(x)
        kept[compiled] = sum(seen.values())
    # Kept are the image and, in bfloat16, what both lines of three row tiles sum.
    assert kept[True] < 7 * x.nbytes < kept[False] / 5


@pytest.mark.usefixtures("compiler")
def test_a_compiled_product_takes_any_precision() -> None:
    """The kernel reads numbers as they lie: of another precision than its own it is not asked."""
    layer = LAYERS["plain"]
    own = widths_of(layer, Expansion())
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        image = image_of(layer, dtype)
        compiled = torch.compile(own, fullgraph=True, dynamic=False)
        found, expected = (run(image, departures=False) for run in (compiled, own))
        for one, other in zip(maps(found), maps(expected), strict=True):
            assert one.dtype == other.dtype
            rounding = 2**-7 if dtype == torch.bfloat16 else 1e-6
            torch.testing.assert_close(one, other, rtol=rounding, atol=rounding)


def test_units_have_their_channels_currents_under_autocast_too() -> None:
    layer = LAYERS["neighbours in other pixels"]
    arrays = layer_arrays(layer.placed(chip_for(layer.array)), layer.geometry)
    kernel = ClosedFormProduct(arrays, Expansion(), torch.rand(64, layer.array[0]))._kernel
    current = layer.currents()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = kernel.unit_currents(current)
    units = word_line_units(arrays.tiling.rows, arrays.aggressors, arrays.kappa)
    assert units.n_units > units.channel.max() + 1
    # Of each channel's cells every one stands in exactly one of its units.
    for channel in range(current.shape[2]):
        of_channel = found[:, 0][..., torch.from_numpy(units.channel == channel)]
        assert torch.equal(of_channel.sum(-1), current[:, :, channel])


def test_the_kernels_sources_go_with_the_package() -> None:
    for name in (
        "lanes.hpp",
        "lift_registers.hpp",
        "lift_singles.hpp",
        "lift_kernel.cpp",
        "loss_kernel.cpp",
    ):
        assert (Path(module.__file__).parent / name).exists()
