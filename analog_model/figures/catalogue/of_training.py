"""Entries of figures that show training runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from analog_model.errors import ConfigurationError
from analog_model.figures import recovery, training
from analog_model.figures.catalogue.entry import Choices, Entry
from analog_model.figures.catalogue.source import Source


def _records(sources: Sequence[Source]) -> list[xr.Dataset]:
    return [source.dataset for source in sources]


def _accuracy(sources: Sequence[Source], _choices: Choices) -> Any:
    kinds = {source.kind for source in sources}
    if kinds == {"record"}:
        return training.accuracy_figure(_records(sources))
    if len(sources) > 1:
        raise ConfigurationError(
            "figure 'accuracy'",
            expected="records of training runs or one file of results",
            got=f"{len(sources)} files with a recovery among them",
        )
    return recovery.recovery_figure(sources[0].dataset)


ENTRIES = (
    Entry(
        "accuracy",
        "story 6: accuracy over epochs, final accuracy; or that of the results, before and after",
        "accuracy",
        _accuracy,
        many=True,
    ),
    Entry(
        "accuracy-curves",
        "accuracy over epochs of one network's runs",
        "record",
        lambda sources, _choices: training.accuracy_curves(_records(sources)),
        many=True,
    ),
    Entry(
        "loss-curves",
        "loss of every batch",
        "record",
        lambda sources, _choices: training.loss_curves(_records(sources)),
        many=True,
    ),
)
