"""Controls of the chip: where it comes from, its effects, its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param
from panel.viewable import Viewable

from analog_model import vocabulary as v
from analog_model.chip.layout import LAYOUT_RULES
from dashboard.history import History
from dashboard.latest import LatestOnly
from dashboard.parameters import PARAMETERS, ParameterSpec, values_of, widened
from dashboard.sources import BUNDLED, CALIBRATED, GIVEN, SYNTHETIC, UPLOAD
from dashboard.state import CHIP_INPUTS, MAX_LINES, State

SOURCE_LABELS = {BUNDLED: "Bundled", UPLOAD: "Upload", SYNTHETIC: "Synthetic"}
LAYOUT_LABELS = {rule.replace("_", " "): rule for rule in LAYOUT_RULES}
# Heading, then its effects with their parameters; None heads parameters of no one effect.
GROUPS: tuple[tuple[str, tuple[tuple[str | None, tuple[str, ...]], ...]], ...] = (
    ("Effects", (("crosstalk", ("coupling_scale", "specific_current")),)),
    (
        "Bit-line drop",
        (
            (None, ("drain_sensitivity",)),
            ("wire", ("wire_resistance",)),
            ("lumped", ("lumped_resistance",)),
            ("droop", ("capacitance",)),
            (None, ("solution",)),
        ),
    ),
    ("Pulses", ((None, ("alignment", "stagger_step")), ("dead_time", ("dead_time",)))),
    (
        "Converters",
        (("input_bits", ("bits", "lsb")), ("readout", ("readout_bits", "full_scale"))),
    ),
)
EFFECT_LABELS = {
    "crosstalk": "Crosstalk",
    "wire": "Wire drop",
    "lumped": "Lumped drop",
    "droop": "Droop",
    "dead_time": "Dead time of the edges",
    "input_bits": "Input code",
    "readout": "Readout",
}
WIDTH = {"sizing_mode": "stretch_width", "margin": (2, 2)}
BOX = {"sizing_mode": "stretch_width", "margin": 0}


class SourceControls(param.Parameterized):
    """Which chip: the bundled one, an upload, or a layout rule's.

    Choosing "Upload" opens the page's upload box; the chip in view stays until a file has
    come and was read.
    """

    upload_open = param.Boolean(default=False)

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self._given = state.source == GIVEN
        self.source = pn.widgets.RadioButtonGroup(
            label="Chip",
            options=self._sources(),
            value=state.source,
            # Four of them side by side, in two rows beside a tablet's page.
            stylesheets=[".bk-btn { padding: 3px 5px; } .bk-btn-group { flex-wrap: wrap; }"],
            **WIDTH,
        )
        self.weight_set = pn.widgets.Select(label="Programmed weights", **WIDTH)
        self.n_word_lines = self._lines("Word lines", "n_word_lines")
        self.n_bit_lines = self._lines("Bit lines", "n_bit_lines")
        self.layout_rule = pn.widgets.Select(
            label="Layout", options=LAYOUT_LABELS, value=state.layout_rule, **WIDTH
        )
        self.seed = pn.widgets.IntInput(
            label="Seed of the weights", value=state.seed, start=0, **WIDTH
        )
        self.synthetic = pn.Column(
            pn.Row(self.n_word_lines, self.n_bit_lines, **BOX),
            self.layout_rule,
            self.seed,
            **BOX,
        )
        self.layout = pn.Column(self.source, self.synthetic, self.weight_set, **BOX)
        self._show()
        for name in ("n_word_lines", "n_bit_lines", "layout_rule", "seed", "weight_set", "source"):
            getattr(self, name).param.watch(self._setter(name), "value")
        state.param.watch(
            self._show,
            [
                "source",
                "chip_id",
                "n_word_lines",
                "n_bit_lines",
                "layout_rule",
                "seed",
                "weight_set",
            ],
        )
        state.param.watch(self._show, "measurement")

    def _sources(self) -> dict[str, str]:
        """What can be chosen: a calibrated chip only once there is one."""
        labels = {GIVEN: "Given", **SOURCE_LABELS} if self._given else dict(SOURCE_LABELS)
        if self.state.chip_id:
            labels |= {CALIBRATED: "Calibrated"}
        return {label: name for name, label in labels.items()}

    def _lines(self, label: str, name: str) -> pn.widgets.IntInput:
        return pn.widgets.IntInput(
            label=label, value=getattr(self.state, name), start=1, end=MAX_LINES, **WIDTH
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
        _set(self.source, options=self._sources())
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


class ParameterControls:
    """The chip's effects, each with the parameters it has, in units a person reads."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._showing = False
        self._spans: dict[str, tuple[float, float]] = {}
        self.widgets: dict[str, pn.widgets.Widget] = {
            name: _widget(spec) for name, spec in PARAMETERS.items()
        }
        self.switches = {
            name: pn.widgets.Checkbox(label=label, css_classes=["switch"], **WIDTH)
            for name, label in EFFECT_LABELS.items()
        }
        self.note = pn.pane.HTML(
            "A drop acts through the drain sensitivity, which is 0: no drop has an effect.",
            css_classes=["note"],
            visible=False,
            **WIDTH,
        )
        self.reset = pn.widgets.Button(label="Reset to the chip's own values", **WIDTH)
        self.layout = pn.Column(*self._rows(), self.reset, **BOX)
        self._show()
        for name, widget in self.widgets.items():
            widget.param.watch(self._setter(name), "value")
        for switch in self.switches.values():
            switch.param.watch(self._switch, "value")
        self.reset.on_click(self._on_reset)
        state.param.watch(self._show, ["source_chip", *CHIP_INPUTS])

    def _rows(self) -> list[Viewable]:
        rows: list[Viewable] = []
        for heading, effects in GROUPS:
            rows.append(pn.pane.HTML(f"<h2>{heading}</h2>", css_classes=["heading"], **WIDTH))
            for effect, names in effects:
                rows += [] if effect is None else [self.switches[effect]]
                rows += [self.widgets[name] for name in names]
                rows += [self.note] if names == ("drain_sensitivity",) else []
        return rows

    def _span(self, spec: ParameterSpec, value: Any, own: Any) -> tuple[float, float]:
        """Ends of a slider in SI: the usual ones, wider where the chip's own or the value lies.

        While something is chosen they only widen, lest the slider shrink under a drag.
        """
        if spec.choices:
            return spec.usual
        bounds = (spec.lower, spec.upper)
        chosen = getattr(self.state, spec.name) != self.state.param[spec.name].default
        span = self._spans.get(spec.name, spec.usual) if chosen else spec.usual
        self._spans[spec.name] = widened(widened(span, own, bounds), value, bounds)
        return self._spans[spec.name]

    def _setter(self, name: str) -> Callable[[param.parameterized.Event], None]:
        spec = PARAMETERS[name]
        choose: LatestOnly[Any] = LatestOnly(lambda value: self.state.param.update({name: value}))

        def moved(event: param.parameterized.Event) -> None:
            if not self._showing and event.new is not None:
                choose(_in_si(spec, event.new))

        return moved

    def _switch(self, _event: param.parameterized.Event) -> None:
        if not self._showing:
            self.state.effects = [name for name in v.EFFECTS if self.switches[name].value]

    def _on_reset(self, _event: Any) -> None:
        self.state.reset_parameters()

    def _show(self, *_events: param.parameterized.Event) -> None:
        """Put the values in force on the widgets, without taking that for a user's choice."""
        self._showing = True
        values, own = self.state.parameter_values, values_of(self.state.source_chip)
        try:
            for name, switch in self.switches.items():
                _set(switch, value=name in self.state.effects)
            for name, value in values.items():
                spec = PARAMETERS[name]
                _put(self.widgets[name], spec, value, self._span(spec, value, own[name]))
                off = spec.effect is not None and spec.effect not in self.state.effects
                _set(self.widgets[name], disabled=off)
        finally:
            self._showing = False
        whose = "calibrated" if self.state.source == CALIBRATED else "chip's own"
        _set(self.reset, label=f"Reset to the {whose} values")
        _set(self.widgets["stagger_step"], visible=values["alignment"] == "staggered")
        drops = (values["wire_resistance"], values["lumped_resistance"], values["capacitance"])
        _set(self.note, visible=not values["drain_sensitivity"] and any(drops))


# Panel holds each value back for 50 ms, lest many follow; `LatestOnly` sees to that here.
_HOLD_BACK_MS = 1


def _widget(spec: ParameterSpec) -> pn.widgets.Widget:
    widget = _plain_widget(spec)
    widget._debounce = _HOLD_BACK_MS  # noqa: SLF001 - Panel has no option for it
    return widget


def _plain_widget(spec: ParameterSpec) -> pn.widgets.Widget:
    if spec.choices:
        labels = {"self_consistent": "self-consistent", "first_order": "first order"}
        options = {labels.get(choice, choice): choice for choice in spec.choices}
        return pn.widgets.Select(label=spec.label, options=options, **WIDTH)
    start, end = _ends(spec, spec.usual)
    if spec.integer:
        return pn.widgets.IntSlider(label=spec.title, start=start, end=end, **WIDTH)
    return pn.widgets.FloatSlider(
        label=spec.title,
        start=start,
        end=end,
        step=spec.step / spec.factor,
        format="0[.]00",
        **WIDTH,
    )


def _ends(spec: ParameterSpec, span: tuple[float, float]) -> tuple[float, float]:
    """Ends of a slider, in the unit that it shows."""
    if spec.integer:
        return int(span[0]), int(span[1])
    return float(f"{span[0] / spec.factor:.6g}"), float(f"{span[1] / spec.factor:.6g}")


def _in_si(spec: ParameterSpec, shown: Any) -> Any:
    if spec.choices or spec.integer:
        return shown
    # The slider's rounding must not leave the bounds by one ulp.
    return min(max(float(shown) * spec.factor, spec.lower), spec.upper)


def _put(
    widget: pn.widgets.Widget, spec: ParameterSpec, value: Any, span: tuple[float, float]
) -> None:
    """Show a value in SI; None shows as what its absence means, the handle at rest."""
    if spec.choices:
        _set(widget, value=value)
        return
    absent = value is None
    shown = (spec.rest if absent else value) / spec.factor
    shown = int(shown) if spec.integer else float(f"{shown:.6g}")
    start, end = _ends(spec, span)
    _set(
        widget,
        label=spec.absent_title if absent else spec.title,
        show_value=not absent,
        # The digits that are shown may lie beyond the end by the last of them.
        start=min(start, shown),
        end=max(end, shown),
        value=shown,
    )


def _set(widget: Viewable, **values: Any) -> None:
    """Set what differs: an equal value would still travel to the browser."""
    differing = {k: value for k, value in values.items() if getattr(widget, k) != value}
    if differing:
        widget.param.update(**differing)


class Sidebar:
    """Everything about the chip that a user can change."""

    def __init__(self, state: State) -> None:
        self.source = SourceControls(state)
        self.parameters = ParameterControls(state)
        self.history = History(state)
        self.undo = _history_button("Undo", "Undo the last change of the chip (Ctrl+Z)")
        self.redo = _history_button("Redo", "Redo what was undone (Ctrl+Shift+Z)")
        self.layout = pn.Column(pn.Row(self.undo, self.redo, **BOX), *self.parameters.layout, **BOX)
        self.undo.on_click(lambda _event: self.history.undo())
        self.redo.on_click(lambda _event: self.history.redo())
        self.history.param.watch(self._show, ["can_undo", "can_redo"])
        self._show()

    def _show(self, *_events: Any) -> None:
        _set(self.undo, disabled=not self.history.can_undo)
        _set(self.redo, disabled=not self.history.can_redo)


def _history_button(label: str, explain: str) -> pn.widgets.Button:
    return pn.widgets.Button(label=label, description=explain, **WIDTH)
