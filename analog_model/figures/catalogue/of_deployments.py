"""Entries of figures that show a deployment: its arrays, what an inference costs."""

from __future__ import annotations

from typing import Any

from analog_model.deployment.targets import layer_map_of
from analog_model.figures import deployment, tiling
from analog_model.figures.catalogue.entry import Choices, Entry, one_source
from analog_model.figures.catalogue.source import Source


def _arrays(source: Source, choices: Choices) -> Any:
    return deployment.array_map(source.deployment, layer=choices.layer)


def _signs(source: Source, choices: Choices) -> Any:
    found = source.deployment
    return tiling.sign_map(layer_map_of(found.arrays, found.layers), layer=choices.layer)


def _positions(source: Source, choices: Choices) -> Any:
    found = source.deployment
    return tiling.position_map(layer_map_of(found.arrays, found.layers), layer=choices.layer)


ENTRIES = (
    Entry(
        "layer-arrays",
        "cells in use on the arrays of a layer, by layout class",
        "deployment",
        one_source(_arrays),
        ("layer",),
    ),
    Entry(
        "layer-signs",
        "plus, minus, reference lines on the arrays of a layer",
        "deployment",
        one_source(_signs),
        ("layer",),
    ),
    Entry(
        "layer-positions",
        "kernel position on each cell of the arrays of a layer",
        "deployment",
        one_source(_positions),
        ("layer",),
    ),
    Entry(
        "energy",
        "energy of an inference by layer",
        "deployment",
        one_source(lambda source, _choices: deployment.energy_bars(source.deployment.cost)),
    ),
    Entry(
        "latency",
        "time of an inference by layer",
        "deployment",
        one_source(lambda source, _choices: deployment.latency_bars(source.deployment.cost)),
    ),
)
