"""Numbers of the retraining page: what is known of a plan's networks.

A treatment is a network in a place: the float network in digital, the same on the chip, then
what each way of retraining made of it on the chip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from analog_model.figures.colours import CATEGORICAL, INK, MODE_COLOURS
from analog_model.nn.training.chip_evaluation import CHIP
from analog_model.nn.training.configuration import FLOAT
from dashboard.run_store import RunStore
from dashboard.training_plan import PlannedRun, TrainingPlan
from dashboard.training_run import is_finished

DIGITAL, UNDEFENDED = "digital", "undefended"
TREATMENT_LABELS = {
    DIGITAL: "Float, digital",
    UNDEFENDED: "Float, on the chip",
    "noise": "Weight noise",
    "straight_through": "Straight-through",
    "hardware_aware": "Hardware-aware",
}
TREATMENT_COLOURS = {DIGITAL: INK, UNDEFENDED: CATEGORICAL[5], **MODE_COLOURS}


@dataclass(frozen=True, eq=False)
class Treatment:
    """One network in one place, judged by the test part.

    `confusion` (label, predicted_label); `own`, `cumulative`: SER of each layer, None in
    digital. `mean`, `spread`: over `n_others` other chips of the production.
    """

    name: str
    run: str
    accuracy: float
    standard_error: float
    labels: tuple[str, ...]
    confusion: np.ndarray
    layers: tuple[str, ...] = ()
    own: np.ndarray | None = None
    cumulative: np.ndarray | None = None
    n_others: int = 0
    mean: float = math.nan
    spread: float = math.nan

    @property
    def label(self) -> str:
        """How the page names it."""
        return TREATMENT_LABELS[self.name]

    @property
    def colour(self) -> str:
        """Colour in every plot."""
        return TREATMENT_COLOURS[self.name]

    @property
    def class_accuracy(self) -> np.ndarray:
        """Share of the images of each class that got their own; nan without images."""
        count = self.confusion.sum(1)
        share = np.full(len(count), np.nan)
        np.divide(np.diag(self.confusion), count, out=share, where=count > 0)
        return share


def treatments_of(
    plan: TrainingPlan, store: RunStore, *, known: Mapping[str, Treatment] = MappingProxyType({})
) -> dict[str, Treatment]:
    """What is known so far, in the order in which it becomes known.

    What is `known` of the same plan already is not read again: it does not change.
    """
    found = {}
    for planned in plan.runs:
        if not is_finished(store, planned.name):
            continue
        if planned.mode == FLOAT:
            found[DIGITAL] = known.get(DIGITAL) or _digital(planned, store)
        name = UNDEFENDED if planned.mode == FLOAT else planned.mode
        treatment = known.get(name) or _on_chip(name, planned, plan, store)
        if treatment is not None:
            found[name] = treatment
    return found


def unjudged(plan: TrainingPlan, store: RunStore) -> list[str]:
    """Finished runs of which nobody knows yet what they are worth on the chip."""
    return [
        planned.name
        for planned in plan.runs
        if is_finished(store, planned.name) and store.judgement(plan.judgement(planned)) is None
    ]


def _digital(planned: PlannedRun, store: RunStore) -> Treatment:
    record = store.record(planned.name)
    assert record is not None
    accuracy, confusion = float(record["accuracy"]), record["confusion"].values
    return Treatment(
        name=DIGITAL,
        run=planned.name,
        accuracy=accuracy,
        standard_error=math.sqrt(accuracy * (1 - accuracy) / confusion.sum()),
        labels=tuple(str(name) for name in record["class_name"].values),
        confusion=confusion,
    )


def _on_chip(
    name: str, planned: PlannedRun, plan: TrainingPlan, store: RunStore
) -> Treatment | None:
    judged = store.judgement(plan.judgement(planned))
    if judged is None:
        return None
    nominal = judged.isel({CHIP: 0})
    return Treatment(
        name=name,
        run=planned.name,
        accuracy=float(nominal["accuracy"]),
        standard_error=float(nominal["standard_error"]),
        labels=tuple(str(label) for label in judged["label"].values),
        confusion=nominal["confusion"].values,
        layers=tuple(str(layer) for layer in judged["layer"].values),
        own=nominal["own_ratio"].values,
        cumulative=nominal["cumulative_ratio"].values,
        n_others=judged.sizes[CHIP] - 1,
        mean=float(judged["mean"]) if "mean" in judged else math.nan,
        spread=float(judged["spread"]) if "spread" in judged else math.nan,
    )


def dataset_of(treatments: dict[str, Treatment]) -> xr.Dataset:
    """Every number of the page, treatments along one dimension."""
    ones = list(treatments.values())
    data = xr.Dataset(
        {
            "accuracy": ("treatment", [one.accuracy for one in ones], {"units": "1"}),
            "standard_error": ("treatment", [one.standard_error for one in ones], {"units": "1"}),
            "class_accuracy": (
                ("treatment", "label"),
                [one.class_accuracy for one in ones],
                {"units": "1"},
            ),
            "confusion": (
                ("treatment", "label", "predicted_label"),
                [one.confusion for one in ones],
            ),
            "run": ("treatment", [one.run for one in ones]),
        },
        {
            "treatment": [one.name for one in ones],
            "label": list(ones[0].labels),
            "predicted_label": list(ones[0].labels),
        },
    )
    layered = [one for one in ones if one.own is not None]
    if not layered:
        return data
    names = [one.name for one in layered]
    ratios = xr.Dataset(
        {
            "own_ratio": (("treatment", "layer"), [one.own for one in layered], {"units": "1"}),
            "cumulative_ratio": (
                ("treatment", "layer"),
                [one.cumulative for one in layered],
                {"units": "1"},
            ),
        },
        {"treatment": names, "layer": list(layered[0].layers)},
    )
    return data.merge(ratios, join="left")
