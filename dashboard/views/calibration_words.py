"""Words of the calibration page: what a measurement offers, what came out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.calibration.observations import choose
from analog_model.figures.colours import KIND_COLOURS
from dashboard.calibration_run import Outcome
from dashboard.views.calibration_numbers import FULL, IDEAL, model_label
from dashboard.views.error_bars import ser_text

_MUTED = "color: var(--muted, #5a6577)"


def beforehand(measurement: xr.Dataset | None, weight_set: int, *, whole: bool = False) -> str:
    """What there is to calibrate from; `whole` for a page that shows nothing else yet."""
    if measurement is None:
        return _box(
            "Nothing was measured on this chip",
            "<p>A calibration starts from measured charges. Choose the bundled chip in the "
            "sidebar, or upload a measurement of your own.</p>",
        )
    chosen = choose(measurement, split=None, weight_set=weight_set)
    if not whole:
        n_patterns = choose(measurement, split=v.CALIBRATION, weight_set=weight_set).sizes[
            v.PATTERN
        ]
        return (
            f'<div style="{_MUTED}; line-height: 1.45">Fitting {n_patterns} calibration patterns '
            f"of weight set {weight_set}. Each model adds one effect to the one before; the "
            "richest that no simpler one beats on left-out patterns is chosen.</div>"
        )
    facts = "".join(
        f'<tr><th scope="row" style="text-align: left; font-weight: 500; padding: 4px 18px 4px 0">'
        f'{label}</th><td style="padding: 4px 0">{text}</td></tr>'
        for label, text in _facts(measurement, chosen)
    )
    return _box(
        f"Calibrate {escape(str(measurement.attrs.get('chip', 'this chip')))}, "
        f"weight set {weight_set}",
        "<p>Fits a ladder of models, from the ideal product to crosstalk, pulse edges, voltage "
        "drop and single cells, to the calibration patterns. Test patterns only judge.</p>"
        f"<table>{facts}</table>"
        f'<p style="{_MUTED}">A 16 × 16 chip takes some ten seconds. The server stays free '
        "meanwhile, and you can cancel at any time.</p>",
    )


def _facts(measurement: xr.Dataset, chosen: xr.Dataset) -> list[tuple[str, str]]:
    divided = v.SPLIT in chosen.coords
    splits = chosen[v.SPLIT].values if divided else None
    counts = [(name, int((splits == name).sum()) if splits is not None else 0) for name in v.SPLITS]
    patterns = (
        ", ".join(f"{count} {name}" for name, count in counts)
        if divided
        else f"{chosen.sizes[v.PATTERN]}, not divided: all are fitted, none is left to judge"
    )
    kinds = (
        ", ".join(k.replace("_", " ") for k in v.KINDS if k in chosen[v.KIND].values)
        if v.KIND in chosen.coords
        else "not labelled"
    )
    reads = (
        "static reads of every cell"
        if v.CELL_CURRENT in measurement
        else "none in the file; taken from patterns of single word lines if there are some"
    )
    layout = "in the file" if v.LAYOUT_CLASS in measurement else "none; one will be proposed"
    noise = measurement.attrs.get("noise")
    return [
        ("Array", f"{chosen.sizes[v.WORD_LINE]} × {chosen.sizes[v.BIT_LINE]} cells"),
        ("Patterns", patterns),
        ("Kinds", kinds),
        ("One-hot reads", reads),
        ("Layout map", layout),
        ("Read noise", escape(str(noise)) if noise else "not stated; errors use the fit's scatter"),
    ]


def _box(title: str, body: str) -> str:
    return (
        '<div style="max-width: 640px; margin: 5vh auto; line-height: 1.5; font-size: 14px">'
        '<h2 style="font-size: 18px; text-transform: none; letter-spacing: 0; '
        f'color: inherit; margin: 0 0 8px">{title}</h2>{body}</div>'
    )


def summary(
    outcome: Outcome, *, model: str, split: str, kind: str, kinds: Sequence[str] = ()
) -> str:
    """The result in two lines: SER of a model, of the ideal product, the ceiling.

    `kinds` explains the colours of the kinds of pattern where points are drawn in them.
    """
    report = outcome.report.sel({v.SPLIT: split, v.KIND: kind})
    ratio = report["signal_to_error_ratio"]
    first = float(ratio.isel(model=0))
    ceiling = float(report["ceiling"].values[0])
    chi_square = float(report["chi_square"].sel(model=model))
    against = (
        f"read noise allows {am.decibel(ceiling):.1f} dB, χ² per reading "
        + (f"{chi_square:.0f}" if chi_square >= 1e3 else f"{chi_square:.3g}")
        if math.isfinite(ceiling)
        else "the file states no read noise to compare with"
    )
    if split == v.CALIBRATION:
        against += "; fitted to these patterns, which flatters every model"
    which = "all kinds" if kind == "all" else kind.replace("_", " ")
    chosen = str(outcome.calibration.ladder.attrs["chosen"])
    against += (
        "".join(
            f' <span style="color: {KIND_COLOURS[name]}; margin-left: 10px">●</span> '
            f"{name.replace('_', ' ')}"
            for name in kinds
        )
        or f"; chosen: {escape(model_label(chosen))}"
    )
    before = f"; ideal product with one-hot reads {ser_text(first)}" if model != IDEAL else ""
    return (
        '<div class="summary" style="display: flex; flex-wrap: wrap; gap: 0 14px; '
        "align-items: baseline; "
        'line-height: 1.4">'
        f'<span style="font-size: 20px; font-weight: 600">{ser_text(float(ratio.sel(model=model)))}'
        f"</span><span>{escape(_named(model))} on <b>{escape(split)} patterns</b>, "
        f"{escape(which)}{before}</span>"
        f'<span style="{_MUTED}">{against}</span></div>'
    )


def _named(model: str) -> str:
    return "full model" if model == FULL else f"model “{model_label(model)}”"
