"""Controls of the crosstalk page: pattern, time slot, quantity, zoom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param

from analog_model import vocabulary as v
from dashboard.latest import LatestOnly, latest_only
from dashboard.state import State
from dashboard.views.crosstalk_numbers import QUANTITIES
from dashboard.views.html import Html

SOURCE_LABELS = {
    "Random": "random",
    "All on": "all_on",
    "Measured": "measured",
    "Drawn by hand": "drawn",
}
ANY_KIND = "any kind"
_HINTS = {
    "drawn": "Click word lines, drag pulses.",
    "all_on": "Every word line, full width.",
}
_NOTE = ":host { margin: 26px 4px 0; font-size: 12px; color: var(--muted, #5a6577); }"
_PLAY_PERIOD_MS = 350
_PLAY = f"""
clearInterval(toggle.timer)
if (toggle.active) {{
  toggle.timer = setInterval(() => {{
    if (!toggle.document || slider.end < 1) {{ clearInterval(toggle.timer); return }}
    slider.value = slider.value >= slider.end ? slider.start : slider.value + 1
  }}, {_PLAY_PERIOD_MS})
}}
"""


class PatternControls:
    """Which operation is looked at."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._showing = False
        self.source = pn.widgets.Select(label="Pattern", options=SOURCE_LABELS, width=150)
        self.number = pn.widgets.IntInput(label="Seed", start=0, width=84)
        self.kind = pn.widgets.Select(label="Kind", options={ANY_KIND: ANY_KIND}, width=120)
        self.note = Html("", stylesheets=[_NOTE], sizing_mode="stretch_width", margin=0)
        self.layout = pn.Row(
            self.source,
            self.number,
            self.kind,
            self.note,
            sizing_mode="stretch_width",
            height=54,
        )
        self.show()
        self.source.param.watch(self._on_source, "value")
        self.number.param.watch(self._on_number, "value")
        self.kind.param.watch(self._on_kind, "value")
        state.param.watch(
            self.show, ["pattern_source", "pattern_seed", "pattern_index", "measurement"]
        )

    def show(self, *_events: param.parameterized.Event) -> None:
        """Put the pattern in view on the widgets."""
        state = self.state
        measured = state.pattern_source == "measured" and state.measurement is not None
        random = state.pattern_source == "random"
        options = dict(SOURCE_LABELS)
        if state.measurement is None:
            del options["Measured"]
        self._showing = True
        try:
            self.source.param.update(options=options, value=state.pattern_source)
            self.number.param.update(
                label="Number" if measured else "Seed",
                value=state.pattern_index if measured else state.pattern_seed,
                end=state.measurement.sizes[v.PATTERN] - 1 if measured else None,
                visible=measured or random,
            )
            kinds = self._kinds() if measured else {}
            self.kind.param.update(
                options=kinds or {ANY_KIND: ANY_KIND},
                value=str(state.measurement[v.KIND].values[state.pattern_index])
                if kinds
                else ANY_KIND,
                visible=bool(kinds),
            )
        finally:
            self._showing = False
        self.note.object = _HINTS.get(state.pattern_source, "")

    def _kinds(self) -> dict[str, str]:
        measurement = self.state.measurement
        if v.KIND not in measurement.coords:
            return {}
        kinds = dict.fromkeys(str(kind) for kind in measurement[v.KIND].values)
        return {kind.replace("_", " "): kind for kind in kinds}

    def _on_source(self, event: param.parameterized.Event) -> None:
        if self._showing:
            return
        if event.new == "drawn":
            # Drawing starts from what is in view.
            self.state.set_pattern(self.state.codes())
        else:
            self.state.pattern_source = event.new

    def _on_number(self, event: param.parameterized.Event) -> None:
        if self._showing or event.new is None:
            return
        if self.state.pattern_source == "measured":
            self.state.pattern_index = event.new
        else:
            self.state.pattern_seed = event.new

    def _on_kind(self, event: param.parameterized.Event) -> None:
        if self._showing:
            return
        measurement = self.state.measurement
        of_kind = measurement[v.KIND].values == event.new
        if v.WEIGHT_SET_OF_PATTERN in measurement.coords:
            in_view = measurement[v.WEIGHT_SET_OF_PATTERN].values == self.state.weight_set
            of_kind = of_kind & in_view if (of_kind & in_view).any() else of_kind
        self.state.pattern_index = int(of_kind.argmax())


class SlotControls:
    """Which time slot is looked at: a slider, a button that runs through them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._showing = False
        self.slider = pn.widgets.IntSlider(
            label="Time slot", start=0, end=1, show_value=False, sizing_mode="stretch_width"
        )
        self.play = pn.widgets.Toggle(label="▶ Play", width=76, align="end")
        self.play.jscallback(args={"slider": self.slider, "toggle": self.play}, value=_PLAY)
        self.layout = pn.Row(self.slider, self.play, sizing_mode="stretch_width", height=48)
        self._choose: LatestOnly[int] = latest_only(lambda slot: state.param.update(time_slot=slot))
        self.slider.param.watch(self._on_slot, "value")
        self.play.param.watch(self._on_play, "value")

    def show(self, n_slots: int, span: str) -> None:
        """Put the slot in view on the slider; `span` says from when to when it lasts."""
        self._showing = True
        try:
            self.slider.param.update(
                label=f"Time slot {self.state.time_slot} (last {n_slots - 1}): {span}"
                if n_slots
                else "No pulse, no time slot",
                end=max(n_slots - 1, 1),
                value=self.state.time_slot,
                disabled=n_slots < 2,
            )
        finally:
            self._showing = False

    def _on_slot(self, event: param.parameterized.Event) -> None:
        if not self._showing:
            self._choose(event.new)

    def _on_play(self, event: param.parameterized.Event) -> None:
        self.play.label = "❚❚ Pause" if event.new else "▶ Play"


class ShowControls:
    """Which quantity the heatmap shows, of which part of the array."""

    def __init__(self, state: State, zoom: Callable[[float | None], None]) -> None:
        self.quantity = pn.widgets.RadioButtonGroup(
            label="Quantity shown",
            options={quantity.short: name for name, quantity in QUANTITIES.items()},
            value=state.quantity,
            align="end",
        )
        self.closer = self._button("Zoom in")
        self.wider = self._button("Zoom out")
        self.whole = self._button("All cells")
        self.closer.on_click(lambda _event: zoom(0.5))
        self.wider.on_click(lambda _event: zoom(2.0))
        self.whole.on_click(lambda _event: zoom(None))
        self.layout = pn.Row(
            self.quantity,
            pn.Spacer(sizing_mode="stretch_width"),
            self.closer,
            self.wider,
            self.whole,
            sizing_mode="stretch_width",
            height=54,
        )
        self.quantity.param.watch(lambda event: state.param.update(quantity=event.new), "value")
        state.param.watch(self._show, "quantity")

    def _button(self, label: str) -> pn.widgets.Button:
        return pn.widgets.Button(label=label, align="end", margin=(5, 2))

    def _show(self, event: Any) -> None:
        self.quantity.value = event.new
