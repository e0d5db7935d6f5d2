"""Result of a calibration: chip, parameters, how well they predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.fit import Fit
from analog_model.calibration.observations import ReadNoise, choose, full_scale, read_noise
from analog_model.calibration.parameters import SCALARS, UNITS
from analog_model.calibration.selection import SIGNIFICANT, held_out
from analog_model.chip import Chip
from analog_model.metrics import decibel, signal_to_error_ratio
from analog_model.simulation import simulate

NORMAL_95 = 1.959964


def _status(fit: Fit, place: int) -> str:
    if not fit.seen[place] or not np.isfinite(fit.error[place]):
        return "not identified"
    if abs(fit.vector[place]) < SIGNIFICANT * fit.error[place]:
        # gamma = 0 is weak inversion: any specific current that is large enough will do.
        weak = fit.parameters.names[place] == "specific_current"
        return "not identified" if weak else "consistent with zero"
    return "identified"


def _interval(fit: Fit) -> np.ndarray:
    """95 % interval (size, 2) in SI, transformed from the internal coordinates.

    gamma = sqrt(I_ref / I_S) may reach 0, where I_S has no upper end.
    """
    margin = NORMAL_95 * fit.error
    low, high = fit.vector - margin, fit.vector + margin
    first, _ = fit.parameters.to_si(low, fit.error)
    last, _ = fit.parameters.to_si(high, fit.error)
    for place, name in enumerate(fit.parameters.names):
        if name == "specific_current":
            first[place], last[place] = last[place], np.inf if low[place] <= 0 else first[place]
        elif name in fit.parameters.scalars:
            first[place] = max(first[place], 0.0)
    return np.stack([first, last], axis=1)


def _own_parameters(fit: Fit) -> xr.Dataset:
    """`parameter_table` of one fit."""
    value, error = fit.parameters.to_si(fit.vector, fit.error)
    status = np.array([_status(fit, place) for place in range(fit.parameters.size)], dtype=str)
    unknown = status == "not identified"
    spread = np.where(np.isfinite(fit.error) & (fit.error > 0), fit.error, np.nan)
    names = np.array(fit.parameters.names, dtype=str)
    units = [UNITS[name.split("[")[0]] for name in fit.parameters.names]
    unseen = ~np.isfinite(spread)[:, None]
    return xr.Dataset(
        {
            "value": ("parameter", np.where(unknown, np.nan, value)),
            "standard_error": ("parameter", np.where(unknown, np.nan, error)),
            "interval": (("parameter", "bound"), np.where(unseen, np.nan, _interval(fit))),
            "unit": ("parameter", np.array(units, dtype=str)),
            "status": ("parameter", status),
            "correlation": (
                ("parameter", "other_parameter"),
                fit.covariance / np.outer(spread, spread),
            ),
        },
        coords={"parameter": names, "other_parameter": names, "bound": ["lower", "upper"]},
    )


def parameter_table(fit: Fit, *, richest: Fit | None = None) -> xr.Dataset:
    """Dataset of every shared parameter.

    value, standard_error, interval (95 %), unit, status; correlation between them.
    A parameter that the patterns do not depend on is NaN and "not identified"; so is the
    specific current of cells without a sign of strong inversion, whose interval still says
    how large it is at least. With the `richest` rung given, scalars that `fit` does without,
    kappas where `fit` has none, are appended as not identified, with the interval that the
    richest leaves them.
    """
    own = _own_parameters(fit)
    if richest is None:
        return own
    kappas = () if fit.parameters.kappa_names else richest.parameters.names
    wanted = dict.fromkeys([*kappas, *richest.parameters.scalars, *SCALARS])
    extra = [name for name in wanted if name not in fit.parameters.names]
    if not extra:
        return own
    names = [*fit.parameters.names, *extra]
    interval = _own_parameters(richest)["interval"].reindex(parameter=extra)
    units = [UNITS[name.split("[")[0]] for name in extra]
    table = own.reindex(parameter=names, other_parameter=names)
    row = ("parameter", "bound")
    both = np.concatenate([own["interval"].values.reshape(-1, 2), interval.values])
    return table.assign(
        interval=(row, both),
        unit=("parameter", np.array([*own["unit"].values, *units])),
        status=("parameter", np.array([*own["status"].values, *["not identified"] * len(extra)])),
    )


@dataclass(frozen=True)
class Calibration:
    """What a measurement says of its chip.

    `chip`: the calibrated chip, single cells included; `with_weights` carries it to other
    weights. `shared_chip`: the same without what single cells were found to add. `chips`:
    the chip of every model of the ladder, by name. `parameters`, `ladder`, `cells`:
    Datasets. `outlier_patterns`, `dead_cells` name what was held back or does not work;
    `notes` say what was assumed.
    """

    chip: Chip
    shared_chip: Chip
    chips: Mapping[str, Chip]
    parameters: xr.Dataset
    ladder: xr.Dataset
    cells: xr.Dataset
    measurement: xr.Dataset
    weight_set: int
    outlier_patterns: tuple[str, ...]
    dead_cells: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    noise: ReadNoise | None = None

    def report(self) -> xr.Dataset:
        """SER of every model by kind of pattern and split.

        Dimensions model, kind ("all" first), split; variables signal_to_error_ratio,
        decibel, chi_square per reading (NaN without known noise), ceiling (the SER that
        read noise allows), n_patterns. Combinations the measurement lacks are NaN. The
        test split was used for nothing but this.
        """
        return model_report(self.chips, self.measurement, self.weight_set, self.noise)


def model_report(
    chips: Mapping[str, Chip],
    measurement: xr.Dataset,
    weight_set: int,
    noise: ReadNoise | None = None,
) -> xr.Dataset:
    """SER of several chips on one weight set of a measurement; see `Calibration.report`."""
    chosen = choose(measurement, split=None, weight_set=weight_set)
    measured = chosen[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE)
    n_patterns = chosen.sizes[v.PATTERN]
    kind = chosen[v.KIND].values.astype(str) if v.KIND in chosen.coords else None
    split = chosen[v.SPLIT].values.astype(str) if v.SPLIT in chosen.coords else None
    kinds = ["all", *(k for k in v.KINDS if kind is not None and k in kind)]
    splits = [s for s in v.SPLITS if split is None or s in split]
    if split is None:
        splits = splits[:1]
    noise = noise or read_noise(measurement)
    largest = full_scale(measurement)
    shape = (len(chips), len(kinds), len(splits))
    names = ("signal_to_error_ratio", "decibel", "chi_square", "ceiling")
    values = {name: np.full(shape, np.nan) for name in names}
    counts = np.zeros(shape[1:], dtype=int)
    predictions = [simulate(chip, chosen[v.PULSE_WIDTH]).values for chip in chips.values()]
    for a, kind_name in enumerate(kinds):
        for b, split_name in enumerate(splits):
            here = np.ones(n_patterns, dtype=bool)
            if kind is not None and kind_name != "all":
                here &= kind == kind_name
            if split is not None:
                here &= split == split_name
            counts[a, b] = here.sum()
            if not here.any():
                continue
            signal = measured.values[here]
            sigma = None if noise is None else noise.of(signal, largest)
            for c, predicted in enumerate(predictions):
                ratio = signal_to_error_ratio(signal, predicted[here])
                values["signal_to_error_ratio"][c, a, b] = ratio
                values["decibel"][c, a, b] = decibel(ratio)
                if sigma is not None:
                    missed = (signal - predicted[here]) / sigma
                    values["chi_square"][c, a, b] = (missed**2).mean()
                    values["ceiling"][c, a, b] = signal_to_error_ratio(signal, signal - sigma)
    dims = ("model", v.KIND, v.SPLIT)
    return xr.Dataset(
        {name: (dims, array) for name, array in values.items()}
        | {"n_patterns": (dims[1:], counts)},
        coords={"model": list(chips), v.KIND: kinds, v.SPLIT: splits},
        attrs={"weight_set": weight_set, "chip": str(measurement.attrs.get("chip", ""))},
    )


def ladder_table(fits: Mapping[str, Fit], chosen: str) -> xr.Dataset:
    """Held-out chi-square, number of parameters and what it explains, of every model."""
    return xr.Dataset(
        {
            "held_out_chi_square": ("model", [held_out(fit).mean for fit in fits.values()]),
            "dispersion": ("model", [fit.dispersion for fit in fits.values()]),
            "n_parameters": ("model", [int(fit.seen.sum()) for fit in fits.values()]),
            "explains": (
                "model",
                np.array([fit.parameters.rung.explains for fit in fits.values()], dtype=str),
            ),
        },
        coords={"model": list(fits)},
        attrs={"chosen": chosen},
    )
