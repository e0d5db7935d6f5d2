"""Figure of recovered accuracy, from the file of the results."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from analog_model.errors import DataError
from analog_model.figures.accuracy_dots import Dots, accuracy_dots
from analog_model.figures.colours import CATEGORICAL, INK, MODE_COLOURS
from analog_model.nn.models import NETWORKS
from analog_model.nn.training.configuration import FLOAT, HARDWARE_AWARE, NOISE, STRAIGHT_THROUGH
from analog_model.results.chips import DIGITAL, harsh_chip_of
from analog_model.results.plan import FLOAT_LONGER

# Treatment, whether on the chip, label, colour; from top to bottom.
_ROWS = (
    (FLOAT, False, "float, no chip", MODE_COLOURS[FLOAT]),
    (FLOAT, True, "float, on chip", INK),
    (FLOAT_LONGER, True, "trained longer, on chip", CATEGORICAL[5]),
    (NOISE, True, "weight noise, on chip", MODE_COLOURS[NOISE]),
    (STRAIGHT_THROUGH, True, "straight-through, on chip", MODE_COLOURS[STRAIGHT_THROUGH]),
    (HARDWARE_AWARE, True, "hardware-aware, on chip", MODE_COLOURS[HARDWARE_AWARE]),
)


def recovery_figure(recovery: xr.Dataset) -> hv.Layout:
    """Accuracies of every network without the harsh chip, on it, after retraining for it.

    A panel for each network, of what the file holds; as `open_recovery` gives it.
    """
    if "accuracy" not in recovery:
        raise DataError("recovery figure", expected="at least one judgement", got="none")
    panels = [
        accuracy_dots(rows, title=f"{network.replace('_', ' ')}, {harsh_chip_of(network)} chip")
        for network in NETWORKS
        if (rows := _rows(recovery, network))
    ]
    return hv.Layout(panels).cols(2)


def _rows(recovery: xr.Dataset, network: str) -> list[Dots]:
    found = []
    for treatment, on_chip, label, colour in _ROWS:
        chip = harsh_chip_of(network) if on_chip else DIGITAL
        values = _accuracies(recovery, network, treatment, chip)
        if values.size:
            found.append(Dots(label, colour, values))
    return found


def _accuracies(recovery: xr.Dataset, network: str, treatment: str, chip: str) -> np.ndarray:
    wanted = {"network": network, "treatment": treatment, "chip": chip}
    chosen = np.logical_and.reduce([recovery[k].values == text for k, text in wanted.items()])
    return np.asarray(100.0 * recovery["accuracy"].values[chosen])
