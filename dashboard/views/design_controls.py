"""Controls of a sweep: its measure, its one or two axes, their spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param

from analog_model.errors import AnalogModelError
from analog_model.sweeps.axes import AXES
from dashboard.design_choices import ACCURACY, MEASURES, NETWORKS, NO_AXIS, RETRAINED, SER
from dashboard.design_question import MOST_VALUES, SPANS, Span, span_of, usual_span
from dashboard.parameters import PARAMETERS
from dashboard.state import State
from dashboard.views.design_numbers import axis_label, axis_unit

MEASURE_LABELS = {SER: "SER", ACCURACY: "Accuracy", RETRAINED: "Retrained"}
EXPLAIN = {
    "layout_rule": "Which cells are mirrored or lie under feeders; coupling keeps its strengths.",
    "n_word_lines": "Word lines of one array; further cells are drawn from the chip's own.",
}
_ROW = {"styles": {"flex-wrap": "wrap", "row-gap": "4px"}, "sizing_mode": "stretch_width"}


class AxisControls:
    """One axis: its parameter, from where to where, how many values."""

    def __init__(self, state: State, *, name: str, label: str, optional: bool) -> None:
        self._state, self._name, self._label = state, name, label
        self._showing = False
        options = {"None": NO_AXIS} if optional else {}
        options |= {axis_label(axis): axis for axis in AXES}
        self.axis = pn.widgets.Select(label=label, options=options, width=176, margin=(0, 8, 0, 0))
        self.lower = pn.widgets.FloatInput(width=88, margin=(0, 8, 0, 0))
        self.upper = pn.widgets.FloatInput(width=88, margin=(0, 8, 0, 0))
        self.count = pn.widgets.IntInput(start=2, end=MOST_VALUES, width=64, margin=(0, 14, 0, 0))
        self.layout = pn.Row(self.axis, self.lower, self.upper, self.count, margin=0)
        self._show()
        self.axis.param.watch(self._choose, "value")
        for widget in (self.lower, self.upper, self.count):
            widget.param.watch(self._set_span, "value")
        state.param.watch(self._show, [name, f"{name}_span", "source_chip"])

    def _factor(self) -> float:
        axis = self.axis.value
        return PARAMETERS[axis].factor if axis in PARAMETERS else 1.0

    def _choose(self, event: param.parameterized.Event) -> None:
        if not self._showing:
            self._state.param.update({self._name: event.new, f"{self._name}_span": ""})

    def _set_span(self, _event: param.parameterized.Event) -> None:
        if self._showing or None in (self.lower.value, self.upper.value, self.count.value):
            return
        factor = self._factor()
        span = Span(self.lower.value * factor, self.upper.value * factor, self.count.value)
        usual = usual_span(self._state, self.axis.value).text() == span.text()
        self._state.param.update({f"{self._name}_span": "" if usual else span.text()})

    def _show(self, *_events: Any) -> None:
        """Put on the widgets what the state says, without taking that for a choice."""
        axis = getattr(self._state, self._name)
        self._showing = True
        try:
            self.axis.value = axis
            numeric = axis in SPANS
            for widget in (self.lower, self.upper, self.count):
                widget.visible = numeric
            if axis != NO_AXIS:
                spec = PARAMETERS.get(axis)
                self.axis.description = EXPLAIN[axis] if spec is None else spec.explain
            if numeric:
                self._show_span(axis)
        finally:
            self._showing = False

    def _show_span(self, axis: str) -> None:
        unit = f" [{axis_unit(axis)}]" if axis_unit(axis) else ""
        self.lower.label, self.upper.label = f"From{unit}", f"To{unit}"
        self.count.label = "Values"
        try:
            span = span_of(self._state, axis, getattr(self._state, f"{self._name}_span"))
        except AnalogModelError:
            # The page says what is wrong with it; the boxes keep what was typed.
            return
        factor = self._factor()
        self.lower.value, self.upper.value = span.lower / factor, span.upper / factor
        self.count.value = span.count


class DesignControls:
    """Everything that a user chooses about a sweep."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.measure = pn.widgets.RadioButtonGroup(
            label="Measure",
            options={MEASURE_LABELS[name]: name for name in MEASURES},
            value=state.sweep_measure,
            margin=(0, 12, 0, 0),
        )
        self.network = pn.widgets.Select(
            label="Network",
            options={name.replace("_", " "): name for name in NETWORKS},
            value=state.sweep_network,
            width=120,
            margin=(0, 10, 0, 0),
            description="Perceptron on the digits that come with the package, "
            "trained digitally once.",
        )
        self.epochs = pn.widgets.IntInput(
            label="Epochs of retraining",
            value=state.sweep_epochs,
            start=1,
            end=20,
            width=130,
            margin=0,
            description="Passes over the 4,000 training digits on the chip of every point.",
        )
        self.x = AxisControls(state, name="sweep_x", label="Horizontal", optional=False)
        self.y = AxisControls(state, name="sweep_y", label="Vertical", optional=True)
        self.layout = pn.Column(
            pn.Row(self.x.layout, self.y.layout, margin=0, **_ROW),
            pn.Row(self.network, self.epochs, margin=0, **_ROW),
            sizing_mode="stretch_width",
            margin=(8, 0, 0, 0),
        )
        self._show()
        for name in ("measure", "network", "epochs"):
            getattr(self, name).param.watch(self._setter(f"sweep_{name}"), "value")
        state.param.watch(self._show, ["sweep_measure", "sweep_network", "sweep_epochs"])

    def _setter(self, name: str) -> Callable[[param.parameterized.Event], None]:
        def choose(event: param.parameterized.Event) -> None:
            if event.new is not None:
                self._state.param.update({name: event.new})

        return choose

    def _show(self, *_events: Any) -> None:
        for name in ("measure", "network", "epochs"):
            getattr(self, name).value = getattr(self._state, f"sweep_{name}")
        self.network.visible = self._state.sweep_measure != SER
        self.epochs.visible = self._state.sweep_measure == RETRAINED
