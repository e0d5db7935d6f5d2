"""Family of chips: one design, each chip with variations of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from analog_model.chip import Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.effects import Effects, Temperature
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.chip_variation import ChipVariation
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.randomness import generator_of, seed_of

NOMINAL = -1


@dataclass(frozen=True)
class ChipFamily:
    """Chips that differ from `chip` as `variation` says; cell by cell as `effects` says.

    Members are numbered; the same seed and number are the same chip. The number NOMINAL is
    the chip itself, with an instance of its effects.
    """

    chip: Chip
    effects: Effects | None
    variation: ChipVariation | None
    seed: int

    def __post_init__(self) -> None:
        celsius = None if self.variation is None else self.variation.celsius
        if celsius is not None and self.effects is not None and self.effects.temperature:
            raise ConfigurationError(
                "ChipVariation.celsius",
                expected="none beside Effects.temperature, which sets the temperature",
                got=repr(celsius),
            )

    def member(self, number: int) -> ProgrammedChip:
        """The member of that number."""
        chip, effects = self.chip, self.effects or Effects()
        if self.variation is not None and number != NOMINAL:
            chip = self._scaled(number, self.variation)
            if self.variation.celsius is not None:
                lowest, highest = self.variation.celsius
                celsius = lowest + (highest - lowest) * self._uniform(number, "temperature")
                effects = effects.replace(temperature=Temperature(celsius=celsius))
        return ProgrammedChip(chip, effects, seed_of(self.seed, "cells of chip", number))

    def _scaled(self, number: int, variation: ChipVariation) -> Chip:
        kappa = 1 + variation.coupling * (2 * self._uniform(number, "coupling") - 1)
        ohms = 1 + variation.resistance * (2 * self._uniform(number, "resistance") - 1)
        coupling, line = self.chip.coupling, self.chip.bit_line
        return self.chip.replace(
            coupling=None if coupling is None else coupling.replace(kappa=coupling.kappa * kappa),
            bit_line=line.replace(
                wire_resistance=line.wire_resistance * ohms,
                lumped_resistance=line.lumped_resistance * ohms,
            ),
        )

    def _uniform(self, number: int, what: str) -> float:
        return float(torch.rand((), generator=generator_of(self.seed, what, number)))


def family_of(configuration: TrainingConfiguration, chip: Chip) -> ChipFamily:
    """The chips that a run is trained on."""
    return ChipFamily(chip, configuration.effects, configuration.variation, configuration.seed)
