"""Numbers of the page Runs: runs that differ in their seed alone, taken together."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from analog_model.figures.colours import CATEGORICAL
from analog_model.nn.training.run_summary import RunSummary

# What decides how fast a run goes, not what comes out.
_BESIDE = ("seed", "threads", "processes", "checkpoint_interval", "compiled")


@dataclass(frozen=True)
class Group:
    """Runs of one experiment: the same configuration and chip, each with its seed.

    `accuracies` of those that are finished.
    """

    names: tuple[str, ...]
    runs: tuple[RunSummary, ...]
    colour: str

    @property
    def settings(self) -> dict[str, Any]:
        """What the runs share, flat, by name."""
        chip = {} if self.runs[0].chip is None else {"chip": self.runs[0].chip}
        return chip | settings_of(self.runs[0])

    @property
    def accuracies(self) -> list[float]:
        """Test accuracies."""
        return [run.accuracy for run in self.runs if run.accuracy is not None]

    @property
    def mean(self) -> float:
        """Mean test accuracy; nan before a run is finished."""
        return statistics.fmean(self.accuracies) if self.accuracies else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over seeds; nan of a single one."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else math.nan


def settings_of(run: RunSummary) -> dict[str, Any]:
    """Configuration of a run as flat names with plain values, the seed left out."""
    values = run.configuration.model_dump(mode="json", exclude=set(_BESIDE))
    return dict(_flat(values))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def groups_of(runs: Mapping[str, RunSummary]) -> list[Group]:
    """Experiments among the runs, in the order of their first one."""
    found: dict[str, list[str]] = {}
    for name, run in runs.items():
        key = repr((run.chip, sorted(settings_of(run).items())))
        found.setdefault(key, []).append(name)
    return [
        Group(
            tuple(names),
            tuple(runs[name] for name in names),
            CATEGORICAL[number % len(CATEGORICAL)],
        )
        for number, names in enumerate(found.values())
    ]


def differences(groups: list[Group]) -> dict[str, list[Any]]:
    """Settings in which the groups differ, with the value of each; None where one has none."""
    tables = [group.settings for group in groups]
    names = dict.fromkeys(name for table in tables for name in table)
    values = {name: [table.get(name) for table in tables] for name in names}
    return {name: row for name, row in values.items() if any(one != row[0] for one in row)}


def dataset_of(groups: list[Group]) -> xr.Dataset:
    """Final figures of every run, with the group that it belongs to."""
    rows = [
        (number, name, run)
        for number, group in enumerate(groups)
        for name, run in zip(group.names, group.runs, strict=True)
    ]
    accuracy = [math.nan if run.accuracy is None else run.accuracy for _, _, run in rows]
    return xr.Dataset(
        {
            "group": ("run", [number for number, _, _ in rows]),
            "network": ("run", [run.configuration.network for _, _, run in rows]),
            "mode": ("run", [str(run.configuration.mode) for _, _, run in rows]),
            "seed": ("run", [run.configuration.seed for _, _, run in rows]),
            "accuracy": ("run", accuracy, {"units": "1"}),
        },
        {"run": [name for _, name, _ in rows]},
    )
