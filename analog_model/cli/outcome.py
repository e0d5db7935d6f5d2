"""Outcome of a simulated set of patterns, as a measurement beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.version import __version__

if TYPE_CHECKING:
    from analog_model.chip import Chip


def agreement(pulses: xr.Dataset, charge: xr.DataArray) -> list[dict[str, Any]]:
    """Signal-to-error ratio of `charge` by split; empty where nothing was measured."""
    from analog_model import decibel, signal_to_error_ratio

    if v.CHARGE not in pulses:
        return []
    found = []
    splits = pulses[v.SPLIT].values if v.SPLIT in pulses.coords else [None]
    for split in dict.fromkeys(splits):
        chosen = slice(None) if split is None else splits == split
        measured = pulses[v.CHARGE].isel({v.PATTERN: chosen})
        ratio = signal_to_error_ratio(measured, charge.isel({v.PATTERN: chosen}))
        found.append(
            {
                v.SPLIT: None if split is None else str(split),
                "count": measured.sizes[v.PATTERN],
                "signal_to_error_ratio": ratio,
                "decibel": decibel(ratio),
            }
        )
    return found


def simulated_dataset(
    chip: Chip, pulses: xr.Dataset, charge: xr.DataArray, *, method: str
) -> xr.Dataset:
    """Measurement of the pulses with simulated charges, under the chip's one weight set.

    What a file says of a measured charge (its source, its noise) is not taken over.
    """
    labels = {name: pulses[name] for name in (v.KIND, v.SPLIT) if name in pulses.coords}
    effects = ", ".join(chip.effects) or "none"
    attrs = {
        "schema": v.MEASUREMENT_SCHEMA,
        "chip": chip.name,
        "source": f"simulated by analog-model {__version__}, method {method}, effects: {effects}",
        "temperature_celsius": chip.temperature_celsius,
        "alignment": chip.pulse.alignment,
    }
    if chip.v_word_line is not None:
        attrs["v_word_line"] = chip.v_word_line
    if chip.v_bit_line is not None:
        attrs["v_bit_line"] = chip.v_bit_line
    values = {
        v.PULSE_WIDTH: pulses[v.PULSE_WIDTH].values,
        v.CHARGE: charge.transpose(v.PATTERN, v.BIT_LINE).values,
        v.CELL_CURRENT: chip.cell_current[np.newaxis],
        v.LAYOUT_CLASS: chip.layout.layout_class,
        v.SEGMENTS_TO_SENSE: chip.segments_to_sense,
    }
    variables = {}
    for name, value in values.items():
        spec = v.VARIABLES[name]
        attributes = {"long_name": spec.long_name}
        if spec.unit is not None:
            attributes["units"] = spec.unit
        variables[name] = (spec.dims, value, attributes)
    return xr.Dataset(variables, coords={v.PATTERN: pulses[v.PATTERN], **labels}, attrs=attrs)
