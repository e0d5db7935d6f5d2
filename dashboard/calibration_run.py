"""One calibration, told step by step: the job behind the calibration page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.fit import Fit
from analog_model.calibration.observations import choose, observe, read_noise
from analog_model.calibration.result import Calibration
from analog_model.calibration.selection import held_out
from analog_model.errors import AnalogModelError
from analog_model.extraction_comparison import compare_extractions, extraction_effort
from dashboard.jobs import Send
from dashboard.stage import Stage


@dataclass(frozen=True)
class FittedModel:
    """One model of the ladder, judged on calibration patterns left out one at a time.

    `ratio` is the SER of those predictions, `chi_square` their squared error per reading in
    units of the read noise (of a common scale where the file states no noise).
    """

    name: str
    explains: str
    ratio: float
    chi_square: float
    n_parameters: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished calibration with everything that the page shows of it.

    `report` as `Calibration.report` gives it. `charges`: pulse_width [s], measured_charge
    (pattern, bit_line) [C], predicted_charge (model, pattern, bit_line) [C], and
    standard_deviation [C] of a reading where the read noise is known.
    """

    calibration: Calibration
    report: xr.Dataset
    charges: xr.Dataset


@dataclass(frozen=True, eq=False)
class Extraction:
    """Methods of weight extraction side by side, or the `problem` that kept them apart.

    `table` as `compare_extractions`, `effort` as `extraction_effort` gives it.
    """

    table: xr.Dataset | None
    effort: xr.Dataset | None = None
    problem: str = ""


def calibrate_measurement(send: Send, *, measurement: xr.Dataset, weight_set: int) -> None:
    """Calibrate one weight set; sends `Stage`, `FittedModel`, `Outcome`, `Extraction`."""
    sigma = observe(measurement, weight_set=weight_set).sigma

    def fitted(fit: Fit) -> None:
        send(_judged(fit, measurement, weight_set, sigma))

    calibration = calibrate(
        measurement,
        weight_set=weight_set,
        progress=lambda text, fraction: send(Stage(text, 0.8 * fraction)),
        listener=fitted,
    )
    send(Stage("judging on test patterns", 0.8))
    charges = charges_of(calibration)
    send(Outcome(calibration, calibration.report(), charges))
    send(Stage("comparing extraction methods", 0.85))
    send(_extraction(measurement, calibration))


def charges_of(calibration: Calibration) -> xr.Dataset:
    """Measured charge of the calibrated weight set beside every model's prediction."""
    measurement = calibration.measurement
    chosen = choose(measurement, split=None, weight_set=calibration.weight_set)
    width = chosen[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE)
    measured = chosen[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE)
    predicted = [am.simulate(chip, width).values for chip in calibration.chips.values()]
    charges = xr.Dataset(
        {
            v.PULSE_WIDTH: width,
            "measured_charge": measured.assign_attrs(units="C"),
            "predicted_charge": (
                ("model", v.PATTERN, v.BIT_LINE),
                np.stack(predicted),
                {"units": "C"},
            ),
        },
        coords={"model": list(calibration.chips)},
    )
    noise = calibration.noise or read_noise(measurement)
    if noise is not None:
        largest = float(np.abs(measurement[v.CHARGE].values).max())
        sigma = noise.of(measured.values, largest)
        charges["standard_deviation"] = (measured.dims, sigma, {"units": "C"})
    return charges


def _judged(fit: Fit, measurement: xr.Dataset, weight_set: int, sigma: np.ndarray) -> FittedModel:
    chosen = choose(measurement, split=v.CALIBRATION, weight_set=weight_set)
    charge = chosen[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values
    missed = fit.held_out * sigma / np.sqrt(fit.influence)
    rung = fit.parameters.rung
    return FittedModel(
        name=rung.name,
        explains=rung.explains,
        ratio=am.signal_to_error_ratio(charge, charge - missed),
        chi_square=held_out(fit).mean,
        n_parameters=int(fit.seen.sum()),
    )


def _extraction(measurement: xr.Dataset, calibration: Calibration) -> Extraction:
    weight_set = calibration.weight_set
    table = None
    try:
        table = compare_extractions(measurement, weight_set=weight_set, calibration=calibration)
        return Extraction(table, extraction_effort(measurement, weight_set=weight_set))
    except AnalogModelError as error:
        return Extraction(table, problem=str(error))
