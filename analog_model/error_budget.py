"""Error of predicted charge, divided by bit line, kind of pattern or effect.

SER = rms(signal) / rms(error) throughout (see `metrics`). Each function groups by split by
itself, so calibration patterns never enter a figure about test patterns, nor the reverse;
patterns of different weight sets are refused, because one chip holds one set of weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.errors import ConfigurationError, DataError, nearest_name
from analog_model.metrics import signal_to_error_ratio
from analog_model.simulation import simulate

# The one group of patterns that no file divided into calibration and test.
UNDIVIDED = "undivided"
# Patterns that no file gave a kind.
UNNAMED = "unnamed"

CASE = "case"
SWITCHED = "switched"
WAYS = ("alone", "cumulative")


def select_patterns(
    measurement: xr.Dataset, *, weight_set: int = 0, split: str | None = None
) -> xr.Dataset:
    """Patterns measured with one weight set on the chip, of one split if it is named.

    A file without weight sets has one, number 0; one without splits has no patterns of
    either. Raises DataError when no pattern is left.
    """
    n_patterns = measurement.sizes[v.PATTERN]
    sets = _labels(measurement, v.WEIGHT_SET_OF_PATTERN, 0)
    chosen = sets == weight_set
    if split is not None:
        if split not in v.SPLITS:
            raise ConfigurationError(
                v.SPLIT, expected="a split", got=repr(split), advice=nearest_name(split, v.SPLITS)
            )
        chosen &= _labels(measurement, v.SPLIT, UNDIVIDED) == split
    if not chosen.any():
        what = f"a {split} pattern" if split else "a pattern"
        raise DataError(
            f"patterns of weight set {weight_set}",
            expected=f"at least {what}",
            got=f"none among {n_patterns}",
        )
    return measurement.isel({v.PATTERN: chosen})


def error_by_split(measured: xr.DataArray, predicted: xr.DataArray) -> xr.Dataset:
    """SER of predicted charge over all bit lines, per split.

    Both (pattern, bit_line) [C], the same patterns in the same order. Result over (split):
    n_patterns, rms_signal [C], rms_error [C], signal_to_error_ratio [1].
    """
    signal, model = _pair(measured, predicted)
    groups = list(_splits(signal))
    rows = [_figures(signal.values[chosen], model.values[chosen]) for _, chosen in groups]
    counts = [int(chosen.sum()) for _, chosen in groups]
    return _dataset(rows, (v.SPLIT,), {v.SPLIT: [name for name, _ in groups]}).assign(
        n_patterns=(v.SPLIT, counts)
    )


def error_by_bit_line(measured: xr.DataArray, predicted: xr.DataArray) -> xr.Dataset:
    """SER of predicted charge on each bit line, per split.

    Arguments as in `error_by_split`. Result over (split, bit_line): rms_signal [C],
    rms_error [C], mean_error [C] (predicted minus measured), signal_to_error_ratio [1].
    """
    signal, model = _pair(measured, predicted)
    groups = list(_splits(signal))
    columns = range(signal.sizes[v.BIT_LINE])
    rows = [
        [_figures(signal.values[chosen, i], model.values[chosen, i]) for i in columns]
        for _, chosen in groups
    ]
    names = {v.SPLIT: [name for name, _ in groups], v.BIT_LINE: signal[v.BIT_LINE].values}
    mean = [(model.values[c] - signal.values[c]).mean(axis=0) for _, c in groups]
    dims = (v.SPLIT, v.BIT_LINE)
    return _dataset(rows, dims, names).assign(mean_error=(dims, mean, {"units": "C"}))


def error_by_kind(measured: xr.DataArray, predicted: xr.DataArray) -> xr.Dataset:
    """SER of predicted charge over the patterns of each kind, per split.

    Arguments as in `error_by_split`. Result over (split, kind), kinds in the vocabulary's
    order: n_patterns, and rms_signal [C], rms_error [C], signal_to_error_ratio [1], which
    are NaN where a split has no pattern of the kind.
    """
    signal, model = _pair(measured, predicted)
    groups = list(_splits(signal))
    kind = _labels(signal, v.KIND, UNNAMED)
    kinds = [name for name in (*v.KINDS, UNNAMED) if (kind == name).any()]
    rows, counts = [], []
    for _, chosen in groups:
        parts = [chosen & (kind == name) for name in kinds]
        rows.append([_figures(signal.values[part], model.values[part]) for part in parts])
        counts.append([int(part.sum()) for part in parts])
    names = {v.SPLIT: [name for name, _ in groups], v.KIND: kinds}
    return _dataset(rows, (v.SPLIT, v.KIND), names).assign(n_patterns=((v.SPLIT, v.KIND), counts))


def effect_contributions(
    chip: Chip,
    pulse_width: xr.DataArray,
    *,
    measured_charge: xr.DataArray | None = None,
    ways: Sequence[str] = WAYS,
) -> xr.Dataset:
    """SER of the chip's model with some of its effects on, per split.

    The cases are: "none" (the ideal vector-matrix multiplier), each effect of the chip
    alone ("alone"), the effects up to each one in the order of the vocabulary
    ("cumulative"), all of them ("together"); coordinate `switched` says which of these a
    case is, coordinate `effects` joins the names of what is on with "+".

    `pulse_width` (pattern, word_line) [s] and `measured_charge` (pattern, bit_line) [C]
    carry their split as a coordinate. Result over (split, case):

    - ser_of_ideal [1]: rms(Q_case) / rms(Q_case - Q_ideal) with Q_case simulated with the
      case's effects. How much the effects cost: small where they matter, infinite for none.
    - rms_error_of_ideal [C]: rms(Q_case - Q_ideal).
    - ser_of_model [1], only with `measured_charge`: rms(Q_measured) / rms(Q_measured -
      Q_case). How much of the measurement the effects explain: the more, the larger.
    - rms_residual [C], only with `measured_charge`: rms(Q_measured - Q_case).

    SERs do not add up: errors of two effects may cancel, and effects act on each other.
    """
    cases = _cases(chip.effects, ways)
    charges = {on: simulate(chip.with_effects(on), pulse_width) for on in {c[1] for c in cases}}
    groups = list(_splits(pulse_width))
    measured = None if measured_charge is None else _pair(measured_charge, charges[()])[0].values
    figures: dict[str, list[list[float]]] = {}
    for _, chosen in groups:
        ideal = charges[()].values[chosen]
        of_case = [charges[on].values[chosen] for _, on in cases]
        table = {
            "ser_of_ideal": [signal_to_error_ratio(charge, ideal) for charge in of_case],
            "rms_error_of_ideal": [_rms(charge - ideal) for charge in of_case],
        }
        if measured is not None:
            seen = measured[chosen]
            table["ser_of_model"] = [signal_to_error_ratio(seen, charge) for charge in of_case]
            table["rms_residual"] = [_rms(seen - charge) for charge in of_case]
        for name, row in table.items():
            figures.setdefault(name, []).append(row)
    return xr.Dataset(
        {
            name: ((v.SPLIT, CASE), rows, {"units": "C" if name.startswith("rms") else "1"})
            for name, rows in figures.items()
        },
        coords={
            v.SPLIT: [name for name, _ in groups],
            SWITCHED: (CASE, [way for way, _ in cases]),
            "effects": (CASE, ["+".join(on) for _, on in cases]),
        },
        attrs={"chip": chip.name},
    )


def _cases(effects: tuple[str, ...], ways: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """(how they are switched on, effects that are on) of every case."""
    for way in ways:
        if way not in WAYS:
            raise ConfigurationError(
                "ways", expected="a way", got=repr(way), advice=nearest_name(way, WAYS)
            )
    cases: list[tuple[str, tuple[str, ...]]] = [("none", ())]
    if "alone" in ways:
        cases += [("alone", (name,)) for name in effects]
    if "cumulative" in ways:
        cases += [("cumulative", effects[: k + 1]) for k in range(len(effects))]
    return [*cases, ("together", effects)]


def _labels(data: xr.DataArray | xr.Dataset, name: str, missing: str | int) -> np.ndarray:
    """Label of every pattern; `missing` where the data carry none."""
    if name in data.coords:
        return np.asarray(data[name].values)
    return np.full(data.sizes[v.PATTERN], missing)


def _pair(measured: xr.DataArray, predicted: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Both as (pattern, bit_line), once it is certain that they speak of the same patterns."""
    if len(np.unique(_labels(measured, v.WEIGHT_SET_OF_PATTERN, 0))) > 1:
        raise DataError(
            f"{v.WEIGHT_SET_OF_PATTERN} of the measured charge",
            expected="one weight set, the one on the chip",
            got="several",
            advice="Choose with select_patterns(measurement, weight_set=...).",
        )
    signal = measured.transpose(v.PATTERN, v.BIT_LINE)
    model = predicted.transpose(v.PATTERN, v.BIT_LINE)
    if signal.shape != model.shape:
        raise DataError(
            "predicted charge", expected=f"shape {signal.shape}", got=f"shape {model.shape}"
        )
    for dim in (v.PATTERN, v.BIT_LINE):
        if dim in signal.coords and dim in model.coords:
            differs = np.flatnonzero(signal[dim].values != model[dim].values)
            if differs.size:
                raise DataError(
                    f"{dim}[{differs[0]}] of the predicted charge",
                    expected=f"{signal[dim].values[differs[0]]}, as measured",
                    got=str(model[dim].values[differs[0]]),
                )
    return signal, model


def _splits(data: xr.DataArray) -> Iterator[tuple[str, np.ndarray]]:
    """(split, which patterns belong to it) for every split that occurs."""
    split = _labels(data, v.SPLIT, UNDIVIDED)
    for name in (*v.SPLITS, UNDIVIDED):
        if (split == name).any():
            yield name, split == name


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _figures(signal: np.ndarray, model: np.ndarray) -> tuple[float, float, float]:
    """rms of the signal, rms of the error, SER; NaN without values."""
    if not signal.size:
        return np.nan, np.nan, np.nan
    return _rms(signal), _rms(signal - model), signal_to_error_ratio(signal, model)


def _dataset(rows: Sequence[object], dims: tuple[str, ...], names: Mapping[str, Any]) -> xr.Dataset:
    table = np.asarray(rows, dtype=float)
    return xr.Dataset(
        {
            "rms_signal": (dims, table[..., 0], {"units": "C", "long_name": "rms of the charge"}),
            "rms_error": (dims, table[..., 1], {"units": "C", "long_name": "rms of the error"}),
            "signal_to_error_ratio": (dims, table[..., 2], {"units": "1", "long_name": "SER"}),
        },
        coords=names,
    )
