"""Axes of a sweep: the chip parameters that it can vary."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from analog_model import vocabulary as v
from analog_model.chip.changes import modified_chip
from analog_model.chip.chip import Chip
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.sweeps.array_changes import with_layout_rule, with_word_lines

Value = float | int | str


@dataclass(frozen=True)
class Axis:
    """One chip parameter: its unit in SI, what values it can have, the chip with a value.

    `words` are all the values of a choice; a number lies from `lower` to `upper`. `without`
    says what a chip lacks on which the parameter would do nothing, "" where nothing.
    """

    name: str
    long_name: str
    unit: str
    apply: Callable[[Chip, Any], Chip]
    without: Callable[[Chip], str] = lambda _chip: ""
    words: tuple[str, ...] = ()
    lower: float = 0.0
    upper: float = math.inf
    integer: bool = False

    def checked(self, values: Sequence[Any]) -> tuple[Value, ...]:
        """The values as plain numbers or words; ConfigurationError for one that cannot be."""
        where = f"sweep over {self.name}"
        if isinstance(values, str) or not len(values):
            raise ConfigurationError(where, expected="a list of values", got=repr(values))
        checked = tuple(self._value(value, f"{where}[{k}]") for k, value in enumerate(values))
        if len(set(checked)) < len(checked):
            raise ConfigurationError(where, expected="distinct values", got=repr(checked))
        return checked

    def check(self, chip: Chip) -> None:
        """Raise ConfigurationError for a chip on which the parameter would do nothing."""
        lacking = self.without(chip)
        if lacking:
            raise ConfigurationError(
                f"sweep over {self.name}",
                expected=f"a chip with {lacking}, without which {self.name} has no effect",
                got="none",
                advice="Set it first, or take a calibrated chip.",
            )

    def _value(self, value: Any, where: str) -> Value:
        if self.words:
            if value in self.words:
                return str(value)
            advice = nearest_name(str(value), self.words)
            raise ConfigurationError(
                where, expected="one of its words", got=repr(value), advice=advice
            )
        kind = "a whole number" if self.integer else "a number"
        span = f"{kind} from {self.lower:g}" + (
            f" to {self.upper:g}" if math.isfinite(self.upper) else ""
        )
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ConfigurationError(where, expected=span, got=repr(value)) from None
        in_span = self.lower <= number <= self.upper and math.isfinite(number)
        if not in_span or (self.integer and number != int(number)):
            raise ConfigurationError(where, expected=span, got=repr(value))
        return int(number) if self.integer else number


def _parameter(name: str) -> Callable[[Chip, Any], Chip]:
    return lambda chip, value: modified_chip(chip, {name: value}, v.EFFECTS)


def _no_coupling(chip: Chip) -> str:
    return "" if "crosstalk" in chip.effects else "coupling"


def _no_sensitivity(chip: Chip) -> str:
    return "" if chip.bit_line.drain_sensitivity > 0 else "a drain sensitivity [1/V] above 0"


# In the order in which they are applied: what scales with the array follows its size.
AXES: Mapping[str, Axis] = MappingProxyType(
    {
        axis.name: axis
        for axis in (
            Axis(
                "layout_rule",
                "layout rule",
                "",
                with_layout_rule,
                words=tuple(LAYOUT_RULES),
            ),
            Axis(
                "n_word_lines",
                "word lines of an array",
                "1",
                with_word_lines,
                lower=1,
                upper=4096,
                integer=True,
            ),
            Axis(
                "coupling_scale",
                "coupling, relative",
                "1",
                _parameter("coupling_scale"),
                without=_no_coupling,
            ),
            Axis(
                "wire_resistance",
                "wire resistance per pitch",
                "ohm",
                _parameter("wire_resistance"),
                without=_no_sensitivity,
            ),
            Axis(
                "alignment",
                "pulse alignment",
                "",
                _parameter("alignment"),
                words=v.ALIGNMENTS,
            ),
            Axis("bits", "input code", "bit", _parameter("bits"), lower=1, upper=16, integer=True),
            Axis(
                "readout_bits",
                "readout resolution",
                "bit",
                _parameter("readout_bits"),
                lower=2,
                upper=24,
                integer=True,
            ),
        )
    }
)


def checked_axes(over: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Value, ...]]:
    """Checked values of one or two axes. Raises ConfigurationError."""
    if not 1 <= len(over) <= 2:
        raise ConfigurationError(
            "sweep over", expected="one or two chip parameters", got=str(len(over))
        )
    for name in over:
        if name not in AXES:
            raise ConfigurationError(
                "sweep over",
                expected="a chip parameter",
                got=repr(name),
                advice=nearest_name(name, AXES),
            )
    return {name: AXES[name].checked(values) for name, values in over.items()}


def chip_at(chip: Chip, values: Mapping[str, Value]) -> Chip:
    """The chip with the values of some axes."""
    for name, axis in AXES.items():
        if name in values:
            chip = axis.apply(chip, values[name])
    return chip
