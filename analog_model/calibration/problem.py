"""Problem of one calibration: what is measured, on which layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.cells import fit_cells
from analog_model.calibration.checkpoint import Checkpoint, arrays_of, fit_of, key_of
from analog_model.calibration.departures import Spread
from analog_model.calibration.fit import Fit, fit_shared
from analog_model.calibration.observations import (
    GROSS,
    Observations,
    ReadNoise,
    full_scale,
    observe,
)
from analog_model.calibration.parameters import Reference, SharedParameters, shared_parameters
from analog_model.calibration.reads import OneHotReads, one_hot_reads
from analog_model.calibration.rungs import Rung
from analog_model.chip import Layout

# Weight of a reading that is grossly wrong.
MISTRUST = 1e-12
# Pulse widths that differ by less than this part are one.
ALIKE = 1e-6


@dataclass(frozen=True)
class Problem:
    """Observations and reads of one weight set, with the scales and places of the array."""

    measurement: xr.Dataset
    observations: Observations
    reads: OneHotReads
    layout: Layout
    reference: Reference
    pitches: np.ndarray
    checkpoint: Checkpoint | None = None

    @cached_property
    def trust(self) -> np.ndarray:
        """Trust (V, M) in every reading before any fit, 1 or next to nothing."""
        return trust_of(self.observations, self.reads)

    def parameters(self, rung: Rung) -> SharedParameters:
        """Parameters of a rung, without those that one-hot reads alone could not show.

        What one cell's current drops on its way belongs to its read. A dead time shows only
        between pulse widths: in reads of one width it is a factor on all charges, and the
        instruments of charge and current may differ by one.
        """
        width = self.observations.pulse_width
        high = width > 0
        if (high.sum(axis=1) <= 1).all():
            one_width = not high.any() or np.ptp(width[high]) < ALIKE * width.max()
            rung = rung.replace(losses=(), dead_time=rung.dead_time and not one_width)
        return shared_parameters(rung, self.layout, self.reference, self.pitches)

    def fit(
        self, rung: Rung, *, influence: np.ndarray | None = None, near: Fit | None = None
    ) -> Fit:
        """Shared parameters of a rung, cells frozen; `near` is a fit to start from."""
        parameters = self.parameters(rung)
        start = parameters.start()
        # Without a sign of where the cells' inversion sets in, its fit may have run off to
        # where nothing depends on it any more: no place to start from.
        if near is not None and not near.lost("specific_current"):
            known = dict(zip(near.parameters.names, near.vector, strict=True))
            start = np.array(
                [
                    known.get(name, begin)
                    for name, begin in zip(parameters.names, start, strict=True)
                ]
            )

        def make() -> Fit:
            return fit_shared(
                parameters,
                self.reads,
                self.observations,
                influence=influence,
                trust=self.trust,
                start=start,
            )

        if self.checkpoint is None:
            return make()
        key = key_of("shared", parameters, self.reads, self.observations, influence, start)
        return fit_of(parameters, self.checkpoint.arrays(key, lambda: arrays_of(make())))

    def fit_cells(self, shared: Fit, rung: Rung) -> tuple[Fit, Spread]:
        """The rung with free cells, begun from the `shared` fit of the same parameters."""
        parameters = self.parameters(rung)
        begin = replace(shared, parameters=parameters)

        def make() -> tuple[Fit, Spread]:
            return fit_cells(begin, self.reads, self.observations)

        if self.checkpoint is None:
            return make()

        def arrays() -> dict[str, np.ndarray]:
            fit, spread = make()
            return arrays_of(fit) | {"spread": np.array([spread.weights, spread.kappa])}

        begun = arrays_of(begin).values()
        key = key_of("cells", parameters, self.reads, self.observations, *begun)
        found = self.checkpoint.arrays(key, arrays)
        return fit_of(parameters, found), Spread(*found["spread"].tolist())


def trust_of(observations: Observations, reads: OneHotReads) -> np.ndarray:
    """Trust (V, M) in every reading before any fit.

    A pattern whose total charge is off from the ideal product by more than `GROSS` times
    what is usual among the patterns, by more than half itself, is a mistake of the
    measurement. It must not even begin a fit: from there robust weights may not find back.
    """
    ideal = (observations.pulse_width @ reads.current).sum(axis=1)
    total = observations.charge.sum(axis=1)
    lit = ideal > 0
    trust = np.ones_like(observations.charge)
    if lit.any():
        ratio = total[lit] / ideal[lit]
        centre = np.median(ratio)
        off = np.abs(ratio - centre)
        wrong = off > max(GROSS * float(np.quantile(off, 0.9)), 0.5 * abs(centre))
        trust[np.flatnonzero(lit)[wrong]] = MISTRUST
    return trust


def problem_of(
    measurement: xr.Dataset,
    weight_set: int,
    layout: Layout,
    noise: ReadNoise | None,
    checkpoint: Checkpoint | None = None,
) -> Problem:
    """The calibration problem that a measurement poses; DataError without patterns."""
    observations = observe(measurement, weight_set=weight_set, noise=noise)
    reads = one_hot_reads(measurement, weight_set=weight_set)
    reference = Reference(
        current=float(reads.current.max()),
        width=float(observations.pulse_width.max()),
        charge=full_scale(measurement),
    )
    segments = measurement.get(v.SEGMENTS_TO_SENSE)
    pitches = np.arange(1.0, layout.n_word_lines + 1.0)
    if segments is not None:
        pitches = segments.values.astype(float)
    return Problem(measurement, observations, reads, layout, reference, pitches, checkpoint)
