"""Words of the retraining page: what will be trained, what came out."""

from __future__ import annotations

import math
from html import escape

import numpy as np

import analog_model as am
from dashboard.training_curves import n_batches
from dashboard.training_plan import TrainingPlan
from dashboard.views.retraining_numbers import (
    DIGITAL,
    TREATMENT_COLOURS,
    TREATMENT_LABELS,
    UNDEFENDED,
    Treatment,
)

NETWORK_LABELS = {
    "mlp_4x4": "MLP 16-16-10",
    "mlp_14x14": "MLP 196-128-10",
    "lenet5": "LeNet-5",
    "vgg_small": "VGG, small",
}
IMAGE_LABELS = {
    "mnist_5k": "MNIST, 5,000 digits",
    "mnist": "MNIST, all 70,000",
    "cifar10": "CIFAR-10, all 60,000",
}
_MUTED = "color: var(--muted, #5a6577)"
_CELL = "padding: 4px 10px 4px 0; text-align: left; font-weight: 400; white-space: nowrap"


def beforehand(plan: TrainingPlan) -> str:
    """What training would do, where nothing is trained yet."""
    first = plan.runs[0].configuration
    rows = [
        ("Float network", f"{first.epochs} epochs of {n_batches(first)} batches, no chip"),
        *(
            (TREATMENT_LABELS[run.mode], _effort(run.configuration.epochs, run.mode))
            for run in plan.runs[1:]
        ),
        ("Chip", f"{escape(str(plan.chip.name))}, {arrays(plan)}"),
        ("Judged by", "the whole test part, which no training sees"),
    ]
    facts = "".join(
        f'<tr><th scope="row" style="{_CELL}; {_MUTED}">{name}</th>'
        f'<td style="padding: 4px 0">{text}</td></tr>'
        for name, text in rows
    )
    return _box(
        f"Train {escape(NETWORK_LABELS[first.network])} on {IMAGE_LABELS[first.images]}",
        "<p>First a float network, which the chip then computes wrongly; then the same network "
        "retrained to live with the chip. Press <b>Train</b> and watch.</p>"
        f"<table>{facts}</table>"
        f'<p style="{_MUTED}">Training runs on the server: close the page, come back, it has '
        "gone on. The sidebar sets the chip; more coupling, more to recover.</p>",
    )


def refused(problem: str) -> str:
    """Why what was chosen cannot be trained."""
    return _box("These choices do not fit", f"<p>{escape(problem)}</p>")


def _effort(epochs: int, mode: str) -> str:
    where = "off the chip, on noisy weights" if mode == "noise" else "through the model of the chip"
    return f"{epochs} {'epoch' if epochs == 1 else 'epochs'} more, {where}"


def arrays(plan: TrainingPlan) -> str:
    """Arrays of a plan, as words."""
    rows, columns = plan.array_shape or (plan.chip.n_word_lines, plan.chip.n_bit_lines)
    text = f"arrays of {rows} × {columns}"
    if plan.variation is not None:
        one = plan.variation
        text += f", {one.n_chips} chips within ±{100 * one.coupling:.0f} %"
    return text


def summary(treatments: dict[str, Treatment]) -> str:
    """What the chip costs, what retraining wins back."""
    digital, bare = treatments.get(DIGITAL), treatments.get(UNDEFENDED)
    if digital is None:
        return ""
    parts = [f"<span>{100 * digital.accuracy:.1f} % in digital</span>"]
    big, rest = f"{100 * digital.accuracy:.1f} %", ""
    if bare is not None:
        lost = 100 * (digital.accuracy - bare.accuracy)
        parts.append(f"<span>→ {100 * bare.accuracy:.1f} % on the chip</span>")
        big = f"{100 * bare.accuracy:.1f} %"
        rest = _points(lost, "lost", "gained")
        best = max(
            (one for name, one in treatments.items() if name not in {DIGITAL, UNDEFENDED}),
            key=lambda one: one.accuracy,
            default=None,
        )
        if best is not None:
            won = 100 * (best.accuracy - bare.accuracy)
            parts.append(f"<span>→ {escape(best.label.lower())}</span>")
            big = f"{100 * best.accuracy:.1f} %"
            rest += f", {_points(won, 'won back' if lost > 0 else 'won', 'lost in retraining')}"
    return (
        '<div class="summary" style="display: flex; flex-wrap: wrap; gap: 0 8px; '
        f'align-items: baseline; line-height: 1.4">{"".join(parts)}'
        f'<span style="font-size: 20px; font-weight: 600; margin-left: 4px">{big}</span>'
        f'<span style="{_MUTED}">{rest}</span></div>'
    )


def _points(value: float, more: str, less: str) -> str:
    if abs(value) < 0.05:
        return "nothing lost" if more == "lost" else "nothing won"
    return f"{abs(value):.1f} points {more if value > 0 else less}"


def table(treatments: dict[str, Treatment], expected: tuple[str, ...]) -> str:
    """Final figures, a row for each treatment; its bullet is the legend of the plots."""
    rows = "".join(_row(name, treatments.get(name)) for name in expected)
    return (
        '<table class="figures" style="border-collapse: collapse; width: 100%; font-size: 13px">'
        f'<thead><tr style="{_MUTED}"><th scope="col" style="{_CELL}">Network</th>'
        f'<th scope="col" style="{_CELL}; text-align: right">Test accuracy</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(name: str, one: Treatment | None) -> str:
    bullet = f'<span style="color: {TREATMENT_COLOURS[name]}">●</span>'
    line = "border-top: 1px solid var(--border, #d9dde3)"
    head = f'<th scope="row" style="{_CELL}; {line}">{bullet} {TREATMENT_LABELS[name]}</th>'
    if one is None:
        return f'<tr>{head}<td style="{line}; text-align: right; {_MUTED}">–</td></tr>'
    figure = f"<b>{100 * one.accuracy:.1f}</b> ± {100 * one.standard_error:.1f} %"
    return (
        f'<tr>{head}<td style="{line}; text-align: right; white-space: nowrap">{figure}</td></tr>'
        f'<tr><td colspan="2" style="padding: 0 0 5px 16px; font-size: 12px; {_MUTED}">'
        f"{_details(one)}</td></tr>"
    )


def _details(one: Treatment) -> str:
    share = one.class_accuracy
    worst = int(np.nanargmin(share))
    text = f"weakest class {escape(one.labels[worst])}: {100 * share[worst]:.0f} %"
    if one.own is not None and np.isfinite(one.own).any():
        layer = int(np.nanargmin(one.own))
        ratio = float(one.own[layer])
        text += f"; layer {escape(one.layers[layer])}: {am.decibel(ratio):.1f} dB"
    if not math.isnan(one.mean):
        text += f"; {one.n_others} other chips {100 * one.mean:.1f} ± {100 * one.spread:.1f} %"
    return text


def _box(title: str, body: str) -> str:
    return (
        '<div style="max-width: 640px; margin: 4vh auto; line-height: 1.5; font-size: 14px">'
        '<h2 style="font-size: 18px; text-transform: none; letter-spacing: 0; '
        f'color: inherit; margin: 0 0 8px">{title}</h2>{body}</div>'
    )
