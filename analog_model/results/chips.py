"""Chips of the results: the calibrated example chip, a harsh one scaled from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from analog_model.calibration.calibrate import calibrate
from analog_model.chip import Chip
from analog_model.dataset.examples import example_chip

# Every product exact: the digital network.
DIGITAL = "digital"
BUNDLED, HARSH = "bundled", "harsh"
CHIPS = (BUNDLED, HARSH)

# Factors of the bundled chip's kappas, of its resistances: the smallest tried at which LeNet-5
# loses 10 points. Accuracy [%] not retrained, arrays of 128x128, tolerance 2e-2: LeNet-5 of
# seed 0 on the first 1000 test images, digital 99.1; an earlier VGG on the first 250, 92.8.
#   kappa x   1     2     4     6     4     8     10    12
#   ohms x    1     2     4     6     8     4     4     4
#   LeNet-5   99.1  99.0  98.7  97.0  98.0  95.5  91.4  85.4
#   VGG       91.6  90.4  86.0              58.4
HARSH_COUPLING, HARSH_RESISTANCE = 12.0, 4.0

FACTORS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {BUNDLED: (1.0, 1.0), HARSH: (HARSH_COUPLING, HARSH_RESISTANCE)}
)


def bundled_chip() -> Chip:
    """The example chip as calibrated, without what single cells add: it has no continuation."""
    return calibrate(example_chip()).shared_chip


def scaled_chip(chip: Chip, *, coupling: float, resistance: float) -> Chip:
    """The chip with all kappas, all resistances multiplied by one factor each."""
    line, kappas = chip.bit_line, chip.coupling
    return chip.replace(
        name=f"{chip.name}, kappa x {coupling:g}, resistance x {resistance:g}",
        coupling=None if kappas is None else kappas.replace(kappa=kappas.kappa * coupling),
        bit_line=line.replace(
            wire_resistance=line.wire_resistance * resistance,
            lumped_resistance=line.lumped_resistance * resistance,
        ),
    )


def chips_from(bundled: Chip) -> dict[str, Chip]:
    """Every chip of the results, by name."""
    coupling, resistance = FACTORS[HARSH]
    return {
        BUNDLED: bundled,
        HARSH: scaled_chip(bundled, coupling=coupling, resistance=resistance),
    }
