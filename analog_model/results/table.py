"""Table of the results in Markdown, from their file alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from analog_model.nn.models import NETWORKS
from analog_model.nn.training.configuration import (
    FLOAT,
    HARDWARE_AWARE,
    NOISE,
    STRAIGHT_THROUGH,
)
from analog_model.results.chips import BUNDLED, DIGITAL, HARSH, HARSHER, chips_of
from analog_model.results.plan import CHIP_FAMILY, FLOAT_LONGER, OPERATIONS
from analog_model.results.recovery import ABSENCE

START, END = "<!-- recovery table -->", "<!-- /recovery table -->"
_MISSING, _NOT_PLANNED = "missing", "–"
_COLUMNS = (
    "network, chip",
    "float",
    "float, longer",
    "on chip, not retrained",
    "noise-trained",
    "straight-through",
    "hardware-aware",
    "to float",
    "trained on 4 chips",
)
_LABELS = {
    FLOAT: "float",
    FLOAT_LONGER: "float, longer",
    NOISE: "noise-trained",
    STRAIGHT_THROUGH: "straight-through",
    HARDWARE_AWARE: "hardware-aware",
    CHIP_FAMILY: "trained on 4 chips",
}


def markdown(recovery: xr.Dataset) -> str:
    """Accuracies, their cost, what is missing, conditions."""
    return "\n\n".join(
        part
        for part in (
            markdown_table(_COLUMNS, _accuracies(recovery)),
            _conditions(recovery),
            markdown_table(_COST, _costs(recovery)),
            _absences(recovery),
        )
        if part
    )


def _accuracies(recovery: xr.Dataset) -> list[list[str]]:
    rows = []
    for network in NETWORKS:
        for chip in chips_of(network):
            before = _values(recovery, network, FLOAT, DIGITAL)
            after = _values(recovery, network, HARDWARE_AWARE, chip)
            rows.append(
                [
                    f"{network}, {chip}",
                    _cell(recovery, network, FLOAT, DIGITAL),
                    _cell(recovery, network, FLOAT_LONGER, DIGITAL),
                    *(
                        _cell(recovery, network, treatment, chip)
                        for treatment in (FLOAT, NOISE, STRAIGHT_THROUGH, HARDWARE_AWARE)
                    ),
                    _difference(before, after),
                    _cell(recovery, network, CHIP_FAMILY, chip),
                ]
            )
    return rows


def _values(recovery: xr.Dataset, network: str, treatment: str, chip: str) -> dict[int, float]:
    """Accuracy by seed."""
    if "accuracy" not in recovery:
        return {}
    chosen = _of(recovery, network, treatment) & (recovery["chip"].values == chip)
    seeds, found = recovery["seed"].values[chosen], recovery["accuracy"].values[chosen]
    return dict(zip(map(int, seeds), map(float, found), strict=True))


def _of(recovery: xr.Dataset, network: str, treatment: str) -> np.ndarray:
    is_one = recovery["network"].values == network
    return np.asarray(is_one & (recovery["treatment"].values == treatment))


def _cell(recovery: xr.Dataset, network: str, treatment: str, chip: str) -> str:
    values = list(_values(recovery, network, treatment, chip).values())
    n_absent = len(_reasons(recovery, network, treatment, chip))
    if not values:
        return _MISSING if n_absent else _NOT_PLANNED
    return with_spread([100 * value for value in values], n_planned=len(values) + n_absent)


def with_spread(percent: Sequence[float], *, n_planned: int) -> str:
    """Mean ± standard deviation over seeds; how many, if not all planned ones."""
    spread = f" ± {np.std(percent, ddof=1):.2f}" if len(percent) > 1 else ""
    few = f" ({len(percent)} of {n_planned} seeds)" if len(percent) < n_planned else ""
    return f"{np.mean(percent):.2f}{spread}{few}"


def _difference(before: dict[int, float], after: dict[int, float]) -> str:
    """Mean change, in points, over the seeds that have both."""
    changes = [100 * (after[seed] - before[seed]) for seed in after if seed in before]
    return f"{np.mean(changes):+.2f}" if changes else _MISSING


def _reasons(recovery: xr.Dataset, network: str, treatment: str, chip: str) -> list[str]:
    if ABSENCE not in recovery.dims:
        return []
    wanted = (network, treatment, chip)
    names = (recovery[f"absent_{name}"].values for name in ("network", "treatment", "chip"))
    cells = zip(*names, recovery["absent_reason"].values, strict=True)
    return [str(reason) for *cell, reason in cells if tuple(cell) == wanted]


_COST = (
    "network",
    "treatment",
    "epochs",
    "peak learning rate",
    "distillation",
    "processor time [min]",
)


def _costs(recovery: xr.Dataset) -> list[list[str]]:
    rows = []
    for network in NETWORKS:
        for treatment, label in _LABELS.items():
            digital = treatment in (FLOAT, FLOAT_LONGER, NOISE)
            for chip in (DIGITAL,) if digital else chips_of(network):
                if not _values(recovery, network, treatment, chip):
                    continue
                chosen = _of(recovery, network, treatment) & (recovery["chip"].values == chip)
                minutes = recovery["cpu_time"].values[chosen] / 60
                one = recovery.isel(judgement=int(np.flatnonzero(chosen)[0]))
                rows.append(
                    [
                        network,
                        label if chip == DIGITAL else f"{label}, {chip}",
                        str(int(one["epochs"])),
                        f"{float(one['learning_rate']):g}",
                        f"{float(one['distillation']):g}",
                        f"{minutes.mean():.1f}",
                    ]
                )
    return rows


def _conditions(recovery: xr.Dataset) -> str:
    chips = json.loads(recovery.attrs["chips"])
    bundled = chips[BUNDLED]
    scaled = "; ".join(
        f"*{name}*: all its kappas times {one['coupling_factor']:g}, all its resistances times "
        f"{one['resistance_factor']:g} ({one['fingerprint'][:12]})"
        for name, one in ((name, chips[name]) for name in (HARSH, HARSHER))
    )
    tolerances = "; ".join(
        f"{name} {OPERATIONS[name, BUNDLED].judging_tolerance:g} and "
        f"{OPERATIONS[name, chips_of(name)[1]].judging_tolerance:g}"
        for name in NETWORKS
    )
    return (
        f"Accuracy [%] on the whole test part: mean ± standard deviation over seeds. To float: "
        f"hardware-aware less float, in points, seed by seed. *bundled*: {bundled['name']} as "
        f"calibrated ({bundled['fingerprint'][:12]}), continued to arrays of 128x128 (mlp_4x4: "
        f"16x16); {scaled}. Every retraining starts from the float network of its seed; on the "
        f"harsh chip and without a chip it takes the same batches, epochs, learning rates, "
        f"distillation (the share of the loss that is distance to the float network's scores), on "
        f"the bundled one it may have fewer. The closed form may miss the slots, rms of a layer's "
        f"charges, by (bundled and harsh): {tolerances}. "
        f"Made by `{recovery.attrs['command']}`; {recovery.attrs['conditions']}."
    )


def _absences(recovery: xr.Dataset) -> str:
    if ABSENCE not in recovery.dims:
        return ""
    found: dict[str, int] = {}
    names = (recovery[f"absent_{name}"].values for name in ("network", "treatment", "reason"))
    for network, treatment, reason in zip(*names, strict=True):
        line = f"{network}, {_LABELS[str(treatment)]}: {reason}"
        found[line] = found.get(line, 0) + 1
    lines = [f"- {line}" + (f" ({count})" if count > 1 else "") for line, count in found.items()]
    return "\n".join(["Missing so far (number of judgements):", "", *lines])


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their columns."""
    head = [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def in_document(document: str, text: str, *, start: str = START, end: str = END) -> str:
    """The document with the text between its markers."""
    before, rest = document.split(start, 1)
    return f"{before}{start}\n{text}\n{end}{rest.split(end, 1)[1]}"
