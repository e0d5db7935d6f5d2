"""Controls of the deployment page: what is deployed on what, how it is programmed."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn

from dashboard.deployment_choices import CHOICES, DEPLOYED_SIDES, IN_VIEW, MOST_CHIPS, OWN, READINGS
from dashboard.state import State
from dashboard.views.deployment_numbers import SMALL

_SMALL_LABEL = "small network, trained first"


class DeploymentControls:
    """One widget for each choice, which the state holds."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._reflecting = False
        self.run = _select(
            "Network of run", 210, "Finished training run whose network is deployed."
        )
        self.chip = _select("Chip", 150, "Chip whose arrays carry it.")
        self.chip.options = {"of the run, if any": OWN, "in view": IN_VIEW}
        self.side = _select("Arrays", 130, "Word lines and bit lines of one array.")
        self.side.options = {
            "as trained" if side == OWN else f"{side}×{side}": side for side in DEPLOYED_SIDES
        }
        self.reading = _select(
            "Reading", 140, "How a cell's current is read while it is programmed."
        )
        self.reading.options = {name.replace("_", " "): name for name in READINGS}
        self.chips = _select("Chips", 76, "Chips programmed, each with its own errors.")
        self.chips.options = {str(k): k for k in (1, 2, 3, 5, 8, MOST_CHIPS)}
        self.row = pn.Row(
            *self._widgets().values(),
            sizing_mode="stretch_width",
            margin=(8, 0, 0, 0),
            styles={"flex-wrap": "wrap", "row-gap": "6px"},
        )
        for name, widget in self._widgets().items():
            widget.param.watch(partial(self._choose, name), "value")

    def show(self, runs: list[str], run: str) -> None:
        """Have the widgets say what the state says; `run` is the one it means."""
        values = {name: getattr(self.state, name) for name in CHOICES} | {"deployed_run": run}
        listed = {name: name for name in runs} | {_SMALL_LABEL: SMALL}
        n_chips = values["n_programmed"]
        self._reflecting = True
        try:
            if self.run.options != listed:
                self.run.options = listed
            if n_chips not in self.chips.options.values():
                counts = sorted({*self.chips.options.values(), n_chips})
                self.chips.options = {str(k): k for k in counts}
            for name, widget in self._widgets().items():
                if widget.value != values[name]:
                    widget.value = values[name]
        finally:
            self._reflecting = False

    def _widgets(self) -> dict[str, pn.widgets.Select]:
        listed = (self.run, self.chip, self.side, self.reading, self.chips)
        return dict(zip(CHOICES, listed, strict=True))

    def _choose(self, name: str, event: Any) -> None:
        if not self._reflecting and event.new is not None:
            self.state.param.update({name: event.new})


def _select(label: str, width: int, tip: str) -> pn.widgets.Select:
    return pn.widgets.Select(
        label=label,
        margin=(0, 10, 0, 0),
        description=tip,
        sizing_mode="stretch_width",
        # As a style: the sum of all `width` would be the least width of the page.
        styles={"flex": f"0 0 {width}px"},
    )
