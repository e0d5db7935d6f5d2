"""Numbers of the calibration page: what a finished calibration says of one selection.

Everything is a pure function of an `Outcome`. Finished calibrations are remembered by the
identity of their measurement, which sessions share: a second tab need not calibrate again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.error_budget import UNNAMED
from analog_model.figures.wording import MODEL_LABELS
from dashboard.calibration_run import Extraction, FittedModel, Outcome

ALL_KINDS = "all"
IDEAL, IDEAL_REFIT, SHARED, FULL = "ideal", "ideal_refit", "shared", "full"
_REMEMBERED = 8


def model_label(name: str) -> str:
    """A model of the ladder as the page names it."""
    return MODEL_LABELS.get(name, name.replace("_", " "))


@dataclass(frozen=True)
class Step:
    """What one model of the ladder explains beyond the one before it.

    `before`, `after` are held-out chi-squares per reading; `share` is the part of the ideal
    product's error energy that the step removes, negative where it adds some.
    """

    name: str
    explains: str
    before: float
    after: float
    share: float


@dataclass(frozen=True, eq=False)
class Selection:
    """Charges of some patterns under one model, as the scatter draws them.

    `charges` holds measured_charge, simulated_charge (pattern, bit_line) [C], pulse_width
    and, where known, standard_deviation.
    """

    charges: xr.Dataset
    model: str
    split: str
    kind: str
    true: str = "measured_charge"
    judged: str = "simulated_charge"

    @property
    def residual(self) -> np.ndarray:
        """Predicted minus measured charge (pattern, bit_line) [C]."""
        return np.asarray((self.charges[self.judged] - self.charges[self.true]).values)

    @property
    def ratio(self) -> float:
        """SER of the model on these patterns."""
        return am.signal_to_error_ratio(self.charges[self.true], self.charges[self.judged])


def fitted_models(outcome: Outcome) -> list[FittedModel]:
    """Models of a finished ladder without SER, as they came while it ran."""
    ladder = outcome.calibration.ladder
    return [
        FittedModel(
            name=str(name),
            explains=str(ladder["explains"].sel(model=name).item()),
            ratio=float("nan"),
            chi_square=float(ladder["held_out_chi_square"].sel(model=name)),
            n_parameters=int(ladder["n_parameters"].sel(model=name)),
        )
        for name in ladder["model"].values
    ]


def steps(models: Iterable[FittedModel]) -> list[Step]:
    """Every effect's step down from the ideal product with its reads to the full model.

    The refitted ideal product stands aside: no other model begins from it. The full model
    begins from the chosen one, where that is known, rather than from the richest.
    """
    listed = list(models)
    chain = [model for model in listed if model.name not in (IDEAL_REFIT, SHARED)]
    chosen = next((model for model in listed if model.name == SHARED), None)
    found = []
    for previous, after in pairwise(chain):
        before = chosen if chosen is not None and after.name == FULL else previous
        removed = before.chi_square - after.chi_square
        found.append(
            Step(
                after.name,
                after.explains,
                before.chi_square,
                after.chi_square,
                removed / chain[0].chi_square,
            )
        )
    return found


def splits_of(outcome: Outcome) -> list[str]:
    """Splits that hold patterns of the calibrated weight set, test first."""
    counts = outcome.report["n_patterns"].sel({v.KIND: ALL_KINDS})
    there = [str(name) for name in counts[v.SPLIT].values if int(counts.sel({v.SPLIT: name}))]
    return sorted(there, key=lambda name: name != v.TEST)


def kinds_of(outcome: Outcome, split: str) -> list[str]:
    """Kinds of pattern that a split holds, all together first."""
    counts = outcome.report["n_patterns"].sel({v.SPLIT: split})
    return [str(name) for name in counts[v.KIND].values if int(counts.sel({v.KIND: name}))]


def selection(outcome: Outcome, *, model: str, split: str, kind: str) -> Selection:
    """Patterns of one split and kind under one model."""
    charges = outcome.charges
    keep = np.ones(charges.sizes[v.PATTERN], dtype=bool)
    if v.SPLIT in charges.coords:
        keep &= charges[v.SPLIT].values == split
    if v.KIND in charges.coords and kind != ALL_KINDS:
        keep &= charges[v.KIND].values == kind
    chosen = charges.isel({v.PATTERN: keep}).sel(model=model, drop=True)
    chosen = chosen.rename(predicted_charge="simulated_charge")
    if v.BIT_LINE not in chosen.coords:
        chosen = chosen.assign_coords({v.BIT_LINE: np.arange(chosen.sizes[v.BIT_LINE])})
    return Selection(chosen, model, split, kind)


def cell_residual(chosen: Selection) -> np.ndarray:
    """Current (word_line, bit_line) [A] that would explain each cell's residual.

    Least squares of residual = pulse_width x current, of shortest solution where patterns
    are fewer than word lines: what an ideal product would book on the single cells.
    """
    width = chosen.charges[v.PULSE_WIDTH].transpose(v.PATTERN, v.WORD_LINE).values
    scale = float(width.max()) or 1.0
    found = np.linalg.lstsq(width / scale, chosen.residual / scale, rcond=1e-6)[0]
    return np.asarray(found)


def kind_residual(chosen: Selection) -> tuple[list[str], np.ndarray, str]:
    """Kinds, rms residual (kind, bit_line), its unit.

    In standard deviations of the read noise where that is known, else relative to the rms
    charge of the same readings.
    """
    charges = chosen.charges
    if v.KIND in charges.coords:
        label = charges[v.KIND].values.astype(str)
        kinds = [kind for kind in v.KINDS if kind in label]
    else:
        kinds, label = [UNNAMED], np.full(charges.sizes[v.PATTERN], UNNAMED)
    known = "standard_deviation" in charges
    residual = chosen.residual
    if known:
        residual = residual / charges["standard_deviation"].values
    rows = []
    for kind in kinds:
        here = label == kind
        level = np.sqrt((residual[here] ** 2).mean(axis=0))
        if not known:
            signal = np.sqrt((charges[chosen.true].values[here] ** 2).mean(axis=0))
            level = level / np.where(signal > 0, signal, np.inf)
        rows.append(level)
    return kinds, np.array(rows), "σ" if known else "signal"


@dataclass(eq=False)
class Finished:
    """A calibration that is done, with the comparison of methods once that is done too."""

    outcome: Outcome
    extraction: Extraction | None = None


class Finishes:
    """The last finished calibrations by measurement, weight set.

    Entries hold their measurement, so an address cannot be reused while its entry lives.
    """

    def __init__(self, size: int = _REMEMBERED) -> None:
        self.size = size
        self._entries: OrderedDict[tuple[int, int], tuple[xr.Dataset, Finished]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, measurement: xr.Dataset | None, weight_set: int) -> Finished | None:
        """What is known of a measurement already."""
        with self._lock:
            entry = self._entries.get((id(measurement), weight_set))
        return None if entry is None else entry[1]

    def keep(self, measurement: xr.Dataset, weight_set: int, finished: Finished) -> None:
        """Remember a calibration; the oldest leaves where there are too many."""
        with self._lock:
            self._entries[id(measurement), weight_set] = (measurement, finished)
            self._entries.move_to_end((id(measurement), weight_set))
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)


finishes = Finishes()
