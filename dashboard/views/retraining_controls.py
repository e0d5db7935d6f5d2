"""Controls of the retraining page: what is trained, on which arrays, how."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard.state import State
from dashboard.training_choices import ARRAY_SIDES, DEFENCES, OWN_ARRAY
from dashboard.training_plan import TrainingPlan, images_for
from dashboard.views.retraining_numbers import TREATMENT_LABELS
from dashboard.views.retraining_words import IMAGE_LABELS, NETWORK_LABELS

_MARGIN = (0, 10, 0, 0)
_OPTION_MARGIN = (4, 5)
_BOX_STYLES = {
    "position": "absolute",
    "right": "0",
    "top": "50px",
    "z-index": "12",
    "padding": "10px 14px 14px",
    "background": "var(--bg, #ffffff)",
    "border": "1px solid var(--border, #d9dde3)",
    "border-radius": "8px",
    "box-shadow": "0 8px 28px rgb(0 0 0 / 18%)",
}


class Controls:
    """Widgets of the choices, bound to the state both ways."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._reflecting = False
        self.widgets = {**self._row_widgets(), **self._option_widgets()}
        self.options_button = pn.widgets.Toggle(label="Options…", width=88, margin=(18, 0, 0, 0))
        self.row = pn.Row(
            *(self.widgets[name] for name in ("network", "images", "array_side")),
            self._labelled("Retrain with", self.widgets["defences"]),
            pn.Spacer(sizing_mode="stretch_width"),
            self.options_button,
            sizing_mode="stretch_width",
            margin=0,
            styles={"flex-wrap": "wrap", "row-gap": "6px"},
        )
        self.box = self._box()
        self.options_button.param.watch(self._open, "value")
        for name, widget in self.widgets.items():
            widget.param.watch(self._choosing(name), "value")
        state.param.watch(self.reflect, list(self.widgets))
        self.reflect()

    def _row_widgets(self) -> dict[str, pn.widgets.Widget]:
        state = self.state
        sides = {("the chip's" if s == OWN_ARRAY else f"{s} × {s}"): s for s in ARRAY_SIDES}
        return {
            "network": pn.widgets.Select(
                label="Network",
                options={label: n for n, label in NETWORK_LABELS.items()},
                width=142,
                margin=_MARGIN,
            ),
            "images": pn.widgets.Select(
                label="Images", options=_images(state.network), width=168, margin=_MARGIN
            ),
            "array_side": pn.widgets.Select(
                label="Arrays", options=sides, width=104, margin=_MARGIN
            ),
            "defences": pn.widgets.CheckButtonGroup(
                label="Retrain with",
                options={TREATMENT_LABELS[name]: name for name in DEFENCES},
                value=list(state.defences),
                margin=0,
            ),
        }

    def _option_widgets(self) -> dict[str, pn.widgets.Widget]:
        return {
            "epochs": _count(
                "Epochs", "Passes of retraining over the images.", lower=1, upper=1000
            ),
            "learning_rate": _number(
                "Learning rate",
                "Largest step of a weight, in retraining; it rises and falls once.",
                lower=1e-6,
                upper=1.0,
                step=1e-3,
            ),
            "distillation": _number(
                "Distillation",
                "Share of the loss that is distance to the float network's scores, not to labels.",
                upper=1.0,
                step=0.1,
            ),
            "training_seed": _count(
                "Seed", "Of everything random in training.", lower=0, upper=2**31 - 1
            ),
            "n_chips": _count(
                "Chips",
                "Chips of one production to train on, judged by others; 0 takes the one in view.",
                lower=0,
                upper=32,
            ),
            "chip_spread": _number(
                "Spread", "Of all κ and all Ω from chip to chip, as a share.", upper=0.9
            ),
            "programming_error": _number(
                "Programming error",
                "Standard deviation of a written current, as a share of full scale.",
                upper=0.5,
            ),
            "kappa_mismatch": _number(
                "Coupling mismatch",
                "Standard deviation of every κ of every cell, as a share of it.",
                upper=1.0,
            ),
            "read_noise": _number(
                "Read noise",
                "Standard deviation of one read, as a share of the largest charge.",
                upper=0.5,
            ),
        }

    def _box(self) -> pn.Column:
        names = list(self.widgets)[4:]
        rows = [
            pn.Row(*(self.widgets[name] for name in names[k : k + 2]), margin=0)
            for k in range(0, len(names), 2)
        ]
        return pn.Column(*rows, visible=False, width=318, margin=0, styles=_BOX_STYLES)

    @staticmethod
    def _labelled(text: str, widget: pn.widgets.Widget) -> pn.Column:
        style = "font-size: 12px; color: var(--muted, #5a6577); line-height: 18px"
        label = pn.pane.HTML(f'<div style="{style}">{text}</div>', margin=0)
        return pn.Column(label, widget, margin=_MARGIN)

    def show_recipe(self, plan: TrainingPlan) -> None:
        """Name, in empty boxes, what the recipe takes."""
        retraining = plan.runs[-1].configuration if len(plan.runs) > 1 else None
        for name in ("epochs", "learning_rate"):
            text = "recipe" if retraining is None else f"{getattr(retraining, name):g}"
            if self.widgets[name].placeholder != text:
                self.widgets[name].placeholder = text

    def reflect(self, *_events: Any) -> None:
        """Have the widgets say what the state says."""
        self._reflecting = True
        try:
            options = _images(self.state.network)
            if self.widgets["images"].options != options:
                self.widgets["images"].options = options
            for name, widget in self.widgets.items():
                value = getattr(self.state, name)
                if name == "images" and value not in options.values():
                    continue
                if widget.value != value:
                    widget.value = value
        finally:
            self._reflecting = False

    def _choosing(self, name: str) -> Any:
        def choose(event: Any) -> None:
            if self._reflecting or (event.new is None and name not in {"epochs", "learning_rate"}):
                return
            changes = {name: event.new}
            if name == "network":
                offered = images_for(event.new)
                if self.state.images not in offered:
                    changes["images"] = offered[0]
            if name == "defences":
                changes[name] = [one for one in DEFENCES if one in event.new]
            self.state.param.update(**changes)

        return choose

    def _open(self, event: Any) -> None:
        self.box.visible = event.new


def _number(
    label: str, explain: str, *, upper: float, lower: float = 0.0, step: float = 0.01
) -> pn.widgets.FloatInput:
    return pn.widgets.FloatInput(
        label=label,
        description=explain,
        start=lower,
        end=upper,
        step=step,
        width=134,
        margin=_OPTION_MARGIN,
    )


def _count(label: str, explain: str, *, lower: int, upper: int) -> pn.widgets.IntInput:
    return pn.widgets.IntInput(
        label=label,
        description=explain,
        start=lower,
        end=upper,
        width=134,
        margin=_OPTION_MARGIN,
    )


def _images(network: str) -> dict[str, str]:
    return {IMAGE_LABELS[name]: name for name in images_for(network)}
