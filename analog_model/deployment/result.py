"""Result of a deployment: labelled tables that belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import xarray as xr

from analog_model.chip import Chip
from analog_model.deployment.array_demand import demand_sentences


@dataclass(frozen=True, eq=False)
class Deployment:
    """A network on arrays like `chip`, which carries no currents.

    - `arrays`: target currents, which weight each cell holds, by (array, word_line, bit_line);
    - `layers`: input and readout scaling, geometry, arrays of each layer;
    - `outputs`: scale, bias of every output;
    - `programming`, `unreached`: write-verify on each chip, the cells that it gave up;
    - `accuracy`: predicted, by chip, with its spread;
    - `cost`: energy, latency of one inference by layer, its assumptions as attribute;
    - `digital`: layers that are computed digitally, with the reason.

    Variables, units: `deployment.tables`.
    """

    chip: Chip
    arrays: xr.Dataset
    layers: xr.Dataset
    outputs: xr.Dataset
    programming: xr.Dataset
    unreached: xr.Dataset
    accuracy: xr.Dataset
    cost: xr.Dataset
    digital: Mapping[str, str] = field(default_factory=dict)

    def sentences(self) -> tuple[str, ...]:
        """How many arrays each layer takes, and why."""
        return demand_sentences(self.layers)
