"""Result of a benchmark as a labelled dataset."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr

from analog_model.benchmark.accuracy import Accuracy
from analog_model.benchmark.cases import Case
from analog_model.version import __version__

SCHEMA = "analog-model/benchmark/1"

# Sides of a comparison.
TORCH, ANALOG = "torch", "analog"
TORCH_COMPILED, ANALOG_COMPILED = "torch compiled", "analog compiled"
SLOTS = "slots"
SIDES = (TORCH, ANALOG, TORCH_COMPILED, ANALOG_COMPILED, SLOTS)

# Which sides a ratio compares.
EAGER, COMPILED, BEST, EXACT = "eager", "compiled", "best", "slots"


@dataclass
class Measured:
    """What was measured of one case: seconds (round,) and peak bytes of each side."""

    case: Case
    accuracy: Accuracy
    seconds: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)


def dataset(
    found: Sequence[Measured], *, compiler: str | None, load: float, memory_budget: float = 1.0
) -> xr.Dataset:
    """Dataset of all cases; a row is one measure of one case.

    `compiler` is the compiler behind torch.compile, None where there was none; `load` the
    load average before the benchmark; `memory_budget` as in `run`.
    """
    rows = [(one, measure) for one in found for measure in one.seconds]
    n_rounds = max(taken.size for one, measure in rows for taken in one.seconds[measure].values())
    seconds = np.full((len(rows), len(SIDES), n_rounds), np.nan)
    memory = np.full((len(rows), len(SIDES)), np.nan)
    for row, (one, measure) in enumerate(rows):
        for side, taken in one.seconds[measure].items():
            seconds[row, SIDES.index(side), : taken.size] = taken
        if measure == list(one.seconds)[-1]:
            for side, peak in one.memory.items():
                memory[row, SIDES.index(side)] = peak
    limits = np.array([one.case.measures[measure] or (np.nan, np.nan) for one, measure in rows])
    figures = np.array(
        [(one.accuracy.error, one.accuracy.crosstalk, one.accuracy.drop) for one, _ in rows]
    )
    unitless, row_of = {"units": "1"}, "row"
    result = xr.Dataset(
        {
            "time": ((row_of, "side", "round"), seconds, {"units": "s"}),
            "peak_memory": ((row_of, "side"), memory, {"units": "byte"}),
            "required": (row_of, limits[:, 0], unitless),
            "aim": (row_of, limits[:, 1], unitless),
            "error": (row_of, figures[:, 0], {**unitless, "long_name": "closed form vs slots"}),
            "crosstalk": (row_of, figures[:, 1], unitless),
            "drop": (row_of, figures[:, 2], unitless),
        },
        coords={
            "case": (row_of, [one.case.name for one, _ in rows]),
            "title": (row_of, [one.case.title for one, _ in rows]),
            "measure": (row_of, [measure for _, measure in rows]),
            "side": list(SIDES),
        },
        attrs={
            "schema": SCHEMA,
            "compiler": compiler or "",
            "memory_budget": memory_budget,
            **_machine(load),
        },
    )
    return result.merge(_summary(result)).assign_attrs(result.attrs)


def _summary(result: xr.Dataset) -> xr.Dataset:
    """Median time, its quartiles, ratios to plain torch, memory over plain torch's."""
    # Sides that were not measured stay NaN, of which NumPy would warn.
    measured = result["time"].notnull().any("round")
    known = result["time"].where(measured, 0.0)
    quartiles = known.quantile([0.25, 0.5, 0.75], dim="round", skipna=True).where(measured)
    median = quartiles.sel(quantile=0.5, drop=True)
    side = {name: median.sel(side=name, drop=True) for name in SIDES}

    def best(plain: str, compiled: str) -> xr.DataArray:
        return xr.concat([side[plain], side[compiled]], dim="side").min("side", skipna=True)

    ratio = xr.concat(
        [
            side[ANALOG] / side[TORCH],
            side[ANALOG_COMPILED] / side[TORCH_COMPILED],
            best(ANALOG, ANALOG_COMPILED) / best(TORCH, TORCH_COMPILED),
            side[SLOTS] / side[TORCH],
        ],
        dim="comparison",
    )
    memory = result["peak_memory"]
    compiled = memory.sel(side=ANALOG_COMPILED, drop=True) / memory.sel(
        side=TORCH_COMPILED, drop=True
    )
    more = memory.sel(side=ANALOG, drop=True) / memory.sel(side=TORCH, drop=True)
    spread = quartiles.sel(quantile=0.75, drop=True) - quartiles.sel(quantile=0.25, drop=True)
    return xr.Dataset(
        {
            "median_time": median.assign_attrs(units="s"),
            "interquartile_range": spread.assign_attrs(units="s"),
            "ratio": ratio.assign_attrs(units="1", long_name="time over plain torch's"),
            "memory_ratio": xr.concat([more, compiled], dim="mode").assign_attrs(units="1"),
        },
        coords={
            "comparison": [EAGER, COMPILED, BEST, EXACT],
            "mode": [EAGER, COMPILED],
        },
    )


def _machine(load: float) -> dict[str, str | float | int]:
    return {
        "analog_model": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "n_cores": os.cpu_count() or 0,
        "n_threads": torch.get_num_threads(),
        "load_average": load,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
