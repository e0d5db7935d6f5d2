"""Variation among the chips that a network is trained on or judged by."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from analog_model.chip.base import Frozen
from analog_model.errors import ConfigurationError


class ChipVariation(Frozen):
    """How the chips of one production differ, drawn for each of `n_chips`.

    `coupling`, `resistance`: all kappas of a chip, and all resistances of its bit lines, are
    scaled by one factor each, uniform within 1 - x to 1 + x: capacitances and sheet
    resistance vary from wafer to wafer, which moves all cells of a chip alike. What differs
    from cell to cell is `Effects`. `celsius`: range of the temperature in operation; None
    leaves the chip's.
    """

    n_chips: int = Field(default=8, ge=1)
    coupling: float = Field(default=0.2, ge=0, lt=1)
    resistance: float = Field(default=0.2, ge=0, lt=1)
    celsius: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.celsius is not None and not -273.15 < self.celsius[0] <= self.celsius[1]:
            raise ConfigurationError(
                "ChipVariation.celsius",
                expected="lowest, then highest temperature above -273.15",
                got=repr(self.celsius),
            )
        return self
