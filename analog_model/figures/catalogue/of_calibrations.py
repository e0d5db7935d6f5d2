"""Entries of figures that show a calibration: models, parameters, extraction."""

from __future__ import annotations

from typing import Any

from analog_model import vocabulary as v
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.figures import calibration, story
from analog_model.figures.catalogue.entry import Choices, Entry, one_source
from analog_model.figures.catalogue.source import Source


def _ladder(source: Source, choices: Choices) -> Any:
    return calibration.ser_ladder(source.report, split=choices.split or v.TEST)


def _couplings(source: Source, _choices: Choices) -> Any:
    return calibration.kappa_intervals(source.calibration.parameters)


def _methods(source: Source, choices: Choices) -> Any:
    return calibration.extraction_bars(source.comparison, model=choices.model or "ideal")


def _effort(source: Source, choices: Choices) -> Any:
    return calibration.extraction_effort_curve(source.effort, kind=_kind(source, choices))


def _extraction(source: Source, choices: Choices) -> Any:
    return story.extraction_figure(
        source.comparison,
        source.effort,
        model=choices.model or "ideal",
        kind=_kind(source, choices),
    )


def _kind(source: Source, choices: Choices) -> str:
    """The kind asked for, else random patterns, else all."""
    known = [str(kind) for kind in source.effort[v.KIND].values]
    kind = choices.kind or ("random" if "random" in known else known[0])
    if kind not in known:
        raise ConfigurationError(
            "kind", expected="a kind of test pattern", got=kind, advice=nearest_name(kind, known)
        )
    return kind


ENTRIES = (
    Entry(
        "ser-ladder",
        "story 4: SER of every model on held-out patterns",
        "calibration",
        one_source(_ladder),
        ("split",),
    ),
    Entry(
        "extraction",
        "story 5: extraction methods, what measurements buy",
        "calibration",
        one_source(_extraction),
        ("model", "kind"),
    ),
    Entry("couplings", "kappa by class with intervals", "calibration", one_source(_couplings)),
    Entry(
        "extraction-methods",
        "SER of every extraction method",
        "calibration",
        one_source(_methods),
        ("model",),
    ),
    Entry(
        "extraction-effort",
        "SER against the number of measurements",
        "calibration",
        one_source(_effort),
        ("kind",),
    ),
)
