"""Story of the paper: composite figures, from the array to what correction wins."""

from __future__ import annotations

from collections.abc import Sequence

import holoviews as hv
import numpy as np
import xarray as xr

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.figures.bit_line_current import bit_line_current
from analog_model.figures.calibration import (
    extraction_bars,
    extraction_effort_curve,
    kappa_intervals,
)
from analog_model.figures.crosstalk import layout_map
from analog_model.figures.schematic import array_schematic
from analog_model.figures.timeline import pulse_timeline
from analog_model.simulation import slot_currents, slot_timeline


def array_figure(
    chip: Chip, parameters: xr.Dataset, pulse_width: Sequence[float] | np.ndarray
) -> hv.Layout:
    """The array's scheme, the layout class of every cell, the coupling of every class.

    `parameters` as `Calibration.parameters`; `pulse_width` (word_line,) [s] is the operation
    that the scheme shows.
    """
    classes = class_map(chip)
    return hv.Layout(
        [
            array_schematic(classes, list(pulse_width)),
            layout_map(classes, chip.layout.class_names, bar=False),
            kappa_intervals(parameters),
        ]
    )


def class_map(chip: Chip) -> xr.DataArray:
    """Layout class of every cell, labelled."""
    sides = {v.WORD_LINE: range(chip.n_word_lines), v.BIT_LINE: range(chip.n_bit_lines)}
    return xr.DataArray(chip.layout.layout_class, coords=sides, dims=tuple(sides))


def slots_figure(
    chip: Chip, pulse_width: Sequence[float] | np.ndarray, *, bit_line: int
) -> hv.Layout:
    """Pulses cut into time slots, above the current of one bit line in each."""
    slots = slot_currents(chip, pulse_width, bit_line=bit_line)
    weights = xr.DataArray(chip.cell_current[:, bit_line], dims=(v.WORD_LINE,))
    return hv.Layout(
        [pulse_timeline(slot_timeline(chip, pulse_width)), bit_line_current(slots, weights)]
    )


def extraction_figure(
    comparison: xr.Dataset, effort: xr.Dataset, *, model: str = "ideal", kind: str = "random"
) -> hv.Layout:
    """Extraction methods on held-out patterns, beside what measurements buy."""
    return hv.Layout(
        [extraction_bars(comparison, model=model), extraction_effort_curve(effort, kind=kind)]
    )
