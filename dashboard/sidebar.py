"""Controls of the chip: source, effects, parameters."""

from __future__ import annotations

import panel as pn

from dashboard.state import State


class Sidebar:
    """Widgets of everything about the chip that a user can change."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.layout = pn.Column(
            pn.widgets.FloatSlider.from_param(state.param.coupling_scale),
            sizing_mode="stretch_width",
        )
