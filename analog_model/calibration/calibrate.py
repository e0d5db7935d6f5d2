"""Calibration of a chip from its measurement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.checkpoint import Checkpoint
from analog_model.calibration.chips import NOMINAL_DRAIN_SENSITIVITY, chip_of
from analog_model.calibration.departures import Spread
from analog_model.calibration.fit import Fit
from analog_model.calibration.ladder import Listener, Progress, climb, full_fit
from analog_model.calibration.layout_proposal import propose_layout
from analog_model.calibration.observations import ReadNoise
from analog_model.calibration.problem import Problem, problem_of
from analog_model.calibration.reads import OneHotReads
from analog_model.calibration.result import Calibration, ladder_table, parameter_table
from analog_model.calibration.rungs import IDEAL, IDEAL_REFIT, LADDER
from analog_model.calibration.selection import richest_adequate
from analog_model.chip import Chip, Layout
from analog_model.first_estimate import layout_of

# A cell whose read is below this part of the largest, though its target is not, is dead.
DEAD = 1e-3
# A pattern whose readings keep less than this part of their influence is an outlier.
HELD_BACK = 0.7


def _dead_cells(measurement: xr.Dataset, current: np.ndarray, weight_set: int) -> np.ndarray:
    """Cells (count, 2) that carry no current although they should; without targets, none at all."""
    largest = current.max()
    dead = current <= 0 if largest > 0 else np.zeros(current.shape, dtype=bool)
    if v.TARGET_CURRENT in measurement:
        target = measurement[v.TARGET_CURRENT].isel({v.WEIGHT_SET: weight_set})
        wanted = target.transpose(v.WORD_LINE, v.BIT_LINE).values
        dead = (current < DEAD * largest) & (wanted > 0.1 * wanted.max())
    return np.argwhere(dead)


def _cell_table(fit: Fit, spread: Spread, reads: OneHotReads) -> xr.Dataset:
    """Weights and coupling departures of single cells with their errors."""
    cells = (v.WORD_LINE, v.BIT_LINE)
    by_offset = (v.OFFSET, *cells)
    return xr.Dataset(
        {
            v.CELL_CURRENT: (cells, fit.cell_current, {"units": "A"}),
            "standard_error": (cells, fit.cell_error, {"units": "A"}),
            "one_hot_current": (cells, reads.current, {"units": "A"}),
            "kappa_deviation": (by_offset, fit.deviation, {"units": "1"}),
            "kappa_deviation_error": (by_offset, fit.deviation_error, {"units": "1"}),
        },
        coords={
            v.WORD_LINE: np.arange(fit.cell_current.shape[0]),
            v.BIT_LINE: np.arange(fit.cell_current.shape[1]),
            v.OFFSET: list(fit.parameters.rung.offsets),
        },
        attrs={"weight_spread": spread.weights, "kappa_spread": spread.kappa},
    )


def _notes(
    problem: Problem, richest: Fit, *, proposed: bool, drain_sensitivity: float | None
) -> tuple[str, ...]:
    notes = []
    if not richest.seen[: len(richest.parameters.kappa_names)].any():
        notes.append(
            "No pattern shows coupling: predictions of word lines that are high together lack it."
        )
    if "dead_time" not in richest.parameters.scalars:
        notes.append("One-hot reads of one pulse width show no dead time: it is left out.")
    if proposed:
        notes.append("The file has no layout map; the layout is this calibration's proposal.")
    if problem.reads.source == "single":
        notes.append("Weights start from single-word-line patterns; the file has no static reads.")
    if problem.reads.source == "none":
        notes.append(
            "The file has no one-hot reads: weights absorb part of the effects, and the "
            "parameters carry over to other weights less well."
        )
    if not problem.observations.noise_known:
        notes.append("Read noise is not stated in the file; errors use the scatter of the fit.")
    if drain_sensitivity is None:
        notes.append(
            f"Resistances assume a drain sensitivity of {NOMINAL_DRAIN_SENSITIVITY} /V; only "
            "their products with it are measured."
        )
    return tuple(notes)


def _silent(stage: str, fraction: float) -> None:  # noqa: ARG001
    return


def _unheard(fit: Fit) -> None:  # noqa: ARG001
    return


def _fitted(
    problem: Problem, tell: Progress, listener: Listener
) -> tuple[dict[str, Fit], Spread, str]:
    """Fits of all models by name, the spread of single cells, the rung that was chosen."""
    fits = climb(problem, tell, listener)
    order = list(fits.values())
    chosen = order[richest_adequate(order)]
    tell("single cells", 0.65)
    rung = chosen.parameters.rung
    full, spread = full_fit(problem, chosen)
    listener(full)
    tell("ideal product, weights refitted", 0.85)
    refit, _ = problem.fit_cells(fits[IDEAL.name], IDEAL_REFIT)
    listener(refit)
    named = {IDEAL.name: fits.pop(IDEAL.name), IDEAL_REFIT.name: refit, **fits}
    return named | {"shared": chosen, "full": full}, spread, rung.name


def calibrate(
    measurement: xr.Dataset,
    *,
    weight_set: int = 0,
    layout: Layout | None = None,
    read_noise: ReadNoise | None = None,
    drain_sensitivity: float | None = None,
    progress: Progress | None = None,
    listener: Listener | None = None,
    checkpoint: Checkpoint | None = None,
) -> Calibration:
    """Fit a chip's parameters to the calibration patterns of one weight set.

    A ladder of models is fitted with the cells frozen at their one-hot reads; the richest
    that no simpler one beats at left-out patterns is chosen, then gains what single cells
    add. Its parameters stay in it even where they are consistent with zero: dropping those
    would make the errors of the others too small. `layout` overrides the file's; without
    either one is proposed. `read_noise` overrides the file's statement.
    `drain_sensitivity` [1/V] turns fitted products into ohms and farads. `progress` is
    told the stage and the fraction done, `listener` every model's fit as it is done; an
    exception from either cancels, leaving nothing.

    A `checkpoint` keeps finished fits, which a second run of an interrupted calibration
    recalls; it is for the caller to remove.

    Raises DataError for a measurement without calibration patterns of that weight set.
    """
    tell = progress or _silent
    proposed = layout is None and v.LAYOUT_CLASS not in measurement
    if layout is None:
        tell("layout", 0.0)
        layout = (
            propose_layout(measurement, weight_set=weight_set, noise=read_noise)
            if proposed
            else layout_of(measurement)
        )
    problem = problem_of(measurement, weight_set, layout, read_noise, checkpoint)
    fits, spread, chosen = _fitted(problem, tell, listener or _unheard)
    label = f"calibrated from {measurement.attrs.get('source', 'a measurement')}"

    def chip(name: str, fit: Fit) -> Chip:
        source = f"{name} model, {label}"
        return chip_of(fit, measurement, drain_sensitivity=drain_sensitivity, source=source)

    chips = {name: chip(name, fit) for name, fit in fits.items()}
    full = fits["full"]
    without_cells = replace(full, deviation=np.zeros_like(full.deviation))
    held_back = problem.observations.label[full.influence.mean(axis=1) < HELD_BACK]
    dead = _dead_cells(measurement, problem.reads.current, weight_set)
    tell("done", 1.0)
    return Calibration(
        chip=chips["full"],
        shared_chip=chip("full without single cells", without_cells),
        chips=chips,
        parameters=parameter_table(full, richest=fits[LADDER[-1].name]),
        ladder=ladder_table(fits, chosen),
        cells=_cell_table(full, spread, problem.reads),
        measurement=measurement,
        weight_set=weight_set,
        outlier_patterns=tuple(str(label) for label in held_back),
        dead_cells=tuple((int(j), int(i)) for j, i in dead),
        notes=_notes(
            problem, fits[LADDER[-1].name], proposed=proposed, drain_sensitivity=drain_sensitivity
        ),
        noise=read_noise,
    )
