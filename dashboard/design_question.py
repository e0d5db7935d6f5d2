"""Question of a sweep: which chip, over what, measured how."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analog_model.chip import Chip, CouplingByClass
from analog_model.chip.changes import modified_chip
from analog_model.errors import ConfigurationError
from analog_model.sweeps.axes import AXES, Value, chip_at
from analog_model.version import __version__
from dashboard.design_choices import NO_AXIS, RETRAINED, SER
from dashboard.parameters import PARAMETERS, widened
from dashboard.state import State

# Values on one axis, lines of one array: a browser may not keep a server busy for days.
MOST_VALUES, MOST_LINES = 21, 512
N_PATTERNS, SEED = 64, 0


@dataclass(frozen=True)
class Span:
    """Evenly spaced values of a number: from, to, how many."""

    lower: float
    upper: float
    count: int

    def text(self) -> str:
        """As the link has it."""
        return f"{self.lower:.6g}:{self.upper:.6g}:{self.count}"

    def values(self, name: str) -> tuple[Value, ...]:
        """The values of an axis in SI; whole numbers that coincide count once."""
        spaced = np.linspace(self.lower, self.upper, self.count)
        if AXES[name].integer:
            return tuple(dict.fromkeys(int(value) for value in np.rint(spaced)))
        return tuple(dict.fromkeys(float(f"{value:.9g}") for value in spaced))


SPANS: Mapping[str, Span] = {
    "coupling_scale": Span(0.0, 4.0, 9),
    "wire_resistance": Span(0.0, 200.0, 9),
    "n_word_lines": Span(8, 64, 8),
    "bits": Span(2, 8, 7),
    "readout_bits": Span(4, 12, 9),
}


def usual_span(state: State, name: str) -> Span:
    """The span that an axis has unless somebody states another: the chip's own value is in it."""
    chip, usual = state.source_chip, SPANS[name]
    own = chip.n_word_lines if name == "n_word_lines" else PARAMETERS[name].read(chip)
    bounds = AXES[name].lower, _highest(name)
    lower, upper = widened((usual.lower, usual.upper), own, bounds)
    return Span(lower, min(upper, bounds[1]), usual.count)


def _highest(name: str) -> float:
    """The largest value of an axis: what the chip in view can be given."""
    return MOST_LINES if name == "n_word_lines" else min(AXES[name].upper, PARAMETERS[name].upper)


def span_of(state: State, name: str, text: str) -> Span:
    """The span that a link states for an axis, its usual one for "". ConfigurationError."""
    if not text:
        return usual_span(state, name)
    try:
        lower, upper, count = text.split(":")
        span = Span(float(lower), float(upper), int(count))
    except ValueError:
        span = Span(math.nan, math.nan, 0)
    most = _highest(name)
    finite = math.isfinite(span.lower) and math.isfinite(span.upper)
    if not (finite and AXES[name].lower <= span.lower < span.upper <= most):
        raise ConfigurationError(
            f"range of {AXES[name].long_name}",
            expected=f"two rising numbers from {AXES[name].lower:g} to {most:g}",
            got=repr(text[:40]),
        )
    if not 2 <= span.count <= MOST_VALUES:
        raise ConfigurationError(
            f"range of {AXES[name].long_name}",
            expected=f"2 to {MOST_VALUES} values",
            got=str(span.count),
        )
    return span


@dataclass(frozen=True, eq=False)
class SweepQuestion:
    """A chip as it is without the swept parameters, values by axis, what is measured.

    `network`, `epochs` matter to accuracies only.
    """

    chip: Chip
    over: Mapping[str, tuple[Value, ...]]
    measure: str
    network: str
    epochs: int

    @property
    def n_points(self) -> int:
        """Number of points."""
        return math.prod(map(len, self.over.values()))

    def key(self) -> str:
        """Name under which the finished sweep is kept."""
        asked: dict[str, Any] = {
            "version": __version__,
            "chip": self.chip.fingerprint(),
            "over": [[name, list(values)] for name, values in self.over.items()],
            "measure": self.measure,
        }
        if self.measure != SER:
            asked["network"] = self.network
        if self.measure == RETRAINED:
            asked["epochs"] = self.epochs
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def question_of(state: State) -> SweepQuestion:
    """What the state asks for. Raises ConfigurationError for what cannot be swept."""
    texts = {state.sweep_x: state.sweep_x_span}
    if state.sweep_y not in (NO_AXIS, state.sweep_x):
        texts[state.sweep_y] = state.sweep_y_span
    over = {
        name: AXES[name].words or span_of(state, name, text).values(name)
        for name, text in texts.items()
    }
    if state.sweep_measure != SER and "alignment" in over:
        over["alignment"] = tuple(word for word in over["alignment"] if word != "staggered")
    kept = {name: getattr(state, name) for name in PARAMETERS if name not in over}
    chip = modified_chip(state.shared_source_chip, kept, state.effects)
    for name in over:
        AXES[name].check(chip)
    _check_array(chip, over)
    return SweepQuestion(
        chip, over, state.sweep_measure, state.sweep_network, int(state.sweep_epochs)
    )


def _check_array(chip: Chip, over: Mapping[str, tuple[Value, ...]]) -> None:
    """Refuse an array that the chip has no rule for before somebody waits for it."""
    if isinstance(chip.coupling, CouplingByClass | None) and chip.pulse.stagger is None:
        return
    for name in over:
        if name not in PARAMETERS:
            # Of two values one at least is another than the chip's; the smallest cost least.
            for value in over[name][:2]:
                chip_at(chip, {name: value})
