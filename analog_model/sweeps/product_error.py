"""Measure of a chip's products against the ideal ones, for random pulses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analog_model.chip.changes import nominal_full_width
from analog_model.chip.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.metrics import decibel, signal_to_error_ratio
from analog_model.simulation import ideal_charge, simulate
from analog_model.sweeps.reading import Quantity

_QUANTITIES = (
    Quantity("signal_to_error_ratio", "signal-to-error ratio against the ideal product", "1"),
    Quantity("decibel", "signal-to-error ratio against the ideal product", "dB"),
    Quantity("signal", "root mean square of the ideal charge", "C"),
    Quantity("error", "root mean square of the error of charge", "C"),
)


@dataclass(frozen=True)
class ProductError:
    """SER of the simulated charge against the ideal product of the same pulses.

    `n_patterns` vectors of pulse widths, uniform from 0 to the widest pulse of the chip's
    input code [s] and drawn from `seed`; the first word lines get the same fractions of it on
    an array of any size. Widths are continuous before the chip rounds them to its code, so
    that a coarse code counts as error. Neither noise nor defects of single cells take part.
    """

    n_patterns: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_patterns < 1 or self.seed < 0:
            raise ConfigurationError(
                "ProductError", expected="one pattern or more, a seed from 0", got=repr(self)
            )

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The SER as a ratio, in dB, with what it is made of."""
        return _QUANTITIES

    def identity(self) -> dict[str, Any]:
        """Number of patterns, seed."""
        return {"measure": "product_error", **asdict(self)}

    def check(self, chip: Chip) -> None:
        """Any chip can be simulated."""

    def pulse_width(self, chip: Chip) -> np.ndarray:
        """The patterns (pattern, word_line) [s] for one chip."""
        # One generator for each word line: a longer array does not change the first lines.
        seeds = np.random.SeedSequence(self.seed).spawn(chip.n_word_lines)
        share = [np.random.default_rng(one).uniform(size=self.n_patterns) for one in seeds]
        return np.stack(share, axis=1) * nominal_full_width(chip)

    def read(self, chip: Chip) -> Mapping[str, float]:
        """The SER of one chip; infinite for one without effects."""
        width = self.pulse_width(chip)
        ideal, found = ideal_charge(chip, width), simulate(chip, width)
        ratio = signal_to_error_ratio(ideal, found)
        return {
            "signal_to_error_ratio": ratio,
            "decibel": decibel(ratio),
            "signal": float(np.sqrt(np.mean(ideal**2))),
            "error": float(np.sqrt(np.mean((ideal - found) ** 2))),
        }
