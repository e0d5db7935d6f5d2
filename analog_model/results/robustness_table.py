"""Table of the robustness in Markdown, from its file alone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analog_model.nn.models import NETWORKS
from analog_model.nn.training.configuration import FLOAT, HARDWARE_AWARE
from analog_model.results.plan import CHIP_FAMILY
from analog_model.results.robustness import DEVIATIONS
from analog_model.results.table import markdown_table, with_spread

START, END = "<!-- robustness table -->", "<!-- /robustness table -->"
_COLUMNS = {
    FLOAT: "not retrained",
    HARDWARE_AWARE: "trained on the nominal chip",
    CHIP_FAMILY: "trained on 4 chips",
}


def robustness_markdown(robustness: xr.Dataset) -> str:
    """Accuracy [%] by deviation of the chip, by treatment: mean ± deviation over instances."""
    present = [name for name in NETWORKS if name in robustness["network"].values]
    rows = []
    for network in present:
        for deviation in DEVIATIONS:
            cells = [_cell(robustness, network, deviation, one) for one in _COLUMNS]
            rows.append([f"{network}, {deviation}", *cells])
    return markdown_table(["network, deviation of the chip", *_COLUMNS.values()], rows)


def _cell(robustness: xr.Dataset, network: str, deviation: str, treatment: str) -> str:
    wanted = {"network": network, "deviation": deviation, "treatment": treatment}
    chosen = np.logical_and.reduce([robustness[name].values == wanted[name] for name in wanted])
    values = [100 * float(value) for value in robustness["accuracy"].values[chosen]]
    return with_spread(values, n_planned=len(values)) if values else "not made"
