"""Entries of figures that show the error of charge against a measurement."""

from __future__ import annotations

from typing import Any

import xarray as xr

from analog_model import vocabulary as v
from analog_model.error_budget import (
    effect_contributions,
    error_by_bit_line,
    error_by_kind,
    select_patterns,
)
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.figures import error
from analog_model.figures.calibration import residual_map
from analog_model.figures.catalogue.entry import Choices, Entry, one_source
from analog_model.figures.catalogue.source import Source
from analog_model.simulation import ideal_charge, simulate

MODELS = ("ideal", "full")


def _charges(source: Source, choices: Choices) -> tuple[xr.DataArray, xr.DataArray]:
    """Measured charge of the patterns of a split, beside the model's."""
    patterns = _patterns(source, choices)
    model = choices.model or MODELS[0]
    if model not in MODELS:
        raise ConfigurationError(
            "model", expected="a model", got=repr(model), advice=nearest_name(model, MODELS)
        )
    chip = source.chip(choices.weight_set)
    judged = (
        ideal_charge(chip, patterns[v.PULSE_WIDTH])
        if model == "ideal"
        else simulate(chip, patterns[v.PULSE_WIDTH])
    )
    name = "ideal_charge" if model == "ideal" else "simulated_charge"
    return patterns[v.CHARGE].rename("measured_charge"), judged.rename(name)


def _patterns(source: Source, choices: Choices) -> xr.Dataset:
    measurement = source.measurement
    # A file whose patterns are not divided has them all judged.
    split = choices.split or (v.TEST if v.SPLIT in measurement.coords else None)
    weight_set = source.weight_set(choices.weight_set)
    return select_patterns(measurement, weight_set=weight_set, split=split)


def _effects(source: Source, choices: Choices) -> Any:
    patterns = _patterns(source, choices)
    table = effect_contributions(
        source.chip(choices.weight_set),
        patterns[v.PULSE_WIDTH],
        measured_charge=patterns[v.CHARGE],
    )
    return error.effect_bars(table, ser="ser_of_model")


_CHOSEN = ("weight_set", "split")
ENTRIES = (
    Entry(
        "charges",
        "charge of a model against the measured one",
        "measurement",
        one_source(lambda source, choices: error.charge_scatter(*_charges(source, choices))),
        (*_CHOSEN, "model"),
    ),
    Entry(
        "errors",
        "error of a model's charge over the charge",
        "measurement",
        one_source(lambda source, choices: error.error_scatter(*_charges(source, choices))),
        (*_CHOSEN, "model"),
    ),
    Entry(
        "error-by-bit-line",
        "relative error of every bit line",
        "measurement",
        one_source(
            lambda source, choices: error.bit_line_bars(
                error_by_bit_line(*_charges(source, choices))
            )
        ),
        (*_CHOSEN, "model"),
    ),
    Entry(
        "error-by-kind",
        "SER of every kind of pattern",
        "measurement",
        one_source(
            lambda source, choices: error.kind_bars(error_by_kind(*_charges(source, choices)))
        ),
        (*_CHOSEN, "model"),
    ),
    Entry(
        "effects",
        "how much of the error every effect explains",
        "measurement",
        one_source(_effects),
        _CHOSEN,
    ),
    Entry(
        "residuals",
        "error of every pattern on each bit line",
        "measurement",
        one_source(lambda source, choices: residual_map(*_charges(source, choices))),
        (*_CHOSEN, "model"),
    ),
)
