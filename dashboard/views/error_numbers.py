"""Numbers of the error page, computed by the library.

Pure and cached: what `error_numbers` returns depends on its `Question` only. A chip
without a measurement is asked with a bounded number of seeded random patterns, on a bounded
number of bit lines, so that a 1024 x 1024 array costs about as much as a 64 x 64 one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import Chip, CouplingByClass
from analog_model.error_budget import UNDIVIDED
from analog_model.errors import DataError
from dashboard.compute import IdentityCache
from dashboard.patterns import code_grid

MEASURED, SIMULATED, IDEAL = "measured_charge", "simulated_charge", "ideal_charge"
# What `State.compared` names: the charge taken as true, the charge judged by it.
COMPARISONS = {
    "measured_ideal": (MEASURED, IDEAL),
    "measured_simulated": (MEASURED, SIMULATED),
    "simulated_ideal": (SIMULATED, IDEAL),
}
SEED = 0
MOST_PATTERNS, FEWEST_PATTERNS = 64, 8
# Elements (pattern x time slot x word line x bit line) of one simulation: some 50 ms.
WORKLOAD = 2**22
# Below this an update is fast enough to be made while the browser waits.
LIGHT = 2**21

_cache = IdentityCache(16)


@dataclass(frozen=True, eq=False)
class Question:
    """What the page asks: a chip against a measurement, one split of one weight set."""

    chip: Chip
    measurement: xr.Dataset | None
    weight_set: int
    split: str
    compared: str

    @property
    def comparison(self) -> str:
        """Comparison asked for; the one possible where there is no measurement."""
        return "simulated_ideal" if self.measurement is None else self.compared

    @property
    def work(self) -> int:
        """Elements that one simulation goes through, roughly."""
        patterns = self._patterns()
        n_patterns = MOST_PATTERNS if patterns is None else patterns.sizes[v.PATTERN]
        return n_patterns * _work_of_a_pattern(self.chip)

    @property
    def is_light(self) -> bool:
        """Whether the answer comes without a noticeable wait."""
        return self.work < LIGHT

    def _patterns(self) -> xr.Dataset | None:
        """Measured patterns of the split; all of a file that is not divided."""
        if self.measurement is None:
            return None
        divided = v.SPLIT in self.measurement.coords
        split = self.split if divided else None
        return am.select_patterns(self.measurement, weight_set=self.weight_set, split=split)


@dataclass(frozen=True, eq=False)
class ErrorNumbers:
    """Everything the error page shows.

    `charges` (pattern, bit_line) [C] beside the pulse widths; `total`, `by_bit_line` and
    `by_kind` as `analog_model.error_budget` gives them for the two charges compared;
    `effects` with the effects of the chip alone or together. `split` is a label of the
    file, or "undivided"; `sampling` says what was left out, if anything.
    """

    charges: xr.Dataset
    true: str
    judged: str
    total: xr.Dataset
    by_bit_line: xr.Dataset
    by_kind: xr.Dataset
    effects: xr.Dataset
    split: str
    sampling: str

    @property
    def measured(self) -> bool:
        """Whether the charges were measured rather than simulated only."""
        return MEASURED in self.charges

    def dataset(self) -> xr.Dataset:
        """One Dataset with the charges and every number shown, as it is exported."""
        parts = (
            ("bit_line", self.by_bit_line),
            ("kind", self.by_kind.rename({v.KIND: "pattern_kind"})),
            ("total", self.total),
            ("effects", self.effects),
        )
        joined = self.charges.drop_vars(v.SPLIT, errors="ignore")
        for name, part in parts:
            flat = part.isel({v.SPLIT: 0}, drop=True)
            joined = joined.merge(flat.rename({key: f"{name}_{key}" for key in flat.data_vars}))
        return joined.assign_attrs(
            split=self.split, true=self.true, judged=self.judged, sampling=self.sampling
        )


def error_numbers(question: Question) -> ErrorNumbers:
    """Answer to a question; DataError says why there is none, e.g. no test patterns."""
    key = (question.weight_set, question.split, question.comparison)
    return _cache.get((question.chip, question.measurement), key, lambda: _answer(question))


def _answer(question: Question) -> ErrorNumbers:
    charges, effects, sampling = _simulated(question)
    true, judged = COMPARISONS[question.comparison]
    pair = charges[true], charges[judged]
    total = am.error_by_split(*pair)
    if total.sizes[v.SPLIT] != 1:
        raise DataError("patterns", expected="one split", got=str(total[v.SPLIT].values))
    return ErrorNumbers(
        charges=charges,
        true=true,
        judged=judged,
        total=total,
        by_bit_line=am.error_by_bit_line(*pair),
        by_kind=am.error_by_kind(*pair),
        effects=effects,
        split=str(total[v.SPLIT].values[0]),
        sampling=sampling,
    )


def _simulated(question: Question) -> tuple[xr.Dataset, xr.Dataset, str]:
    """All that is simulated, which does not depend on what is compared."""

    def simulate() -> tuple[xr.Dataset, xr.Dataset, str]:
        charges, chip, sampling = _charges(question)
        effects = am.effect_contributions(
            chip,
            charges[v.PULSE_WIDTH],
            measured_charge=charges.get(MEASURED),
            ways=("alone",),
        )
        return charges, effects, sampling

    key = (question.weight_set, question.split)
    return _cache.get((question.chip, question.measurement), key, simulate)


def _charges(question: Question) -> tuple[xr.Dataset, Chip, str]:
    """Charges of the patterns asked for, with the part of the chip they belong to."""
    patterns = question._patterns()  # noqa: SLF001 - same module
    if patterns is None:
        chip, patterns, sampling = _random_patterns(question.chip)
    else:
        chip, sampling = question.chip, ""
    width = patterns[v.PULSE_WIDTH]
    charges = patterns[[v.PULSE_WIDTH]]
    charges.attrs = {"chip": chip.name, "source": chip.source}
    simulated = {SIMULATED: am.simulate(chip, width), IDEAL: am.ideal_charge(chip, width)}
    for name, charge in simulated.items():
        labelled = charge.assign_coords({v.BIT_LINE: patterns[v.BIT_LINE]})
        charges[name] = labelled.assign_attrs(units="C")
    if v.CHARGE in patterns:
        charges[MEASURED] = patterns[v.CHARGE].transpose(v.PATTERN, v.BIT_LINE)
    return charges, chip, sampling


def _work_of_a_pattern(chip: Chip) -> int:
    n_slots = min(2 * chip.n_word_lines, code_grid(chip).highest + 1)
    return n_slots * chip.n_word_lines * chip.n_bit_lines


def _random_patterns(chip: Chip) -> tuple[Chip, xr.Dataset, str]:
    """Bounded random input of a chip nobody measured, with what of the chip it drives."""
    n_bit_lines = min(chip.n_bit_lines, 64 if chip.n_word_lines <= 128 else 32)
    lines = np.linspace(0, chip.n_bit_lines - 1, n_bit_lines).round().astype(int)
    part = chip if n_bit_lines == chip.n_bit_lines else _with_bit_lines(chip, lines)
    most = WORKLOAD // _work_of_a_pattern(part)
    n_patterns = int(np.clip(most, FEWEST_PATTERNS, MOST_PATTERNS))
    grid = code_grid(chip)
    generator = np.random.default_rng(SEED)
    codes = generator.integers(0, grid.highest + 1, (n_patterns, chip.n_word_lines))
    patterns = xr.Dataset(
        {v.PULSE_WIDTH: ((v.PATTERN, v.WORD_LINE), codes * grid.lsb, {"units": "s"})},
        coords={
            v.PATTERN: np.arange(n_patterns),
            v.WORD_LINE: np.arange(chip.n_word_lines),
            v.BIT_LINE: lines,
            v.KIND: (v.PATTERN, np.full(n_patterns, "random")),
        },
    )
    sampling = f"{n_patterns} random patterns (seed {SEED})"
    if part is not chip:
        sampling += f" on {n_bit_lines} of {chip.n_bit_lines} bit lines, evenly spread"
    return part, patterns, sampling


def _with_bit_lines(chip: Chip, lines: np.ndarray) -> Chip:
    """The chip with some of its bit lines; each works the same without the others."""
    coupling = chip.coupling
    if coupling is not None and not isinstance(coupling, CouplingByClass):
        coupling = coupling.replace(kappa=coupling.kappa[..., lines])
    layout = chip.layout.replace(layout_class=chip.layout.layout_class[:, lines])
    return chip.replace(cell_current=chip.cell_current[:, lines], layout=layout, coupling=coupling)


def split_label(split: str) -> str:
    """A split as titles say it."""
    return "not divided into splits" if split == UNDIVIDED else f"{split} patterns"
