"""Calibration of the bundled chip, held to what an independent fit of its data reached.

The limits are those of the issue that asked for the calibration, on test patterns. The
file's charges carry read noise; "noise-free equivalent" takes it off in quadrature, with
the sigma that the file states.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.result import Calibration

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measurement() -> xr.Dataset:
    return am.example_chip()


@pytest.fixture(scope="module")
def calibration(measurement: xr.Dataset) -> Calibration:
    return calibrate(measurement)


def chosen(measurement: xr.Dataset, kind: str, weight_set: int) -> xr.Dataset:
    keep = (measurement[v.SPLIT] == v.TEST) & (measurement[v.KIND] == kind)
    return measurement.isel(
        {v.PATTERN: (keep & (measurement[v.WEIGHT_SET_OF_PATTERN] == weight_set)).values}
    )


def noise_free(measurement: xr.Dataset, chip: am.Chip, kind: str, weight_set: int) -> float:
    """SER against the charge without read noise; infinite where the noise explains all."""
    patterns = chosen(measurement, kind, weight_set)
    signal = patterns[v.CHARGE].values
    sigma = np.hypot(2e-4 * measurement[v.CHARGE].values.max(), 1e-3 * signal)
    error = am.simulate(chip, patterns[v.PULSE_WIDTH].values) - signal
    left = (error**2).mean() - (sigma**2).mean()
    return float(np.sqrt((signal**2).mean() / left)) if left > 0 else np.inf


def plain(measurement: xr.Dataset, chip: am.Chip, kind: str) -> float:
    patterns = chosen(measurement, kind, 0)
    predicted = am.simulate(chip, patterns[v.PULSE_WIDTH].values)
    return float(am.signal_to_error_ratio(patterns[v.CHARGE].values, predicted))


def test_the_ideal_product_is_where_it_should_be(
    measurement: xr.Dataset, calibration: Calibration
) -> None:
    assert plain(measurement, calibration.chips["ideal"], "random") == pytest.approx(20, rel=0.15)
    refit = {
        k: plain(measurement, calibration.chips["ideal_refit"], k) for k in ("random", "sparse")
    }
    assert refit["random"] > 110
    # On sparse inputs the one-hot reads beat the refit.
    assert plain(measurement, calibration.chips["ideal"], "sparse") > refit["sparse"]


@pytest.mark.parametrize(("kind", "least"), [("random", 2900), ("sparse", 900), ("binary", 2000)])
def test_the_full_model_leaves_little_but_noise(
    measurement: xr.Dataset, calibration: Calibration, kind: str, least: float
) -> None:
    assert noise_free(measurement, calibration.chip, kind, 0) >= least
    report = calibration.report()
    assert float(report.chi_square.sel(model="full", kind=kind, split=v.TEST)) < 1.12


def test_the_parameters_carry_over_to_other_weights(
    measurement: xr.Dataset, calibration: Calibration
) -> None:
    chip = calibration.chip.with_weights(measurement[v.CELL_CURRENT].values[1])
    assert noise_free(measurement, chip, "random", 1) >= 800
    shared = calibration.chips["shared"].with_weights(measurement[v.CELL_CURRENT].values[1])
    assert noise_free(measurement, shared, "random", 1) >= 800


def test_every_rung_predicts_left_out_patterns_better(calibration: Calibration) -> None:
    score = calibration.ladder.held_out_chi_square
    climb = ["ideal", "crosstalk_one", "crosstalk", "crosstalk_far", "crosstalk_ekv", "dead_time"]
    assert (np.diff(score.sel(model=[*climb, "drop", "full"]).values) < 0).all()
    assert calibration.ladder.attrs["chosen"] == "drop"


def test_left_out_patterns_foretell_the_test_patterns(calibration: Calibration) -> None:
    report = calibration.report()
    test = report.chi_square.sel(kind="all", split=v.TEST)
    for model in ("crosstalk", "drop", "full"):
        promised = float(calibration.ladder.held_out_chi_square.sel(model=model))
        assert promised == pytest.approx(float(test.sel(model=model)), rel=0.15)


def test_what_the_data_cannot_see_is_not_invented(calibration: Calibration) -> None:
    droop = calibration.parameters.sel(parameter="droop_loss")
    assert str(droop.status.values) == "consistent with zero"
    assert float(droop.interval.sel(bound="lower")) == 0.0
    wire = calibration.parameters.sel(parameter="wire_loss")
    assert str(wire.status.values) == "identified"


def test_a_droop_at_its_bound_leaves_a_clamped_line(calibration: Calibration) -> None:
    """37 F came out of it: no effect, but the chip had one more to compute."""
    assert all(chip.bit_line.capacitance is None for chip in calibration.chips.values())


def test_nothing_is_wrong_with_this_chip(calibration: Calibration) -> None:
    assert calibration.outlier_patterns == ()
    assert calibration.dead_cells == ()
