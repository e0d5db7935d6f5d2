"""Source of a figure: what one file holds, asked for what a figure needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import xarray as xr

from analog_model.calibration.result import Calibration
from analog_model.chip import Chip
from analog_model.deployment.result import Deployment
from analog_model.errors import ConfigurationError
from analog_model.extraction_comparison import compare_extractions, extraction_effort
from analog_model.first_estimate import starting_chip

Content = Calibration | Chip | Deployment | xr.Dataset


class Need(NamedTuple):
    """What a figure may need: words for it, the kinds of source that offer it, how to get one."""

    words: str
    offered_by: tuple[str, ...]
    advice: str


NEEDS = {
    "calibration": Need(
        "a calibration",
        ("calibration",),
        "`analog-model calibrate` writes one from a measurement.",
    ),
    "measurement": Need(
        "a measurement or a calibration",
        ("measurement", "calibration"),
        "`analog-model import` makes a measurement from CSV.",
    ),
    "chip": Need(
        "a chip, a measurement or a calibration",
        ("chip", "measurement", "calibration"),
        "`analog-model calibrate` writes a chip as YAML.",
    ),
    "layout": Need(
        "a layout map, a chip, a measurement or a calibration",
        ("layout", "chip", "measurement", "calibration"),
        "`analog-model info` says what a file holds.",
    ),
    "record": Need(
        "records of training runs",
        ("record",),
        "`analog-model train` leaves one as record.nc in its run's folder.",
    ),
    "accuracy": Need(
        "records of training runs or the file of the results",
        ("record", "recovery"),
        "`analog-model train` leaves record.nc in its run's folder, `analog-model results` "
        "writes recovery.nc.",
    ),
    "deployment": Need(
        "a deployment",
        ("deployment",),
        "`analog-model deploy` writes one.",
    ),
    "sweep": Need(
        "a sweep",
        ("sweep",),
        "`am.save_sweep(am.sweep(chip, over=...), path)` writes one.",
    ),
}


@dataclass(frozen=True)
class Source:
    """One file's content: its `kind` is a key of NEEDS.

    Expensive results are kept, so that several figures of one file share them.
    """

    name: str
    kind: str
    content: Content

    def require(self, need: str, *, figure: str) -> None:
        """Raise ConfigurationError unless a figure that needs this can be made from it."""
        if not self.offers(need):
            raise ConfigurationError(
                f"figure {figure!r} from {self.name}",
                expected=NEEDS[need].words,
                got=f"a {self.kind}",
                advice=NEEDS[need].advice,
            )

    def offers(self, need: str) -> bool:
        """Whether a figure that needs this can be made from it."""
        return self.kind in NEEDS[need].offered_by

    @property
    def calibration(self) -> Calibration:
        assert isinstance(self.content, Calibration)
        return self.content

    @property
    def dataset(self) -> xr.Dataset:
        """The file's own Dataset: a measurement, a layout map, a record, a sweep."""
        assert isinstance(self.content, xr.Dataset)
        return self.content

    @property
    def deployment(self) -> Deployment:
        assert isinstance(self.content, Deployment)
        return self.content

    @property
    def measurement(self) -> xr.Dataset:
        """The measurement, also the one that a calibration was made from."""
        return self.calibration.measurement if self.kind == "calibration" else self.dataset

    def chip(self, weight_set: int | None) -> Chip:
        """The chip: as described, as calibrated, else as first estimated from a measurement."""
        if isinstance(self.content, Chip):
            return self.content
        if isinstance(self.content, Calibration):
            return self._calibrated_chip(self.content, weight_set)
        return starting_chip(self.dataset, weight_set=weight_set or 0)

    def weight_set(self, asked: int | None) -> int:
        """The weight set asked for, else that of the calibration, else the first."""
        if asked is None and isinstance(self.content, Calibration):
            return self.content.weight_set
        return asked or 0

    @cached_property
    def report(self) -> xr.Dataset:
        """SER of every model of the calibration."""
        return self.calibration.report()

    @cached_property
    def comparison(self) -> xr.Dataset:
        """Extraction methods judged on held-out patterns."""
        found = self.calibration
        return compare_extractions(
            found.measurement, weight_set=found.weight_set, calibration=found
        )

    @cached_property
    def effort(self) -> xr.Dataset:
        """SER of extracted weights against the number of measurements."""
        return extraction_effort(
            self.calibration.measurement, weight_set=self.calibration.weight_set
        )

    def _calibrated_chip(self, found: Calibration, weight_set: int | None) -> Chip:
        if weight_set is None or weight_set == found.weight_set:
            return found.chip
        raise ConfigurationError(
            f"weight set of {self.name}",
            expected=f"{found.weight_set}, which it calibrates",
            got=str(weight_set),
        )
