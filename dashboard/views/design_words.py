"""Words of the design page: what is asked, what was found."""

from __future__ import annotations

from html import escape

from dashboard.design_choices import RETRAINED, SER
from dashboard.design_question import N_PATTERNS, SEED, SweepQuestion
from dashboard.views.design_numbers import Readings, axis_label, point_text

_MUTED = "color: var(--muted, #5a6577)"
N_IMAGES = 500


def conditions(question: SweepQuestion) -> str:
    """On what the numbers are measured."""
    if question.measure == SER:
        return f"{N_PATTERNS} random patterns, seed {SEED}"
    epochs = f", {question.epochs} epochs on each chip" if question.measure == RETRAINED else ""
    return f"{question.network.replace('_', ' ')}, {N_IMAGES} test digits{epochs}"


def title(question: SweepQuestion, readings: Readings) -> str:
    """Title of the figure."""
    shown = readings.shown
    return f"{shown.label} [{shown.unit}] · {conditions(question)} · {question.chip.name}"


def summary(readings: Readings, *, marked: bool) -> str:
    """The best and the worst point, where the chip in view is."""
    order = readings.best_first()
    if not order:
        return ""
    shown = readings.shown
    best, worst = order[0], order[-1]
    parts = [
        f"{len(order)} of {readings.n_points} points. "
        if len(order) < readings.n_points
        else f"{readings.n_points} points. "
    ]
    for word, index in (("Best", best), ("worst", worst)):
        text = shown.text(readings.known[index][shown.name])
        parts.append(
            f"{word} <b>{text}</b> at {escape(point_text(readings.values_at(index)))}"
            + ("; " if word == "Best" else ". ")
        )
    ring = "The ring" if len(readings.over) == 2 else "The dotted line"
    parts.append(
        f"{ring} marks the chip in view."
        if marked
        else "The chip in view lies outside of these values."
    )
    return f'<div class="summary" style="line-height: 1.45">{"".join(parts)}</div>'


def invitation(question: SweepQuestion) -> str:
    """An empty page says what a sweep would do."""
    axes = " and ".join(
        f"<b>{escape(axis_label(name)[0].lower() + axis_label(name)[1:])}</b>"
        for name in question.over
    )
    n_points = question.n_points
    seconds = {SER: "Every point takes a fraction of a second"}.get(
        question.measure,
        "Every point takes seconds; the digital network is trained once, before the first",
    )
    return _box(
        f"A sweep of {n_points} chips",
        f"<p>It changes {axes} of {escape(question.chip.name)}, and measures every chip by "
        f"{conditions(question)}.</p><p>Press Run. {seconds}. Points are kept: what was "
        "computed once, by anybody here, is not computed again. Closing the page stops the sweep; "
        "Run then goes on from the points there are.</p>"
        f'<p style="{_MUTED}">Tap a point to take its values into the chip of every page.</p>',
    )


def refusal(error: BaseException) -> str:
    """Why nothing can be swept."""
    return _box(
        "This cannot be swept",
        f'<p role="alert">{escape(str(error))}</p>'
        f'<p style="{_MUTED}">Other axes may do, or another chip.</p>',
    )


def _box(heading: str, body: str) -> str:
    return (
        '<div style="max-width: 640px; margin: 5vh auto; padding: 18px 24px; line-height: 1.5; '
        'border: 1px solid var(--line, #d9dde3); border-radius: 8px">'
        f'<div role="heading" aria-level="2" style="font-size: 17px; font-weight: 600">{heading}'
        f"</div>{body}</div>"
    )
