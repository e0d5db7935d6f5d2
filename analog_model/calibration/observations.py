"""Observations: the patterns a calibration may learn from, with their read noise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr

from analog_model import vocabulary as v
from analog_model.errors import DataError
from analog_model.physics.encoding import pulse_start

# No array answers one pattern with this many times the current of nine tenths of the others.
GROSS = 3.0

_NUMBER = r"([0-9.]+(?:[eE][-+]?[0-9]+)?)"
_NOISE = re.compile(rf"^sigma = hypot\({_NUMBER}\*max\(charge\), {_NUMBER}\*charge\)$")


@dataclass(frozen=True)
class ReadNoise:
    """Standard deviation of a charge reading, hypot(of_full_scale max(Q), of_reading Q)."""

    of_full_scale: float
    of_reading: float

    def of(self, charge: np.ndarray, largest: float) -> np.ndarray:
        """Standard deviation [C] of every reading in `charge`."""
        return np.hypot(self.of_full_scale * largest, self.of_reading * charge)


@dataclass(frozen=True)
class Observations:
    """Patterns of one weight set.

    `pulse_width`, `start` (V, N) [s]; `charge`, `sigma` (V, M) [C]; `label` (V,) of the
    patterns; `noise_known` is False when `sigma` is only a common scale.
    """

    pulse_width: np.ndarray
    start: np.ndarray
    charge: np.ndarray
    sigma: np.ndarray
    label: np.ndarray
    kind: np.ndarray
    noise_known: bool

    @property
    def n_patterns(self) -> int:
        """How many patterns there are."""
        return int(self.pulse_width.shape[0])

    def chosen(self, place: np.ndarray | slice) -> Observations:
        """The patterns at `place` alone."""
        names = ("pulse_width", "start", "charge", "sigma", "label", "kind")
        return replace(self, **{name: getattr(self, name)[place] for name in names})


def read_noise(measurement: xr.Dataset) -> ReadNoise | None:
    """Read noise as the file's attribute `noise` states it; None where it says nothing.

    The attribute reads `sigma = hypot(A*max(charge), B*charge)`; any other text is an error
    rather than a guess.
    """
    text = measurement.attrs.get("noise")
    if text is None:
        return None
    match = _NOISE.match(str(text).strip())
    if match is None:
        raise DataError(
            "attribute noise",
            expected="'sigma = hypot(A*max(charge), B*charge)' with two numbers",
            got=repr(text),
            advice="Correct or remove the attribute, or pass read_noise.",
        )
    return ReadNoise(float(match[1]), float(match[2]))


def choose(measurement: xr.Dataset, *, split: str | None, weight_set: int) -> xr.Dataset:
    """Patterns of one split and weight set; a file without these labels is all of both."""
    keep = np.ones(measurement.sizes[v.PATTERN], dtype=bool)
    if split is not None and v.SPLIT in measurement.coords:
        keep &= measurement[v.SPLIT].values == split
    if v.WEIGHT_SET_OF_PATTERN in measurement.coords:
        keep &= measurement[v.WEIGHT_SET_OF_PATTERN].values == weight_set
    return measurement.isel({v.PATTERN: keep})


def starts(pulse_width: np.ndarray, alignment: str) -> np.ndarray:
    """Start [s] of every pulse under the measurement's alignment."""
    if alignment == "staggered":
        raise DataError(
            "attribute alignment",
            expected="leading, trailing or centred",
            got="'staggered', whose delays the schema does not hold",
            advice="Calibrate on patterns with a common edge or centre.",
        )
    return pulse_start(torch.tensor(pulse_width), alignment).numpy()


def full_scale(measurement: xr.Dataset) -> float:
    """Largest charge [C] that read noise is stated relative to.

    Of the calibration patterns, whatever their weight set: a calibration looks at no others.
    A pattern whose current is far above what nearly all show does not set the scale.
    """
    if v.SPLIT in measurement.coords:
        learnt = measurement[v.SPLIT].values == v.CALIBRATION
        measurement = measurement.isel({v.PATTERN: learnt})
    charge = np.abs(measurement[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values)
    time = measurement[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values.sum(axis=1)
    lit = time > 0
    if not lit.any():
        return float(charge.max(initial=0.0))
    current = charge[lit].sum(axis=1) / time[lit]
    usual = current <= GROSS * np.quantile(current, 0.9)
    return float(charge[lit][usual].max(initial=0.0))


def observe(
    measurement: xr.Dataset,
    *,
    split: str | None = v.CALIBRATION,
    weight_set: int = 0,
    noise: ReadNoise | None = None,
) -> Observations:
    """Observations of one weight set; raises DataError when there are none.

    Without a known noise every reading counts alike; `sigma` is then one part in a
    thousand of the largest charge, and fits estimate its true scale.
    """
    chosen = choose(measurement, split=split, weight_set=weight_set)
    if not chosen.sizes[v.PATTERN]:
        raise DataError(
            "measurement",
            expected=f"patterns of split {split!r} under weight set {weight_set}",
            got="none",
            advice="Label some patterns with split 'calibration'.",
        )
    width = chosen[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    charge = chosen[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE).values
    noise = noise or read_noise(measurement)
    largest = full_scale(measurement)
    assumed = noise or ReadNoise(1e-3, 0.0)
    if v.KIND in chosen.coords:
        kind = chosen[v.KIND].values.astype(str)
    else:
        kind = np.full(width.shape[0], "unlabelled")
    return Observations(
        pulse_width=width,
        start=starts(width, str(measurement.attrs.get("alignment", "leading"))),
        charge=charge,
        sigma=assumed.of(charge, largest),
        label=chosen[v.PATTERN].values,
        kind=kind,
        noise_known=noise is not None,
    )
