"""Controls of the chip: where it comes from, its effects, its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import panel as pn
import param

from analog_model import vocabulary as v
from analog_model.chip.layout import LAYOUT_RULES
from dashboard.latest import latest_only
from dashboard.parameters import PARAMETERS, ParameterSpec
from dashboard.sources import BUNDLED, GIVEN, SYNTHETIC, UPLOAD
from dashboard.state import CHIP_INPUTS, MAX_LINES, State

SOURCE_LABELS = {BUNDLED: "Bundled", UPLOAD: "Upload", SYNTHETIC: "Synthetic"}
LAYOUT_LABELS = {rule.replace("_", " "): rule for rule in LAYOUT_RULES}
EFFECT_LABELS = {
    "crosstalk": "Crosstalk",
    "wire": "Wire drop",
    "lumped": "Lumped drop",
    "droop": "Droop",
    "dead_time": "Dead time",
    "input_bits": "Input code",
    "readout": "Readout",
}
WIDTH = {"sizing_mode": "stretch_width", "margin": (3, 2)}


class SourceControls(param.Parameterized):
    """Which chip: the bundled one, an upload, or a layout rule's.

    Choosing "Upload" opens the page's upload box; the chip in view stays until a file has
    come and was read.
    """

    upload_open = param.Boolean(default=False)

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        labels = dict(SOURCE_LABELS)
        if state.source == GIVEN:
            labels = {GIVEN: "Given", **labels}
        self.source = pn.widgets.RadioButtonGroup(
            name="Chip",
            options={label: name for name, label in labels.items()},
            value=state.source,
            button_type="default",
            **WIDTH,
        )
        self.weight_set = pn.widgets.Select(name="Programmed weights", **WIDTH)
        self.n_word_lines = self._lines("Word lines", "n_word_lines")
        self.n_bit_lines = self._lines("Bit lines", "n_bit_lines")
        self.layout_rule = pn.widgets.Select(
            name="Layout", options=LAYOUT_LABELS, value=state.layout_rule, **WIDTH
        )
        self.seed = pn.widgets.IntInput(
            name="Seed of the weights", value=state.seed, start=0, **WIDTH
        )
        self.synthetic = pn.Column(
            pn.Row(self.n_word_lines, self.n_bit_lines, **WIDTH),
            self.layout_rule,
            self.seed,
            **WIDTH,
        )
        self.layout = pn.Column(
            self.source, self.synthetic, self.weight_set, sizing_mode="stretch_width"
        )
        self._show()
        for name in ("n_word_lines", "n_bit_lines", "layout_rule", "seed", "weight_set", "source"):
            getattr(self, name).param.watch(self._setter(name), "value")
        state.param.watch(
            self._show,
            ["source", "n_word_lines", "n_bit_lines", "layout_rule", "seed", "weight_set"],
        )
        state.param.watch(self._show, "measurement")

    def _lines(self, label: str, name: str) -> pn.widgets.IntInput:
        return pn.widgets.IntInput(
            name=label, value=getattr(self.state, name), start=1, end=MAX_LINES, **WIDTH
        )

    def _setter(self, name: str) -> Callable[[param.parameterized.Event], None]:
        def choose(event: param.parameterized.Event) -> None:
            if event.new is None:
                return
            if name == "source":
                self.upload_open = event.new == UPLOAD
                if self.upload_open and not self.state.upload_id:
                    return
            self.state.param.update({name: event.new})

        return choose

    def _show(self, *_events: param.parameterized.Event) -> None:
        state = self.state
        self.source.value = state.source
        self.upload_open = state.source == UPLOAD
        self.synthetic.visible = state.source == SYNTHETIC
        for name in ("n_word_lines", "n_bit_lines", "layout_rule", "seed"):
            getattr(self, name).value = getattr(state, name)
        n_sets = 1 if state.measurement is None else state.measurement.sizes.get(v.WEIGHT_SET, 1)
        self.weight_set.param.update(
            options={f"Set {k}": k for k in range(n_sets)},
            value=min(state.weight_set, n_sets - 1),
            visible=n_sets > 1 and state.source != SYNTHETIC,
        )


class EffectControls:
    """Which of the chip's effects are on."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.effects = pn.widgets.CheckBoxGroup(
            name="Effects",
            options={EFFECT_LABELS[name]: name for name in v.EFFECTS},
            css_classes=["effects"],
            **WIDTH,
        )
        self.note = pn.pane.HTML("", css_classes=["note"], **WIDTH)
        self.layout = pn.Column(
            _heading("Effects"), self.effects, self.note, sizing_mode="stretch_width"
        )
        self._show()
        self.effects.param.watch(self._choose, "value")
        state.param.watch(self._show, ["effects", "chip"])

    def _choose(self, event: param.parameterized.Event) -> None:
        self.state.effects = [name for name in v.EFFECTS if name in event.new]

    def _show(self, *_events: param.parameterized.Event) -> None:
        state = self.state
        self.effects.value = list(state.effects)
        idle = [EFFECT_LABELS[e].lower() for e in state.effects if e not in state.chip.effects]
        text = f"Without parameters, so without effect: {', '.join(idle)}." if idle else ""
        self.note.object = text


class ParameterControls:
    """One slider or choice per chip parameter, in the unit a person reads."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._showing = False
        self.widgets: dict[str, pn.widgets.Widget] = {
            name: self._widget(spec) for name, spec in PARAMETERS.items()
        }
        self.reset = pn.widgets.Button(
            name="Reset to the chip's own", button_type="default", **WIDTH
        )
        self.layout = pn.Column(
            _heading("Parameters"), *self.widgets.values(), self.reset, sizing_mode="stretch_width"
        )
        self._show()
        for name, widget in self.widgets.items():
            widget.param.watch(self._setter(name), "value")
        self.reset.on_click(self._on_reset)
        state.param.watch(self._show, ["source_chip", *CHIP_INPUTS])

    def _widget(self, spec: ParameterSpec) -> pn.widgets.Widget:
        if spec.choices:
            options = {choice.replace("_", " ").replace("self c", "self-c"): choice
                       for choice in spec.choices}
            return pn.widgets.Select(
                name=spec.label, options=options, description=spec.explain, **WIDTH
            )
        if spec.integer:
            return pn.widgets.IntSlider(
                name=f"{spec.label} [{spec.unit}]",
                start=int(spec.lower),
                end=int(spec.upper),
                **WIDTH,
            )
        return pn.widgets.FloatSlider(
            name=f"{spec.label} [{spec.unit}]",
            start=spec.lower / spec.factor,
            end=spec.upper / spec.factor,
            step=spec.step / spec.factor,
            format="0[.]00",
            **WIDTH,
        )

    def _setter(self, name: str) -> Callable[[param.parameterized.Event], None]:
        spec = PARAMETERS[name]
        choose = latest_only(lambda value: self.state.param.update({name: value}))

        def moved(event: param.parameterized.Event) -> None:
            if not self._showing and event.new is not None:
                choose(_in_si(spec, event.new))

        return moved

    def _on_reset(self, _event: Any) -> None:
        self.state.reset_parameters()

    def _show(self, *_events: param.parameterized.Event) -> None:
        """Put the values in force on the widgets, without taking that for a user's choice."""
        self._showing = True
        try:
            for name, value in self.state.parameter_values.items():
                _put(self.widgets[name], PARAMETERS[name], value)
        finally:
            self._showing = False


def _in_si(spec: ParameterSpec, shown: Any) -> Any:
    if spec.choices or spec.integer:
        return shown
    # The slider's rounding must not leave the bounds by one ulp.
    return min(max(float(shown) * spec.factor, spec.lower), spec.upper)


def _put(widget: pn.widgets.Widget, spec: ParameterSpec, value: Any) -> None:
    if value is None:
        value = spec.choices[0] if spec.choices else spec.lower
    if not spec.choices:
        value = value / spec.factor
        if not spec.integer:
            value = float(f"{value:.6g}")
        else:
            value = int(value)
        if value > widget.end:
            widget.end = math.ceil(value)
        if value < widget.start:
            widget.start = value
    if widget.value != value:
        widget.value = value


def _heading(text: str) -> pn.pane.HTML:
    return pn.pane.HTML(f"<h2>{text}</h2>", css_classes=["heading"], **WIDTH)


class Sidebar:
    """Everything about the chip that a user can change."""

    def __init__(self, state: State) -> None:
        self.source = SourceControls(state)
        self.effects = EffectControls(state)
        self.parameters = ParameterControls(state)
        self.layout = pn.Column(
            self.effects.layout, self.parameters.layout, sizing_mode="stretch_width"
        )
