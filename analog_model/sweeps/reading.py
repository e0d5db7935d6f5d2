"""Reading: what a measure finds at one point of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from analog_model.chip.chip import Chip


@dataclass(frozen=True)
class Quantity:
    """One number of a reading, as a Dataset names it."""

    name: str
    long_name: str
    unit: str


class Measure(Protocol):
    """What a sweep asks of every chip.

    `identity` says in plain values everything that, beside the chip, decides the numbers;
    `quantities` names them. It must be possible to send a measure to another process.
    """

    @property
    def quantities(self) -> tuple[Quantity, ...]: ...

    def identity(self) -> dict[str, Any]:
        """Plain values that decide the numbers of a chip."""

    def check(self, chip: Chip) -> None:
        """Raise ConfigurationError for a chip that cannot be judged."""

    def read(self, chip: Chip) -> Mapping[str, float]:
        """The numbers of a chip, by name."""
