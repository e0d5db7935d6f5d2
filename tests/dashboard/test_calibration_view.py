"""Calibration page: what it shows is what the library says, live as well as finished.

The chip is a small synthetic one with known parameters.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import BitLine, CouplingByClass, Pulse
from dashboard import links
from dashboard.calibration_run import FittedModel, Outcome, calibrate_measurement
from dashboard.state import State
from dashboard.views.calibration import CalibrationView
from dashboard.views.calibration_numbers import (
    Finished,
    Selection,
    cell_residual,
    finishes,
    kind_residual,
    selection,
    steps,
)
from dashboard.views.calibration_parameters import scalar_table

KAPPA = np.array([[0.12, 0.03], [0.05, 0.08]])


def measured(n_word_lines: int = 6, n_bit_lines: int = 4) -> xr.Dataset:
    """A chip with crosstalk by class and a lumped drop, read with noise."""
    layout = am.Layout.mirrored_columns(n_word_lines, n_bit_lines)
    generator = np.random.default_rng(7)
    chip = am.Chip(
        name="small",
        cell_current=generator.uniform(50e-9, 900e-9, (n_word_lines, n_bit_lines)),
        layout=layout,
        coupling=CouplingByClass(offsets=(-1, 1), kappa=KAPPA),
        bit_line=BitLine(lumped_resistance=2e4, drain_sensitivity=0.1),
        pulse=Pulse(lsb=40e-9),
    )
    random = generator.integers(0, 32, (90, n_word_lines))
    sparse = random[:20] * (generator.random((20, n_word_lines)) < 0.3)
    width = np.concatenate([random, np.where(sparse.any(axis=1, keepdims=True), sparse, 9)]) * 40e-9
    charge = am.simulate(chip, width)
    sigma = np.hypot(2e-4 * charge.max(), 1e-3 * charge)
    n = len(width)
    return xr.Dataset(
        {
            v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), width, {"units": "s"}),
            v.CHARGE: (
                (v.PATTERN, v.BIT_LINE),
                charge + sigma * generator.normal(size=charge.shape),
                {"units": "C"},
            ),
            v.CELL_CURRENT: (
                (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE),
                chip.cell_current[None],
                {"units": "A"},
            ),
            v.LAYOUT_CLASS: ((v.WORD_LINE, v.BIT_LINE), layout.layout_class),
        },
        coords={
            v.PATTERN: np.arange(n),
            v.KIND: (v.PATTERN, np.array(["random"] * 90 + ["sparse"] * 20)),
            v.SPLIT: (v.PATTERN, np.where(np.arange(n) % 3 == 2, v.TEST, v.CALIBRATION)),
            v.WEIGHT_SET_OF_PATTERN: (v.PATTERN, np.zeros(n, dtype=np.int8)),
        },
        attrs={
            "chip": "small",
            "alignment": "leading",
            "pulse_lsb": 40e-9,
            "noise": "sigma = hypot(0.0002*max(charge), 0.001*charge)",
        },
    )


@pytest.fixture(scope="module")
def measurement() -> xr.Dataset:
    return measured()


@pytest.fixture(scope="module")
def sent(measurement: xr.Dataset) -> list[Any]:
    """Everything that the job says, from this process."""
    heard: list[Any] = []
    calibrate_measurement(heard.append, measurement=measurement, weight_set=0)
    return heard


@pytest.fixture(scope="module")
def finished(sent: list[Any]) -> Finished:
    outcome = next(message for message in sent if isinstance(message, Outcome))
    return Finished(outcome, sent[-1])


@pytest.fixture
def view(measurement: xr.Dataset, finished: Finished) -> Iterator[CalibrationView]:
    finishes.keep(measurement, 0, finished)
    chip = am.starting_chip(measurement)
    yield CalibrationView(State.from_chip(chip, measurement, page="calibration"))
    finishes._entries.clear()


def test_the_job_tells_every_model_as_it_is_fitted(sent: list[Any], finished: Finished) -> None:
    models = {m.name: m for m in sent if isinstance(m, FittedModel)}
    calibration = finished.outcome.calibration
    assert set(models) == set(calibration.chips) - {"shared"}
    for name, model in models.items():
        ladder = calibration.ladder.sel(model=name)
        assert model.chi_square == pytest.approx(float(ladder["held_out_chi_square"]), rel=1e-9)
        assert model.explains == str(ladder["explains"].item())
    # Left out one at a time, the ideal product errs as it does on any pattern: no parameters.
    ideal = am.ideal_charge(calibration.chips["ideal"], calibration.measurement[v.PULSE_WIDTH])
    ours = calibration.measurement[v.SPLIT].values == v.CALIBRATION
    charge = calibration.measurement[v.CHARGE]
    assert models["ideal"].ratio == pytest.approx(
        am.signal_to_error_ratio(charge[ours], ideal[ours]), rel=1e-6
    )
    stages = [m.fraction for m in sent if hasattr(m, "fraction")]
    assert stages == sorted(stages)
    assert len(stages) >= 8


def test_shares_of_the_error_add_up() -> None:
    def model(name: str, chi_square: float) -> FittedModel:
        return FittedModel(name, name, 1.0, chi_square, 0)

    ladder = [
        model("ideal", 200.0),
        model("ideal_refit", 90.0),
        model("crosstalk", 20.0),
        model("dead_time", 22.0),
        model("shared", 21.0),
        model("full", 2.0),
    ]
    found = steps(ladder)
    assert [(s.name, s.before, s.after) for s in found] == [
        ("crosstalk", 200.0, 20.0),
        ("dead_time", 20.0, 22.0),
        ("full", 21.0, 2.0),
    ]
    assert [s.share for s in found] == pytest.approx([0.9, -0.01, 0.095])


def test_residuals_against_numbers_by_hand(finished: Finished, measurement: xr.Dataset) -> None:
    chosen = selection(finished.outcome, model="ideal", split=v.TEST, kind="sparse")
    ours = (measurement[v.SPLIT] == v.TEST) & (measurement[v.KIND] == "sparse")
    charge = measurement[v.CHARGE].values[ours.values]
    ideal = measurement[v.PULSE_WIDTH].values[ours.values] @ measurement[v.CELL_CURRENT].values[0]
    np.testing.assert_allclose(chosen.residual, ideal - charge, atol=1e-6 * charge.max())
    assert chosen.ratio == pytest.approx(
        np.sqrt((charge**2).mean() / ((ideal - charge) ** 2).mean()), rel=1e-6
    )
    kinds, level, unit = kind_residual(chosen)
    sigma = np.hypot(2e-4 * measurement[v.CHARGE].values.max(), 1e-3 * charge)
    assert (kinds, unit) == (["sparse"], "σ")
    expected = np.sqrt((((ideal - charge) / sigma) ** 2).mean(axis=0))
    np.testing.assert_allclose(level[0], expected, rtol=1e-5)


def test_a_wrong_weight_shows_on_its_own_cell(finished: Finished) -> None:
    chosen = selection(finished.outcome, model="full", split=v.CALIBRATION, kind="all")
    width = chosen.charges[v.PULSE_WIDTH].values
    charges = chosen.charges.copy()
    charges["simulated_charge"] = charges["measured_charge"].copy()
    charges["simulated_charge"].values[:, 2] += 7e-9 * width[:, 3]
    wrong = np.zeros((6, 4))
    wrong[3, 2] = 7e-9
    found = cell_residual(Selection(charges, "full", v.CALIBRATION, "all"))
    np.testing.assert_allclose(found, wrong, atol=1e-15)


def test_bars_are_the_report(view: CalibrationView, finished: Finished) -> None:
    report = finished.outcome.report.sel({v.SPLIT: v.TEST, v.KIND: "all"})
    bars = view.bars.source.data
    np.testing.assert_allclose(bars["db"], report["decibel"].values)
    assert "test patterns (36)" in view.bars.figure.title.text
    assert view.bars.ceiling.location == pytest.approx(
        am.decibel(float(report["ceiling"].values[0]))
    )
    view.state.param.update(split=v.CALIBRATION, pattern_kind="sparse")
    report = finished.outcome.report.sel({v.SPLIT: v.CALIBRATION, v.KIND: "sparse"})
    np.testing.assert_allclose(view.bars.source.data["db"], report["decibel"].values)
    assert "sparse, calibration patterns" in view.bars.figure.title.text
    assert view.split.value == v.CALIBRATION
    assert view.kind.value == "sparse"


def test_a_tapped_bar_opens_its_residuals(view: CalibrationView, finished: Finished) -> None:
    names = list(finished.outcome.calibration.chips)
    view.bars.source.selected.indices = [names.index("crosstalk")]
    assert (view.state.model, view.state.aspect) == ("crosstalk", "residuals")
    drawn = view.residuals.scatter.source.data
    chosen = selection(finished.outcome, model="crosstalk", split=v.TEST, kind="all")
    assert len(drawn["true"]) == chosen.residual.size
    assert "+ κ by class, side" in view.residuals.scatter.charges.title.text
    assert not view.aspects["models"].visible


def test_parameters_carry_their_intervals(view: CalibrationView, finished: Finished) -> None:
    view.state.aspect = "parameters"
    table = finished.outcome.calibration.parameters
    drawn = view.parameters.kappas.source.data
    named = [name for name in table["parameter"].values if name.startswith("kappa")]
    assert len(drawn["y"]) == len(named)
    for name, value, low, high in zip(named, drawn["y"], drawn["low"], drawn["high"], strict=True):
        row = table.sel(parameter=name)
        assert (value, low, high) == (float(row["value"]), *row["interval"].values)
    words = scalar_table(table)
    lumped = table.sel(parameter="lumped_loss") if "lumped_loss" in table["parameter"] else None
    assert lumped is not None
    assert f"{float(lumped['value']):.0f} 1/A" in words


def test_what_is_not_identified_says_so(finished: Finished) -> None:
    table = finished.outcome.calibration.parameters.copy(deep=True)
    place = list(table["parameter"].values).index("lumped_loss")
    table["value"].values[place] = np.nan
    table["status"] = table["status"].astype(object)
    table["status"].values[place] = "not identified"
    rows = re.findall(r"<tr><td>(.*?)</td>(.*?)</tr>", scalar_table(table))
    row = dict(rows)["Lumped × drain sensitivity"]
    assert "not identified" in row
    assert "nan" not in row


def test_outliers_and_dead_cells_are_named(view: CalibrationView, finished: Finished) -> None:
    calibration = replace(
        finished.outcome.calibration,
        outlier_patterns=("17",),
        dead_cells=((4, 2),),
        notes=("<b>assumed</b>",),
    )
    view.parameters.show(calibration)
    words = view.parameters.tables.object
    assert "pattern 17" in words
    assert "word line 4, bit line 2" in words
    assert "&lt;b&gt;assumed&lt;/b&gt;" in words


def test_extraction_methods_stand_side_by_side(view: CalibrationView, finished: Finished) -> None:
    view.state.aspect = "extraction"
    assert finished.extraction is not None
    table = finished.extraction.table
    assert table is not None
    drawn = view.extraction.methods.source.data
    ratio = table["signal_to_error_ratio"].sel({v.KIND: "all", v.SPLIT: v.TEST})
    expected = {
        am.decibel(float(ratio.sel(extraction=method, model=model)))
        for method in table["extraction"].values
        for model in ("ideal", "full")
    }
    assert set(drawn["db"]) == expected
    assert "leave one out" not in [row[0].split("\n")[0] for row in drawn["row"]]
    assert "leave_one_out" in view.extraction.words.object


def test_files_hold_what_is_in_view(view: CalibrationView, finished: Finished) -> None:
    from analog_model.figures.paper import save_figure

    data = view.data()
    assert data is not None
    target = io.BytesIO()
    data.to_netcdf(target, engine="h5netcdf")
    again = xr.open_dataset(io.BytesIO(target.getvalue()), engine="h5netcdf")
    xr.testing.assert_allclose(
        again["report_decibel"].sel(pattern_kind="all", pattern_split=v.TEST, drop=True),
        finished.outcome.report["decibel"].sel({v.KIND: "all", v.SPLIT: v.TEST}, drop=True),
    )
    for aspect in ("models", "residuals", "parameters", "extraction"):
        view.state.aspect = aspect
        table = view.table()
        assert table is not None
        assert len(table.to_dataframe())
    elements = {name: make() for name, make in view.figures().items()}
    assert {"Models", "Couplings", "Residual map", "Extraction effort"} <= set(elements)
    page = io.BytesIO()
    save_figure(elements["Models"], page, format="pdf", preset="ieee_one_column")
    assert page.getvalue().startswith(b"%PDF")


def test_one_call_makes_the_chip_every_page_shows(
    view: CalibrationView, finished: Finished
) -> None:
    view.use_chip()
    state = view.state
    assert state.chip == finished.outcome.calibration.chip
    assert state.measurement is not None
    assert view.finished is finished
    assert view.use.disabled


def test_a_link_opens_the_calibrated_chip_elsewhere(finished: Finished) -> None:
    state = State(page="calibration")
    chip = finished.outcome.calibration.chip.replace(name="of a link")
    state.use_calibrated(chip)
    query = links.query_of(state)
    assert re.search(r"src=calibrated&chip=[0-9a-f]{16}$", query)
    values, problems = links.read_query(query)
    again = State(**values)
    assert problems == []
    assert again.chip == chip
    assert again.measurement is state.measurement
    again.use_calibrated(chip)
    assert again.chip_id == state.chip_id
    lost = State(source="calibrated", chip_id="0123456789abcdef")
    assert lost.source == "bundled"
    assert lost.notice is not None
    assert "Calibrate again" in lost.notice.text


def test_other_weights_keep_the_calibrated_parameters() -> None:
    state = State()
    chip = am.starting_chip(am.example_chip("reference")).replace(source="calibrated")
    state.use_calibrated(chip)
    state.weight_set = 1
    reads = am.example_chip("reference")[v.CELL_CURRENT].values[1]
    np.testing.assert_array_equal(state.chip.cell_current, reads.clip(min=0))
    np.testing.assert_array_equal(state.chip.coupling.kappa, chip.coupling.kappa)
    assert state.chip.source == "calibrated"


def test_a_synthetic_chip_has_nothing_to_calibrate() -> None:
    view = CalibrationView(State(source="synthetic", n_word_lines=4, n_bit_lines=4))
    assert view.run.start_button.disabled
    assert "Nothing was measured" in view.empty.object
    assert view.figures() == {}
    assert view.data() is None


def test_works_alone_in_a_notebook(measurement: xr.Dataset) -> None:
    """Without a server: start, look, cancel; nothing of the run stays."""
    chip = am.starting_chip(measurement)
    view = CalibrationView(State.from_chip(chip, measurement.copy()))
    view.start()
    assert view.run.busy
    job = view.run._job
    assert job is not None
    deadline = time.monotonic() + 60
    while not view.models:
        view.run.look()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert view.bars.source.data["db"][0] > 0
    view.run.cancel()
    # Said at once, while the process is still going.
    assert "Cancelled" in view.run.status.object
    view.run.look()
    assert not view.run.busy
    assert view.run.start_button.visible
    assert view.finished is None
    assert "Cancelled" in view.run.status.object
    assert job.ended.wait(5)
