"""Entries of figures that show a sweep over parameters of a chip."""

from __future__ import annotations

from analog_model.figures import sweep
from analog_model.figures.catalogue.entry import Entry, one_source

ENTRIES = (
    Entry(
        "sweep",
        "signal to error, or accuracy, over one or two parameters of a chip",
        "sweep",
        one_source(lambda source, _choices: sweep.sweep_figure(source.dataset)),
    ),
)
