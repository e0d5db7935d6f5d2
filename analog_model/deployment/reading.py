"""Reading of a programmed array: estimates of its cell currents, with noise, by one of five ways.

    single         static reads of each word line alone: the weight by definition
    leave_one_out  all word lines on, less all but one
    regression     random halves of the word lines on, least squares of the ideal product,
                   held to one round of static reads by a ridge
    in_context     as regression, on charges from which what the chip model says of crosstalk
                   and drop was taken, for the currents found so far
    patterns_only  as in_context, for chips that cannot read a word line alone

Every way spends the same number of reads. A static read sees its cell alone, so its error is
noise; but each cell is read in one of N reads, while in a pattern of many word lines it is read
in every second one. With noise that does not grow with the charge this weighs each cell N/4
times as often (Fellgett's advantage, Yates' weighing designs: J. R. Stat. Soc. Suppl. 2 (1935)
181), at the price of needing a model of what the others do to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip, CouplingByCell, CouplingByClass
from analog_model.errors import ConfigurationError
from analog_model.extraction import extract_weights
from analog_model.simulation import simulate

# Rounds of taking off what the chip model says; each shrinks what is left of the error by the
# size of the crosstalk, some percent.
_ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Bench:
    """One array on the test bench.

    `chip` is the array as it is, `model` as it is known to be, both without currents. Only
    `word_lines` are driven, only `bit_lines` read. `window` [s] is the pulse of a pattern,
    `read_noise` [A] the standard deviation of one read over it, as a current; `n_rounds`
    reads are spent on every word line.
    """

    chip: Chip
    model: Chip
    word_lines: np.ndarray
    bit_lines: np.ndarray
    window: float
    read_noise: float
    n_rounds: int

    @property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the cells in use."""
        return self.word_lines[:, None], self.bit_lines[None, :]

    @property
    def n_reads(self) -> int:
        """Reads of all bit lines that one estimate takes."""
        return self.n_rounds * self.word_lines.size


def with_departures(chip: Chip, departure: np.ndarray) -> Chip:
    """The array whose kappas depart (neighbour, word_line, bit_line), relatively, from `chip`'s."""
    coupling = chip.coupling
    if coupling is None:
        return chip
    if not isinstance(coupling, CouplingByClass | CouplingByCell):
        raise ConfigurationError(
            "Effects.kappa_mismatch",
            expected="a chip with coupling by layout class, or by cell",
            got=f"coupling {coupling.kind!r}",
        )
    kappa = coupling.kappa_of_cells(chip.layout) * (1 + departure)
    return chip.replace(coupling=CouplingByCell(offsets=coupling.offsets, kappa=kappa))


def _static_reads(
    bench: Bench, current: np.ndarray, n_rounds: int, generator: np.random.Generator
) -> np.ndarray:
    seen = current[bench.cells]
    return seen + bench.read_noise / np.sqrt(n_rounds) * generator.standard_normal(seen.shape)


def _charges(chip: Chip, bench: Bench, current: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Charge (pattern, bit line in use) that a chip of these currents gives, without noise."""
    width = np.zeros((len(pattern), chip.n_word_lines))
    width[:, bench.word_lines] = bench.window * pattern
    analog = chip.with_effects(set(chip.effects) - {"input_bits"})
    return simulate(analog.with_weights(current), width)[:, bench.bit_lines]


def _noisy(
    bench: Bench, charge: np.ndarray, n_rounds: int, generator: np.random.Generator
) -> np.ndarray:
    deviation = bench.read_noise * bench.window / np.sqrt(n_rounds)
    return charge + deviation * generator.standard_normal(charge.shape)


def _measurement(
    bench: Bench, pattern: np.ndarray, charge: np.ndarray, reads: np.ndarray | None
) -> xr.Dataset:
    measurement = xr.Dataset(
        {
            v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), bench.window * pattern),
            v.CHARGE: ((v.PATTERN, v.BIT_LINE), charge),
        },
        coords={v.PATTERN: np.arange(len(pattern))},
    )
    if reads is not None:
        cells = (v.WEIGHT_SET, v.WORD_LINE, v.BIT_LINE)
        measurement[v.CELL_CURRENT] = (cells, reads[np.newaxis])
    return measurement


def _extracted(measurement: xr.Dataset, method: str) -> np.ndarray:
    return np.asarray(extract_weights(measurement, method)[v.CELL_CURRENT].values)


def _single(bench: Bench, current: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return _static_reads(bench, current, bench.n_rounds, generator)


def _leave_one_out(bench: Bench, current: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    n_lines = bench.word_lines.size
    pattern = np.concatenate((np.ones((1, n_lines)), 1 - np.eye(n_lines)))
    charge = _charges(bench.chip, bench, current, pattern)
    charge = _noisy(bench, charge, bench.n_rounds, generator)
    return _extracted(_measurement(bench, pattern, charge, None), "leave_one_out")


def _halves(
    bench: Bench, current: np.ndarray, n_rounds: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random patterns, each word line on in every second one, with their charges."""
    n_lines = bench.word_lines.size
    pattern = (generator.random((n_rounds * n_lines, n_lines)) < 0.5).astype(float)
    return pattern, _noisy(bench, _charges(bench.chip, bench, current, pattern), 1, generator)


def _regression(bench: Bench, current: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    pattern, charge = _halves(bench, current, bench.n_rounds - 1, generator)
    reads = _static_reads(bench, current, 1, generator)
    return _extracted(_measurement(bench, pattern, charge, reads), "regression")


def _in_context(bench: Bench, current: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    pattern, charge = _halves(bench, current, bench.n_rounds - 1, generator)
    reads = _static_reads(bench, current, 1, generator)
    return _corrected(bench, pattern, charge, reads, np.maximum(reads, 0.0))


def _patterns_only(bench: Bench, current: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    pattern, charge = _halves(bench, current, bench.n_rounds, generator)
    start = _extracted(_measurement(bench, pattern, charge, None), "regression")
    return _corrected(bench, pattern, charge, None, start)


def _corrected(
    bench: Bench,
    pattern: np.ndarray,
    charge: np.ndarray,
    reads: np.ndarray | None,
    start: np.ndarray,
) -> np.ndarray:
    """Currents by regression of what is left of the charges without crosstalk and drop."""
    found = start
    whole = np.zeros(bench.chip.cell_current.shape)
    for _ in range(_ROUNDS):
        whole[bench.cells] = found
        ideal = bench.window * pattern @ found
        beyond = _charges(bench.model, bench, whole, pattern) - ideal
        found = _extracted(_measurement(bench, pattern, charge - beyond, reads), "regression")
    return found


READINGS: Mapping[str, Callable[[Bench, np.ndarray, np.random.Generator], np.ndarray]] = (
    MappingProxyType(
        {
            "single": _single,
            "leave_one_out": _leave_one_out,
            "regression": _regression,
            "in_context": _in_context,
            "patterns_only": _patterns_only,
        }
    )
)
"""Estimated currents [A] of the cells in use, from the array's true ones (N, M) [A]."""
