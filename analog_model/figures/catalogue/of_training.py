"""Entries of figures that show training runs."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from analog_model.figures import training
from analog_model.figures.catalogue.entry import Entry
from analog_model.figures.catalogue.source import Source


def _records(sources: Sequence[Source]) -> list[xr.Dataset]:
    return [source.dataset for source in sources]


ENTRIES = (
    Entry(
        "accuracy",
        "story 6: accuracy over epochs, final accuracy with its spread over seeds",
        "record",
        lambda sources, _choices: training.accuracy_figure(_records(sources)),
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
