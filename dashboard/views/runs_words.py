"""Words of the page Runs: a line for each run, tables of those compared."""

from __future__ import annotations

import math
import time
from html import escape
from typing import Any

from analog_model.figures.wording import MODE_LABELS
from analog_model.nn.training.run_summary import FINISHED, RunSummary
from dashboard.views.runs_numbers import Group, differences

_MUTED = "color: var(--muted, #5a6577)"
_LINE = "border-top: 1px solid var(--border, #d9dde3)"
_CELL = "padding: 4px 14px 4px 0; text-align: left; font-weight: 400; vertical-align: top"
# Columns of the list: heading, width in characters.
COLUMNS = (
    ("network", 10),
    ("trained", 17),
    ("chip", 18),
    ("seed", 4),
    ("accuracy", 9),
    ("state", 17),
    ("last event", 12),
    ("name", 0),
)


def heading() -> str:
    """Headings of the list."""
    return _columns([name for name, _ in COLUMNS])


def line_of(name: str, run: RunSummary, standing: str) -> str:
    """One run in the list."""
    accuracy = "" if run.accuracy is None else f"{100 * run.accuracy:.2f} %"
    return _columns(
        [
            run.configuration.network,
            str(run.configuration.mode).replace("_", "-"),
            run.chip or "–",
            str(run.configuration.seed),
            accuracy,
            standing,
            time.strftime("%d %b %H:%M", time.localtime(run.changed)),
            name,
        ]
    )


def _columns(texts: list[str]) -> str:
    cells = []
    for text, (_, width) in zip(texts, COLUMNS, strict=True):
        if width and len(text) > width:
            text = text[: width - 1] + "…"  # noqa: PLW2901
        cells.append(text.ljust(width))
    return "  ".join(cells)


def standing_of(run: RunSummary, *, waiting: bool) -> str:
    """How a run stands, in a word with the epochs done."""
    if run.status == FINISHED:
        return FINISHED
    status = "waiting" if waiting else run.status
    return f"{status} {run.epoch}/{run.configuration.epochs}"


def table(groups: list[Group]) -> str:
    """Final figures of each group, with mean and spread over its seeds."""
    rows = "".join(_row(group) for group in groups)
    heads = ("Experiment", "Seeds", "Test accuracy")
    head = "".join(f'<th scope="col" style="{_CELL}; {_MUTED}">{text}</th>' for text in heads)
    return (
        '<table class="figures" style="border-collapse: collapse; width: 100%; font-size: 13px">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(group: Group) -> str:
    first = group.runs[0]
    mode = MODE_LABELS[str(first.configuration.mode)]
    chip = f"<br>{escape(first.chip)}" if first.chip else ""
    seeds = ", ".join(sorted(str(run.configuration.seed) for run in group.runs))
    return (
        f'<tr><th scope="row" style="{_CELL}; {_LINE}">'
        f'<span style="color: {group.colour}">●</span> {escape(first.configuration.network)}, '
        f"{mode}{chip}</th>"
        f'<td style="{_CELL}; {_LINE}; white-space: nowrap">{seeds}</td>'
        f'<td style="{_CELL}; {_LINE}; white-space: nowrap">{_accuracy(group)}</td></tr>'
    )


def _accuracy(group: Group) -> str:
    if math.isnan(group.mean):
        return f'<span style="{_MUTED}">none finished</span>'
    text = f"<b>{100 * group.mean:.2f} %</b>"
    if math.isnan(group.spread):
        return text
    low, high = 100 * min(group.accuracies), 100 * max(group.accuracies)
    return (
        f"{text} ± {100 * group.spread:.2f}"
        f'<div style="font-size: 12px; {_MUTED}">{low:.2f} to {high:.2f}</div>'
    )


def difference_table(groups: list[Group]) -> str:
    """What differs in the settings of the groups."""
    if len(groups) < 2:
        return ""
    found = differences(groups)
    bullets = "".join(
        f'<th scope="col" style="{_CELL}"><span style="color: {group.colour}">●</span></th>'
        for group in groups
    )
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}; {_LINE}; {_MUTED}">{escape(name)}</th>'
        + "".join(f'<td style="{_CELL}; {_LINE}">{_value(value)}</td>' for value in values)
        + "</tr>"
        for name, values in found.items()
    )
    return (
        '<table class="differences" style="border-collapse: collapse; font-size: 12px; '
        'margin-top: 14px"><thead><tr>'
        f'<th scope="col" style="{_CELL}; {_MUTED}">What differs</th>{bullets}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _value(value: Any) -> str:
    return "–" if value is None else escape(str(value))


def nothing_there(folder: str) -> str:
    """Where there is no run at all."""
    return (
        '<div style="max-width: 640px; margin: 5vh auto; line-height: 1.5; font-size: 14px">'
        '<h2 style="font-size: 18px; text-transform: none; letter-spacing: 0; color: inherit; '
        'margin: 0 0 8px">No training runs yet</h2>'
        "<p>Train a network on the page Retraining, or on the command line with "
        f"<code>analog-model train</code>. This server looks in the folder "
        f"<code>{escape(folder)}</code>.</p></div>"
    )
