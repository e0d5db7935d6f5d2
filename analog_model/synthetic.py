"""Synthetic chips, made up from a seed.

Nothing here is measured: a synthetic chip shows what a layout rule or an array size does.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import EKV, BitLine, Chip, CouplingByClass
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.simulation import simulate

# Nominal cell of a 180 nm floating-gate array: full-scale current, specific current.
LARGEST_CURRENT = 0.8e-6
SPECIFIC_CURRENT = 0.2e-6
# A facing neighbour couples strongly, one across a contact weakly and of opposite sign
# when its strap passes over the gate; made-up values of the size measured on the bundled chip.
STRONG_COUPLING, WEAK_COUPLING = 0.10, 0.03


def _nominal_kappa(n_classes: int) -> np.ndarray:
    """kappa (class, offset -1 or +1): the strong side alternates from class to class."""
    kappa = np.full((n_classes, 2), WEAK_COUPLING)
    kappa[np.arange(n_classes), np.arange(n_classes) % 2] = STRONG_COUPLING
    return kappa


def synthetic_chip(
    n_word_lines: int = 16,
    n_bit_lines: int = 16,
    *,
    layout_rule: str = "mirrored_columns_and_row_pairs",
    seed: int = 0,
) -> Chip:
    """A made-up chip: uniform random cell currents on one of the usual layouts.

    Coupling between adjacent word lines by layout class, and a wire resistance of
    5 ohm per pitch with a drain sensitivity of 0.1 /V. The same seed gives the same chip.
    """
    if layout_rule not in LAYOUT_RULES:
        raise ConfigurationError(
            "layout_rule",
            expected="a layout rule",
            got=repr(layout_rule),
            advice=nearest_name(layout_rule, LAYOUT_RULES),
        )
    layout = LAYOUT_RULES[layout_rule](n_word_lines, n_bit_lines)
    generator = np.random.default_rng(seed)
    return Chip(
        name=f"synthetic-{n_word_lines}x{n_bit_lines}",
        cell_current=generator.uniform(0.0, LARGEST_CURRENT, (n_word_lines, n_bit_lines)),
        layout=layout,
        cell_law=EKV(specific_current=SPECIFIC_CURRENT),
        coupling=CouplingByClass(offsets=(-1, 1), kappa=_nominal_kappa(layout.n_classes)),
        bit_line=BitLine(wire_resistance=5.0, drain_sensitivity=0.1),
        v_word_line=2.0,
        v_bit_line=1.0,
        source=f"synthetic, seed {seed}; not measured",
    )


def simulated_measurement(chip: Chip, measurement: xr.Dataset) -> xr.Dataset:
    """The measurement's patterns with the charge that the chip model gives for them.

    Only patterns whose weight set is the chip's make sense to compare; choosing them is
    the caller's part.
    """
    charge = simulate(chip, measurement[v.PULSE_WIDTH])
    charge = charge.assign_coords({v.BIT_LINE: measurement[v.BIT_LINE]})
    measured = measurement.attrs.get("chip", "unnamed chip")
    source = f"simulated with chip {chip.name!r} for the patterns of {measured!r}"
    return measurement.assign({v.CHARGE: charge}).assign_attrs(source=source)
