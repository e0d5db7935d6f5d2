"""Export of the crosstalk page: its figures on paper, its numbers as labelled arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.crosstalk import CROSSTALK_CURRENT
from analog_model.errors import DataError, SimulationError
from dashboard import compute
from dashboard.state import State
from dashboard.views.crosstalk_numbers import cell_map, patterns_of

_CELLS = (v.WORD_LINE, v.BIT_LINE)


class CrosstalkFigures:
    """What the crosstalk page offers for export."""

    def __init__(self, state: State) -> None:
        self.state = state

    def chip_name(self) -> str:
        """Name of the chip in view."""
        return str(self.state.chip.name)

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Names of the figures in view, each with what makes it a HoloViews element."""
        state = self.state
        table, names = self.table(), state.chip.layout.class_names
        slots, time_slot = state.slots, state.time_slot
        found: dict[str, Callable[[], Any]] = {
            "Current shift": self._map(table[v.CURRENT_SHIFT], "shift"),
            "Weights": self._map(table[v.CELL_CURRENT], "weight"),
            "Drop": self._map(table[v.DROP], "drop"),
            "Layout classes": lambda: _crosstalk().layout_map(table[v.LAYOUT_CLASS], names),
            "Pulses": lambda: _timeline().pulse_timeline(slots, time_slot=time_slot),
        }
        maps = self._maps()
        if maps is not None:
            found["Measured beside simulated"] = partial(_comparison, *maps)
        return found

    def table(self) -> xr.Dataset:
        """What every cell does in the time slot in view."""
        state = self.state
        shift = compute.current_shift(state.chip, state.activation_pattern)
        weights = {"units": "A", "long_name": "cell current"}
        return shift.assign(
            {
                v.CELL_CURRENT: (_CELLS, state.chip.cell_current, weights),
                v.LAYOUT_CLASS: (_CELLS, state.chip.layout.layout_class),
            }
        ).assign_attrs(chip=state.chip.name, time_slot=state.time_slot)

    def data(self) -> xr.Dataset:
        """The table with the operation's time slots; measured crosstalk where there is any."""
        slots = self.state.slots.rename({v.ACTIVATION_PATTERN: "slot_activation_pattern"})
        joined = self.table().merge(slots)
        maps = self._maps()
        if maps is None:
            return joined
        # A pair has one word line fewer than the array, so it gets a dimension of its own.
        rename = {v.WORD_LINE: "compared_word_line"}
        for name, found in zip(("measured", "simulated"), maps, strict=True):
            joined[f"{name}_{CROSSTALK_CURRENT}"] = found.rename(rename)
        return joined.assign_attrs(comparison_kind=self.state.comparison_kind)

    def _map(self, values: xr.DataArray, quantity: str) -> Callable[[], Any]:
        """A map over the colour range that it has on screen."""
        shown = cell_map(self.state.chip, self.state.activation_pattern, quantity)
        return lambda: _crosstalk().array_map(
            values, signed=shown.quantity.signed, limit=shown.high
        )

    def _maps(self) -> tuple[xr.DataArray, xr.DataArray] | None:
        """Measured crosstalk with simulated; None where the page has none of the two to show."""
        state = self.state
        if state.measurement is None:
            return None
        choice = {"kind": state.comparison_kind, "weight_set": state.weight_set}
        try:
            # Only what enters: other patterns may be more than the chip can take.
            chosen = patterns_of(measurement=state.measurement, **choice)
            measured = am.crosstalk_map(chosen, **choice)
            seen = am.crosstalk_map(am.simulated_measurement(state.chip, chosen), **choice)
        except (DataError, SimulationError):
            return None
        return measured[CROSSTALK_CURRENT], seen[CROSSTALK_CURRENT]


def _comparison(measured: xr.DataArray, simulated: xr.DataArray) -> Any:
    return _crosstalk().crosstalk_comparison(measured, simulated)


# HoloViews costs a second to import; only an export needs it.


def _crosstalk() -> Any:
    from analog_model.figures import crosstalk

    return crosstalk


def _timeline() -> Any:
    from analog_model.figures import timeline

    return timeline
