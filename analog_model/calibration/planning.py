"""Plan of the patterns to measure next.

A reading's value lies in what it says of the shared parameters once everything that single
cells could explain is given up. With charge = A x + B theta + noise, x the departures of
one bit line's cells under their prior, each new reading adds d d^T / s to the information
on theta, where d = b - K^T a is what the cells cannot mimic, s = 1 + a^T P a the variance
of the prediction; P, K follow by rank-one updates (recursive least squares). The plan takes
the pattern that raises ln det of the information most, again and again: greedy D-optimal,
within 1 - 1/e of the best gain because ln det is submodular (Nemhauser, Wolsey, Fisher,
Math. Program. 14 (1978) 265).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from analog_model import vocabulary as v
from analog_model.calibration.cells import FIRST_SPREAD, FLOOR
from analog_model.calibration.departures import Spread
from analog_model.calibration.observations import ReadNoise, starts
from analog_model.calibration.parameters import (
    UNITS,
    Reference,
    SharedParameters,
    shared_parameters,
)
from analog_model.calibration.rungs import DROP
from analog_model.chip import EKV, Chip
from analog_model.errors import ConfigurationError
from analog_model.physics.jacobian import charge_jacobian

USUAL_SPREAD = Spread(**FIRST_SPREAD)
# Standard deviation of every shared parameter before the data, in internal coordinates,
# which are of order one.
PRIOR = 1.0


@dataclass(frozen=True)
class _Readings:
    """What readings of V patterns tell, in units of their noise.

    `local` (V, M, L) derivatives by the departures of a bit line's cells, those in units of
    their prior; `shared` (V, M, G) by the shared parameters.
    """

    local: np.ndarray
    shared: np.ndarray


@dataclass
class _Knowledge:
    """What is known after some readings: `information` (G, G) on the shared parameters.

    `doubt` P (M, L, L) is the covariance of the departures were those known, `mimicry`
    K (M, L, G) how departures answer for them.
    """

    information: np.ndarray
    doubt: np.ndarray
    mimicry: np.ndarray

    @classmethod
    def none(cls, readings: _Readings) -> _Knowledge:
        (_, m, size), n_shared = readings.local.shape, readings.shared.shape[2]
        return cls(
            np.eye(n_shared) / PRIOR**2,
            np.tile(np.eye(size), (m, 1, 1)),
            np.zeros((m, size, n_shared)),
        )

    def news(self, readings: _Readings) -> np.ndarray:
        """What each reading would add, d / sqrt(s) (V, M, G)."""
        mimicked = np.einsum("vil,ilg->vig", readings.local, self.mimicry, optimize=True)
        spread = np.einsum("vil,ilk->vik", readings.local, self.doubt, optimize=True)
        variance = 1 + (spread * readings.local).sum(axis=2)
        return (readings.shared - mimicked) / np.sqrt(variance)[:, :, None]

    def learn(self, local: np.ndarray, shared: np.ndarray) -> None:
        """Take in one pattern's readings (M, L), (M, G)."""
        reach = np.einsum("ilk,ik->il", self.doubt, local)
        variance = 1 + (reach * local).sum(axis=1)
        new = shared - np.einsum("il,ilg->ig", local, self.mimicry)
        self.information += np.einsum("ig,ih,i->gh", new, new, 1 / variance)
        self.mimicry += reach[:, :, None] * (new / variance[:, None])[:, None, :]
        self.doubt -= reach[:, :, None] * (reach / variance[:, None])[:, None, :]


def _parameters_of(chip: Chip, widest: float) -> tuple[SharedParameters, np.ndarray]:
    """The parameters of a calibration of the chip, with their values in the chip."""
    ekv = isinstance(chip.cell_law, EKV)
    reference = Reference(
        current=float(chip.cell_current.max()),
        width=widest,
        charge=float(chip.cell_current.sum(axis=0).max()) * widest,
    )
    rung = DROP.replace(ekv=ekv)
    parameters = shared_parameters(rung, chip.layout, reference, chip.segments_to_sense)
    line, g = chip.bit_line, chip.bit_line.drain_sensitivity
    value = {
        "wire_loss": g * line.wire_resistance,
        "lumped_loss": g * line.lumped_resistance,
        "droop_loss": 0.0 if line.capacitance is None else g / line.capacitance,
        "dead_time": chip.pulse.dead_time,
    }
    vector = np.zeros(parameters.size)
    if chip.coupling is not None:
        aggressor = chip.coupling.aggressors(chip.layout)
        kappa = chip.coupling.kappa_of_cells(chip.layout)
        for k, (_, offset) in enumerate(parameters.kappa_names):
            place = parameters.group[rung.offsets.index(offset)] == k
            # A class has the mean of its cells.
            at = aggressor == np.arange(chip.n_word_lines) + offset
            here = (at[:, :, None] & place[None]).nonzero()
            vector[k] = kappa[here].mean() if here[0].size else 0.0
    for k, name in enumerate(parameters.scalars, start=len(parameters.kappa_names)):
        if name == "specific_current":
            vector[k] = np.sqrt(reference.current / chip.cell_law.specific_current)  # type: ignore[union-attr]
        else:
            vector[k] = value[name] / parameters.unit_of(name)
    return parameters, vector


def _readings(
    chip: Chip, width: np.ndarray, noise: ReadNoise, spread: Spread, widest: float
) -> tuple[_Readings, SharedParameters, np.ndarray]:
    """Derivatives of the readings of patterns (V, N) [s] with the parameters they are by."""
    parameters, vector = _parameters_of(chip, widest)
    start = starts(width, chip.pulse.alignment)
    array = parameters.array(vector, chip.cell_current)
    jacobian = charge_jacobian(array, torch.tensor(width), torch.tensor(start))
    n_vectors, n_bit_lines = jacobian.charge.shape
    largest = parameters.reference.charge
    weight = 1 / noise.of(jacobian.charge.numpy(), largest)
    current = chip.cell_current
    prior = spread.weights * np.hypot(current, FLOOR * current.max())
    by_weight = jacobian.cell_current.numpy() * prior
    kappa = np.abs(parameters.kappa_of_cells(vector))
    kappa_prior = spread.kappa * np.hypot(kappa, FLOOR * max(kappa.max(initial=0.0), 1e-6))
    by_kappa = (jacobian.kappa.numpy() * kappa_prior).reshape(n_vectors, -1, n_bit_lines)
    local = np.concatenate([by_weight, by_kappa], axis=1) * weight[:, None, :]
    shared = parameters.columns(vector, jacobian) * weight[:, :, None]
    return _Readings(local.transpose(0, 2, 1), shared), parameters, vector


def usual_patterns(
    n_word_lines: int, n_patterns: int, widest: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pulse widths (V, N) [s] up to `widest`, kinds (V,): a mixture of the usual kinds.

    A quarter each random, mixed (random widths, half of the lines off), sparse (a quarter
    on, full width), binary (half on).
    """
    kind = np.array(["random", "mixed", "sparse", "binary"])[np.arange(n_patterns) % 4]
    draw = generator.random((n_patterns, n_word_lines))
    on = generator.random((n_patterns, n_word_lines))
    high = np.select(
        [kind == "random", kind == "sparse"], [np.ones(n_patterns), np.full(n_patterns, 0.25)], 0.5
    )
    full = np.isin(kind, ("sparse", "binary"))
    width = np.where(full[:, None], 1.0, draw) * (on < high[:, None])
    return width * widest, kind


def _structured_patterns(n_word_lines: int, widest: float) -> tuple[np.ndarray, np.ndarray]:
    """All single, pair, leave-one-out patterns, all on: widths [s] with kinds."""
    eye = np.eye(n_word_lines)
    blocks = {"single": eye, "all_on": np.ones((1, n_word_lines))}
    if n_word_lines > 1:
        blocks["pair"] = (eye + np.roll(eye, 1, axis=1))[:-1]
    if n_word_lines > 2:
        blocks["leave_one_out"] = 1 - eye
    kind = np.concatenate([np.full(len(block), name) for name, block in blocks.items()])
    return np.concatenate(list(blocks.values())) * widest, kind


def _widest(chip: Chip, widest: float | None) -> float:
    found = widest if widest is not None else chip.pulse.full_scale
    if found is None or not found > 0:
        raise ConfigurationError(
            "widest_pulse",
            expected="a width above 0 s",
            got=str(widest),
            advice="Pass it, or a chip whose pulses have lsb and bits.",
        )
    return float(found)


def _on_grid(width: np.ndarray, lsb: float | None) -> np.ndarray:
    return width if lsb is None else np.round(width / lsb) * lsb


def expected_errors(
    chip: Chip,
    pulse_width: np.ndarray,
    *,
    read_noise: ReadNoise,
    spread: Spread = USUAL_SPREAD,
    widest_pulse: float | None = None,
) -> xr.Dataset:
    """Standard errors that a calibration on patterns (V, N) [s] of such a chip will have.

    value, standard_error, unit (parameter), SI; the attribute log_determinant is the
    D-criterion, ln det of the information in internal coordinates. Linearised at the chip;
    `spread` as `calibrate` reports it of its cells. Errors near the prior's (1 in internal
    coordinates) mean that the patterns see nothing of the parameter.
    """
    widest = _widest(chip, widest_pulse if widest_pulse is not None else float(pulse_width.max()))
    readings, parameters, vector = _readings(chip, pulse_width, read_noise, spread, widest)
    known = _Knowledge.none(readings)
    for local, shared in zip(readings.local, readings.shared, strict=True):
        known.learn(local, shared)
    error = np.sqrt(np.diag(np.linalg.inv(known.information)))
    value, error = parameters.to_si(vector, error)
    return xr.Dataset(
        {
            "value": ("parameter", value),
            "standard_error": ("parameter", error),
            "unit": ("parameter", [UNITS[name.split("[")[0]] for name in parameters.names]),
        },
        coords={"parameter": list(parameters.names)},
        attrs={"log_determinant": float(np.linalg.slogdet(known.information)[1])},
    )


def plan_patterns(
    chip: Chip,
    n_patterns: int,
    *,
    read_noise: ReadNoise,
    spread: Spread = USUAL_SPREAD,
    widest_pulse: float | None = None,
    measured: np.ndarray | None = None,
    candidates: int = 400,
    seed: int = 0,
) -> xr.Dataset:
    """The patterns to measure next on a chip that is guessed to be like `chip`.

    Chosen one by one, with repeats where those tell most, out of all single, pair,
    leave-one-out patterns plus `candidates` drawn ones (see `usual_patterns`), so that the
    shared parameters of a calibration become as certain as possible. `measured` (V, N) [s]
    are patterns that will be known anyway. `widest_pulse` [s] defaults to the full scale of
    the chip's pulses. Of a chip in weak inversion the specific current is not planned for.

    Returns pulse_width (pattern, word_line), kind, split, weight_set_of_pattern: a
    measurement that only lacks its charge, in order of choice; `log_determinant` (pattern)
    is the D-criterion after each.
    """
    widest = _widest(chip, widest_pulse)
    generator = np.random.default_rng(seed)
    drawn, drawn_kind = usual_patterns(chip.n_word_lines, candidates, widest, generator)
    fixed, fixed_kind = _structured_patterns(chip.n_word_lines, widest)
    width = _on_grid(np.concatenate([fixed, drawn]), chip.pulse.lsb)
    kind = np.concatenate([fixed_kind, drawn_kind])
    readings, _, _ = _readings(chip, width, read_noise, spread, widest)
    known = _Knowledge.none(readings)
    if measured is not None:
        before, _, _ = _readings(chip, measured, read_noise, spread, widest)
        for local, shared in zip(before.local, before.shared, strict=True):
            known.learn(local, shared)
    chosen, criterion = [], []
    for _ in range(n_patterns):
        news = known.news(readings)
        inverse = np.linalg.inv(known.information)
        kernel = np.einsum("vig,gh,vjh->vij", news, inverse, news, optimize=True)
        gain = np.linalg.slogdet(np.eye(kernel.shape[1]) + kernel)[1]
        best = int(np.argmax(gain))
        known.learn(readings.local[best], readings.shared[best])
        chosen.append(best)
        criterion.append(float(np.linalg.slogdet(known.information)[1]))
    return xr.Dataset(
        {
            v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), width[chosen], {"units": "s"}),
            "log_determinant": (v.PATTERN, criterion),
        },
        coords={
            v.PATTERN: np.arange(n_patterns),
            v.WORD_LINE: np.arange(chip.n_word_lines),
            v.KIND: (v.PATTERN, kind[chosen]),
            v.SPLIT: (v.PATTERN, np.full(n_patterns, v.CALIBRATION)),
            v.WEIGHT_SET_OF_PATTERN: (v.PATTERN, np.zeros(n_patterns, dtype=int)),
        },
        attrs={"chip": chip.name, "alignment": chip.pulse.alignment},
    )
