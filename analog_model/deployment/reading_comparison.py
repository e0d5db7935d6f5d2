"""Comparison of the ways of reading an array, by the currents that write-verify ends with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.deployment.deploy import TYPICAL_EFFECTS
from analog_model.deployment.reading import READINGS, Bench, with_departures
from analog_model.deployment.result import Deployment
from analog_model.deployment.tables import LAYER_OF_ARRAY
from analog_model.deployment.write_verify import StuckPlaces, WriteVerify, write_array
from analog_model.errors import ConfigurationError
from analog_model.nn.device_fields import field_generator
from analog_model.nn.effects import Effects

READ_NOISES = (1e-4, 1e-3, 3e-3, 1e-2)
_SPECS = {
    "residual": "rms error of the currents at the end, over full scale",
    "reading_error": "rms error of one more reading of the same currents, over full scale",
    "n_outside": "cells that truly are outside the tolerance",
    "n_unreached": "cells that no read found within the tolerance",
    "n_writes": "writes, over all cells",
    "n_reads": "reads of all the array's bit lines at once",
}


def compare_readings(
    deployment: Deployment,
    *,
    array: int = 0,
    effects: Effects = TYPICAL_EFFECTS,
    read_noises: Sequence[float] = READ_NOISES,
    writing: WriteVerify | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """One array of a deployment programmed with every reading at several strengths of noise.

    Dimensions reading, read_noise (standard deviation of one read of a bit line over the
    window, as a share of the full-scale current's charge). All start from the same erased array
    with the same write errors, spend `writing.n_rounds` reads a word line on an estimate. Of
    `effects` counts the programming error and the mismatch of kappa, which no reading knows.
    """
    arrays = deployment.arrays
    if array not in arrays[v.ARRAY].values:
        raise ConfigurationError(
            "compare_readings.array",
            expected=f"0 to {arrays.sizes[v.ARRAY] - 1}",
            got=str(array),
        )
    settings = writing or WriteVerify()
    found: dict[str, list[list[float]]] = {name: [] for name in _SPECS}
    for reading in READINGS:
        rows = [
            _programmed(
                deployment,
                array=array,
                effects=effects,
                read_noise=noise,
                writing=settings.replace(reading=reading),
                seed=seed,
            )
            for noise in read_noises
        ]
        for name, values in found.items():
            values.append([row[name] for row in rows])
    return xr.Dataset(
        {
            name: (("reading", "read_noise"), values, {"long_name": _SPECS[name], "units": "1"})
            for name, values in found.items()
        },
        coords={"reading": list(READINGS), "read_noise": list(read_noises)},
        attrs={"array": array, "seed": seed, "tolerance": settings.tolerance},
    )


def _programmed(
    deployment: Deployment,
    *,
    array: int,
    effects: Effects,
    read_noise: float,
    writing: WriteVerify,
    seed: int,
) -> dict[str, float]:
    one = deployment.arrays.sel({v.ARRAY: array})
    facts = deployment.layers.isel({v.LAYER: int(one[LAYER_OF_ARRAY])})
    unit = float(facts["full_scale_current"])
    target = one[v.TARGET_CURRENT].values / unit
    bench = Bench(
        chip=_manufactured(deployment, effects, seed),
        model=deployment.chip,
        word_lines=np.flatnonzero(one[v.WEIGHT_ROW].values >= 0),
        bit_lines=np.flatnonzero(one[v.SIGN].values),
        window=float(facts["window"]),
        read_noise=read_noise * unit,
        n_rounds=writing.n_rounds,
    )
    nowhere = np.zeros(target.shape, dtype=bool)
    generator = field_generator(seed, f"array {array}", "write_verify")
    written = write_array(
        bench,
        target,
        full_scale_current=unit,
        writing=writing,
        error=effects.programming_error,
        stuck=StuckPlaces(nowhere, nowhere),
        generator=generator,
    )
    missed = (written.share - target)[bench.cells]
    again = READINGS[writing.reading](bench, written.share * unit, generator) / unit
    misread = again - written.share[bench.cells]
    return {
        "residual": float(np.sqrt(np.mean(missed**2))),
        "reading_error": float(np.sqrt(np.mean(misread**2))),
        "n_outside": float((np.abs(missed) > writing.tolerance).sum()),
        "n_unreached": float(written.unreached.sum()),
        "n_writes": float(written.n_writes),
        "n_reads": float(written.n_reads),
    }


def _manufactured(deployment: Deployment, effects: Effects, seed: int) -> Chip:
    chip = deployment.chip
    if effects.kappa_mismatch == 0 or chip.coupling is None:
        return chip
    n_neighbours = len(chip.coupling.aggressors(chip.layout))
    drawn = field_generator(seed, "array", "kappa_deviation").standard_normal(
        (n_neighbours, *chip.layout.layout_class.shape)
    )
    return with_departures(chip, effects.kappa_mismatch * drawn)
