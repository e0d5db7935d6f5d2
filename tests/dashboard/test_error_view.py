"""The error page: its numbers against the library and NumPy, then driven in a real Chromium."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from playwright.sync_api import Page, expect

import analog_model as am
from dashboard.state import State
from dashboard.views.crosstalk_figures import CrosstalkFigures
from dashboard.views.error import ErrorView
from dashboard.views.error_numbers import Question, error_numbers
from dashboard.views.export import csv_file, figure_file, netcdf_file
from tests.printed_page import fills


@pytest.fixture(scope="module")
def reference() -> xr.Dataset:
    return am.example_chip("reference")


def chosen(measurement: xr.Dataset, split: str, weight_set: int = 0) -> np.ndarray:
    """Positions of the patterns of a split, found without the library."""
    return np.flatnonzero(
        (measurement["split"].values == split)
        & (measurement["weight_set_of_pattern"].values == weight_set)
    )


def ser(true: np.ndarray, judged: np.ndarray) -> float:
    return float(np.linalg.norm(true) / np.linalg.norm(true - judged))


def drawn(view: ErrorView) -> tuple[np.ndarray, np.ndarray]:
    """(true, judged) [C] of the points on screen, by pattern number with bit line."""
    data = view.scatter.source.data
    order = np.lexsort((data["bit_line"], data["pattern"]))
    unit = 1e-12
    assert view.scatter.errors.xaxis.axis_label.endswith("[pC]")
    return data["true"][order] * unit, data["judged"][order] * unit


@pytest.mark.parametrize("split", ["test", "calibration"])
@pytest.mark.parametrize("weight_set", [0, 1])
def test_points_are_those_of_the_split_and_the_weights(
    reference: xr.Dataset, split: str, weight_set: int
) -> None:
    view = ErrorView(State(split=split, weight_set=weight_set))
    rows = chosen(reference, split, weight_set)
    charge = reference["charge"].values[rows]
    current = reference["cell_current"].values[weight_set]
    ideal = reference["pulse_width"].values[rows] @ current
    true, judged = drawn(view)
    assert true == pytest.approx(charge.ravel(), rel=1e-6, abs=1e-19)
    assert judged == pytest.approx(ideal.ravel(), rel=1e-6, abs=1e-19)
    ratio = ser(charge, ideal)
    assert f"{20 * math.log10(ratio):.1f} dB · ×{ratio:.3g}" in view.summary.object
    assert f"{split} patterns" in view.summary.object
    assert f"weight set {weight_set}: {len(rows)} patterns" in view.summary.object
    for bars in (view.effects, view.kinds, view.bit_lines):
        assert bars.figure.title.text.endswith(f"· {split} patterns")


def test_bars_against_numbers_from_the_charges(reference: xr.Dataset) -> None:
    state = State(compared="measured_simulated", wire_resistance=20.0, drain_sensitivity=0.3)
    view = ErrorView(state)
    rows = chosen(reference, "test")
    measured = reference["charge"].values[rows]
    width = reference["pulse_width"].values[rows]
    model = am.simulate(state.chip, width, method="reference")
    lines = view.bit_lines.source.data
    for i in range(16):
        assert lines["percent"][i] == pytest.approx(100 / ser(measured[:, i], model[:, i]))
    kinds = dict(zip(view.kinds.source.data["row"], view.kinds.source.data["db"], strict=True))
    assert list(kinds) == ["random (120)", "sparse (40)", "binary (32)"]
    sparse = reference["kind"].values[rows] == "sparse"
    assert kinds["sparse (40)"] == pytest.approx(
        20 * math.log10(ser(measured[sparse], model[sparse]))
    )
    effects = dict(
        zip(view.effects.source.data["row"], view.effects.source.data["db"], strict=True)
    )
    assert list(effects) == ["none (ideal)", "crosstalk", "wire drop", "all together"]
    for row, names in {
        "none (ideal)": (),
        "wire drop": ("wire",),
        "all together": ("crosstalk", "wire"),
    }.items():
        charge = am.simulate(state.chip.with_effects(names), width, method="reference")
        assert effects[row] == pytest.approx(20 * math.log10(ser(measured, charge)), rel=1e-9)


def test_what_effects_cost_is_judged_by_simulation_alone() -> None:
    state = State(compared="simulated_ideal", wire_resistance=20.0, drain_sensitivity=0.3)
    view = ErrorView(state)
    rows = chosen(state.measurement, "test")
    width = state.measurement["pulse_width"].values[rows]
    ideal = width @ state.chip.cell_current
    effects = dict(
        zip(view.effects.source.data["row"], view.effects.source.data["db"], strict=True)
    )
    assert list(effects) == ["crosstalk", "wire drop", "all together"]
    alone = am.simulate(state.chip.with_effects(("wire",)), width, method="reference")
    assert effects["wire drop"] == pytest.approx(20 * math.log10(ser(alone, ideal)), rel=1e-6)
    assert view.effects.figure.xaxis.axis_label == "SER of the ideal to simulated [dB]"


def test_a_change_patches_the_sources_in_place() -> None:
    state = State()
    view = ErrorView(state)
    source, figure = view.scatter.source, view.scatter.charges
    before = drawn(view)[1].copy()
    state.compared = "measured_simulated"
    assert view.scatter.source is source
    assert view.scatter.charges is figure
    assert not np.allclose(drawn(view)[1], before, rtol=1e-4, atol=0)
    after = drawn(view)[1].copy()
    state.coupling_scale = 2.0
    assert not np.allclose(drawn(view)[1], after, rtol=1e-4, atol=0)
    sent = sum(column.nbytes for column in source.data.values())
    assert sent < 300_000


def test_a_view_behind_another_page_rests_until_it_is_in_front() -> None:
    state = State(page="error")
    view = ErrorView(state)
    numbers = view.numbers
    state.param.update(page="crosstalk", coupling_scale=2.0)
    assert view.numbers is numbers
    state.page = "error"
    assert view.numbers is not numbers


def test_a_point_leads_to_its_pattern_on_the_crosstalk_page(reference: xr.Dataset) -> None:
    state = State(page="error")
    view = ErrorView(state)
    rows = chosen(reference, "test")
    points = view.scatter.source.data
    index = int(np.flatnonzero((points["pattern"] == 400) & (points["bit_line"] == 5))[0])
    view.scatter.source.selected.indices = [index]
    assert (view.pattern.pattern.value, view.pattern.bit_line.value) == (400, 5)
    assert reference["pattern"].values[rows[400 - rows[0]]] == 400
    width = reference["pulse_width"].values[400]
    assert view.pattern.source.data["width"] * 1e-6 == pytest.approx(width, rel=1e-6)
    charge = float(reference["charge"][400, 5])
    assert f"measured {charge * 1e12:.4g} pC" in view.pattern.text.object
    assert view.scatter.chosen.data["true"] == pytest.approx([charge * 1e12], rel=1e-6)
    view.pattern.open.clicks += 1
    assert (state.page, state.pattern_source, state.pattern_index) == ("crosstalk", "measured", 400)
    assert state.pulse_width == pytest.approx(width)


def test_points_can_be_chosen_by_number() -> None:
    view = ErrorView(State())
    view.pattern.pattern.value = 333
    view.pattern.bit_line.value = 7
    ring = view.scatter.chosen.data["true"]
    data = view.scatter.source.data
    match = (data["pattern"] == 333) & (data["bit_line"] == 7)
    assert ring == pytest.approx(data["true"][match])


def test_a_chip_nobody_measured_is_said_to_be_simulated() -> None:
    state = State(source="synthetic", n_word_lines=12, n_bit_lines=5)
    view = ErrorView(state)
    assert "simulated only, nothing was measured" in view.summary.object
    assert "random patterns (seed 0)" in view.summary.object
    assert view.compared.value == "simulated_ideal"
    assert view.compared.disabled
    assert state.compared == "measured_ideal"  # what the link holds for a measured chip
    view.select(3, 2)
    view.pattern.open.clicks += 1
    assert state.pattern_source == "drawn"
    assert state.pulse_width == pytest.approx(
        view.numbers.charges["pulse_width"].values[3]  # type: ignore[union-attr]
    )


@pytest.mark.parametrize("shape", [(64, 64), (300, 200)])
def test_the_work_for_a_large_array_is_bounded(shape: tuple[int, int]) -> None:
    """And what is simulated is what the whole chip would do."""
    state = State(source="synthetic", n_word_lines=shape[0], n_bit_lines=shape[1])
    numbers = error_numbers(Question(state.chip, None, 0, "test", "simulated_ideal"))
    sizes = numbers.charges.sizes
    assert sizes["pattern"] * 31 * sizes["word_line"] * sizes["bit_line"] <= 2**23
    assert f"{sizes['pattern']} random patterns" in numbers.sampling
    lines = numbers.charges["bit_line"].values
    if sizes["bit_line"] < shape[1]:
        assert f"{sizes['bit_line']} of {shape[1]} bit lines" in numbers.sampling
        assert (lines[0], lines[-1]) == (0, shape[1] - 1)
    first = numbers.charges["pulse_width"].values[:1]
    whole = am.simulate(state.chip, first)[:, lines]
    part = numbers.charges["simulated_charge"].values[:1]
    assert part == pytest.approx(whole, rel=1e-10)


def test_a_file_without_the_split_explains_itself(reference: xr.Dataset) -> None:
    only = reference.isel(pattern=chosen(reference, "calibration"))
    state = State.from_chip(am.starting_chip(only), only)
    view = ErrorView(state)
    assert view.empty.visible
    assert not view.plots.visible
    assert "No test patterns to show" in view.empty.object
    assert view.figures() == {}
    assert view.data() is None
    state.split = "calibration"
    assert view.plots.visible
    assert not view.empty.visible
    undivided = only.drop_vars(["split", "kind"])
    view = ErrorView(State.from_chip(am.starting_chip(reference), undivided))
    assert "not divided into splits" in view.summary.object
    assert view.numbers.charges.sizes["pattern"] == only.sizes["pattern"]  # type: ignore[union-attr]


def test_an_ideal_chip_has_no_error_to_divide() -> None:
    state = State(source="synthetic", effects=[])
    view = ErrorView(state)
    assert "no error" in view.summary.object
    assert view.effects.source.data["row"] == ["all together"]


def test_exported_numbers_are_those_in_view(tmp_path: Path) -> None:
    view = ErrorView(State(compared="measured_simulated"))
    data = view.data()
    assert data is not None
    file = netcdf_file(data, chip=view.chip_name(), what="error")
    assert file.name == "reference-16x16_error.nc"
    (tmp_path / file.name).write_bytes(file.content)
    with xr.open_dataset(tmp_path / file.name, engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), data)
    assert data.attrs["split"] == "test"
    assert float(data["total_signal_to_error_ratio"]) == pytest.approx(
        ser(data["measured_charge"].values, data["simulated_charge"].values)
    )
    table = view.table()
    assert table is not None
    frame = pd.read_csv(io.BytesIO(csv_file(table, chip="a", what="b").content))
    assert len(frame) == 192 * 16
    assert frame["measured_charge [C]"].values == pytest.approx(
        data["measured_charge"].values.ravel(), rel=1e-11
    )


def test_the_crosstalk_page_exports_what_it_shows(tmp_path: Path) -> None:
    state = State(source="synthetic", n_word_lines=5, n_bit_lines=4)
    offered = CrosstalkFigures(state)
    assert "Measured beside simulated" not in offered.figures()
    measured = CrosstalkFigures(State())
    assert "Measured beside simulated" in measured.figures()
    for page in (offered, measured):
        data = page.data()
        (tmp_path / "x.nc").write_bytes(netcdf_file(data, chip="x", what="y").content)
        with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as again:
            assert again.load().equals(data)
    shift = am.current_shift(state.chip, state.activation_pattern)["current_shift"].values
    frame = pd.read_csv(io.BytesIO(csv_file(offered.table(), chip="a", what="b").content))
    assert frame["current_shift [1]"].values == pytest.approx(shift.ravel(), rel=1e-11)
    for name, make in offered.figures().items():
        file = figure_file(
            make, chip="My chip/1", figure=name, format="svg", preset="ieee_one_column"
        )
        assert re.fullmatch(r"my-chip-1_[a-z-]+_ieee-one-column\.svg", file.name)
        assert b"<svg" in file.content


def test_exported_bars_have_the_colours_on_screen() -> None:
    view = ErrorView(State())
    for bars, name in ((view.kinds, "Kinds of pattern"), (view.effects, "Effects")):
        on_screen = set(bars.source.data["colour"])
        make = view.figures()[name]
        file = figure_file(make, chip="x", figure=name, format="pdf", preset="nature_one_column")
        assert len(on_screen) > 1
        assert on_screen <= fills(file.content)


def test_the_page_in_a_browser(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit("?page=error")
    summary = page.get_by_text("signal-to-error ratio of the")
    expect(summary).to_be_visible()
    expect(page.get_by_text("test patterns", exact=True)).to_be_visible()
    page.get_by_role("button", name="Calibration").click()
    expect(page.get_by_text("calibration patterns", exact=True)).to_be_visible()
    page.wait_for_function("location.search.includes('split=calibration')")
    page.get_by_role("button", name="Measured vs simulated").click()
    page.wait_for_function("location.search.includes('vs=measured_simulated')")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("test patterns", exact=True)).to_be_visible()

    page.get_by_role("button", name="Export…").click()
    for kind in ("PDF", "SVG", "PNG"):
        page.get_by_role("button", name=kind, exact=True).click()
        check_figure(download(page, "Save figure", tmp_path), kind.lower(), 3.5)
    page.get_by_label("Page size").select_option("IEEE, two columns (182 mm)")
    check_figure(download(page, "Save figure", tmp_path), "png", 7.16)
    expected = ErrorView(State(compared="measured_simulated")).data()
    with xr.open_dataset(download(page, "NetCDF", tmp_path), engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), expected)
    frame = pd.read_csv(download(page, "CSV", tmp_path))
    assert set(frame["split"]) == {"test"}
    assert frame["simulated_charge [C]"].values == pytest.approx(
        expected["simulated_charge"].values.ravel(),
        rel=1e-11,  # type: ignore[index]
    )
    page.get_by_role("button", name="Export…").click()

    # A tap on a point leads to its pattern, and from there to the other page.
    page.get_by_label("Pattern", exact=True).fill("420")
    page.get_by_label("Pattern", exact=True).press("Enter")
    page.get_by_role("button", name="Show this pattern on the Crosstalk page").click()
    page.wait_for_function("location.search.includes('p=420')")
    assert "pat=measured" in page.evaluate("location.search")


def download(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    name = waiting.value.suggested_filename
    assert name.startswith("reference-16x16_")
    waiting.value.save_as(folder / name)
    return folder / name


def check_figure(file: Path, kind: str, inches: float) -> None:
    content = file.read_bytes()
    assert file.suffix == f".{kind}"
    if kind == "pdf":
        (points,) = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)
        assert content.startswith(b"%PDF-")
        assert float(points) == pytest.approx(72 * inches, abs=0.01)
    elif kind == "svg":
        (text,) = re.findall(rb'<svg[^>]* width="([\d.]+)pt"', content)
        assert float(text) == pytest.approx(72 * inches, abs=0.01)
    else:
        assert content.startswith(b"\x89PNG\r\n")
        assert struct.unpack(">I", content[16:20])[0] == pytest.approx(600 * inches, abs=1)


def test_a_large_array_is_worked_on_beside_the_session(visit: Callable[..., Page]) -> None:
    page = visit("?page=error&src=synthetic&n=256&m=256")
    expect(page.get_by_text("simulated only, nothing was measured")).to_be_visible()
    expect(page.get_by_text("of 256 bit lines, evenly spread")).to_be_visible()
