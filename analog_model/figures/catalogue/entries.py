"""Entries of the catalogue, found by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from analog_model.errors import ConfigurationError, nearest_name
from analog_model.figures.catalogue import (
    of_arrays,
    of_calibrations,
    of_deployments,
    of_errors,
    of_sweeps,
    of_training,
)
from analog_model.figures.catalogue.entry import Entry

CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        entry.name: entry
        for module in (
            of_arrays,
            of_calibrations,
            of_errors,
            of_training,
            of_deployments,
            of_sweeps,
        )
        for entry in module.ENTRIES
    }
)
# The figures of the paper, in its order.
STORY = ("array", "slots", "crosstalk", "ser-ladder", "extraction", "accuracy")


def find_entry(name: str) -> Entry:
    """The figure of this name; ConfigurationError for another one."""
    if name not in CATALOGUE:
        raise ConfigurationError(
            "figure", expected="a figure", got=repr(name), advice=nearest_name(name, CATALOGUE)
        )
    return CATALOGUE[name]
