"""Figures of a calibration: the numbers that they draw."""

from __future__ import annotations

import io
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from analog_model.errors import DataError
from analog_model.figures import calibration
from analog_model.figures.colours import KIND_COLOURS
from analog_model.figures.paper import save_figure

KINDS = ["all", "single", "random", "sparse"]


def report() -> xr.Dataset:
    """Two models: ratios 10, 100 on random, 5, 50 on sparse test patterns; no single ones."""
    ratios = np.array([[8.0, np.nan, 10.0, 5.0], [80.0, np.nan, 100.0, 50.0]])[:, :, None]
    return xr.Dataset(
        {
            "signal_to_error_ratio": (("model", "kind", "split"), ratios),
            "ceiling": (("model", "kind", "split"), np.where(np.isnan(ratios), ratios, 1000.0)),
            "n_patterns": (("kind", "split"), np.array([[5], [0], [3], [2]])),
        },
        coords={"model": ["ideal", "full"], "kind": KINDS, "split": ["test"]},
    )


def comparison() -> xr.Dataset:
    ratios = np.array([[[20.0, 50.0], [700.0, 500.0]], [[120.0, 30.0], [19.0, 20.0]]])
    return xr.Dataset(
        {
            "signal_to_error_ratio": (
                ("extraction", "model", "kind", "split"),
                ratios[..., None],
            ),
            "n_patterns": (("kind", "split"), np.array([[3], [2]])),
            "n_measurements": ("extraction", [16, 32]),
        },
        coords={
            "extraction": ["single", "regression"],
            "model": ["ideal", "full"],
            "kind": ["random", "sparse"],
            "split": ["test"],
        },
    )


def effort() -> xr.Dataset:
    middle = np.array([[[40.0], [100.0]], [[2.0], [10.0]]])
    dims = ("held_to", "n_patterns", "kind")
    return xr.Dataset(
        {
            "signal_to_error_ratio": (dims, middle),
            "lowest": (dims, middle / 2),
            "highest": (dims, middle * 2),
            "n_measurements": (dims[:2], np.array([[17, 24], [1, 8]])),
            "one_hot_ratio": ("kind", [20.0]),
        },
        coords={"held_to": ["one_hot", "nothing"], "n_patterns": [1, 8], "kind": ["random"]},
    )


def parameters() -> xr.Dataset:
    names = ["kappa[a, -1]", "kappa[a, +1]", "kappa[b, -1]", "kappa[b, +1]", "wire_loss"]
    value = np.array([0.1, 0.02, np.nan, 0.05, 180.0])
    return xr.Dataset(
        {
            "value": ("parameter", value),
            "interval": (("parameter", "bound"), np.stack([value - 0.01, value + 0.02], axis=1)),
        },
        coords={"parameter": names, "bound": ["lower", "upper"]},
    )


def charges() -> tuple[xr.DataArray, xr.DataArray]:
    measured = xr.DataArray(
        np.arange(12.0).reshape(4, 3) * 1e-13, dims=("pattern", "bit_line"), name="charge"
    )
    error = xr.DataArray(np.zeros((4, 3)), dims=("pattern", "bit_line"))
    error[1, 2] = -2e-15
    return measured, measured + error


def parts(overlay: Any, kind: type) -> list[Any]:
    return [part for part in overlay if isinstance(part, kind)]


@pytest.mark.parametrize(
    "element",
    [
        calibration.ser_ladder(report()),
        calibration.extraction_bars(comparison()),
        calibration.extraction_effort_curve(effort()),
        calibration.kappa_intervals(parameters()),
        calibration.residual_map(*charges()),
    ],
    ids=["ladder", "extraction", "effort", "kappa", "residual"],
)
def test_every_figure_saves_the_same_bytes_twice(element: Any) -> None:
    saved = []
    for _ in range(2):
        target = io.BytesIO()
        save_figure(element, target, format="pdf")
        saved.append(target.getvalue())
    assert saved[0].startswith(b"%PDF-")
    assert saved[0] == saved[1]
    assert b"/Type3" not in saved[0]


def test_a_ladder_draws_decibels_by_kind_with_the_ceiling() -> None:
    overlay = calibration.ser_ladder(report())
    bars = {part.label: part for part in parts(overlay, hv.Rectangles)}
    # Neither "all", which the others make up, nor kinds without test patterns.
    assert set(bars) == {"random", "sparse"}
    assert bars["random"].dimension_values("x1") == pytest.approx([20.0, 40.0])
    assert bars["sparse"].dimension_values("x1") == pytest.approx(
        [20 * np.log10(5), 20 * np.log10(50)]
    )
    for segment in parts(overlay, hv.Segments):
        assert segment.dimension_values(0) == pytest.approx([60.0, 60.0])
    rows = dict(hv.Store.lookup_options("matplotlib", overlay, "plot").kwargs["yticks"])
    assert rows == {1.0: "ideal, one-hot reads", 0.0: "full, single cells"}
    style = hv.Store.lookup_options("matplotlib", bars["sparse"], "style").kwargs
    assert style["facecolor"] == KIND_COLOURS["sparse"]


def test_methods_are_named_with_their_measurements() -> None:
    overlay = calibration.extraction_bars(comparison(), model="full")
    rows = dict(hv.Store.lookup_options("matplotlib", overlay, "plot").kwargs["yticks"])
    assert rows == {1.0: "single (16)", 0.0: "regression (32)"}
    random = next(p for p in parts(overlay, hv.Rectangles) if p.label == "random")
    assert random.dimension_values("x1") == pytest.approx(20 * np.log10([700.0, 19.0]))


def test_effort_shows_the_spread_and_the_goal() -> None:
    overlay = calibration.extraction_effort_curve(effort())
    held, alone = (p for p in parts(overlay, hv.Curve) if not isinstance(p, hv.Area))
    assert list(held.dimension_values(0)) == [17, 24]
    assert alone.dimension_values(1) == pytest.approx([20 * np.log10(2), 20.0])
    band = parts(overlay, hv.Area)[0]
    assert band.dimension_values(1) == pytest.approx(20 * np.log10([20.0, 50.0]))
    assert band.dimension_values(2) == pytest.approx(20 * np.log10([80.0, 200.0]))
    levels = [line.data for line in parts(overlay, hv.HLine)]
    assert levels == pytest.approx([20 * np.log10(20), 20 * np.log10(40)])


def test_intervals_are_those_of_the_table_and_unknown_ones_are_absent() -> None:
    overlay = calibration.kappa_intervals(parameters())
    a, b = parts(overlay, hv.Scatter)
    assert (a.label, b.label) == ("a", "b")
    assert a.dimension_values(1) == pytest.approx([0.1, 0.02])
    assert b.dimension_values(1) == pytest.approx([0.05])
    bars = parts(overlay, hv.ErrorBars)[0]
    assert bars.dimension_values("below") == pytest.approx([0.01, 0.01])
    assert bars.dimension_values("above") == pytest.approx([0.02, 0.02])


def test_a_residual_keeps_its_place_and_sign() -> None:
    image = calibration.residual_map(*charges())
    drawn = image.dimension_values(2, flat=False)
    order = np.argsort(image.dimension_values(1, expanded=False))
    expected = np.zeros((4, 3))
    expected[1, 2] = -2.0
    assert drawn[order] == pytest.approx(expected, abs=1e-5)
    assert image.vdims[0].label == "predicted − measured charge [fC]"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: calibration.ser_ladder(report(), split="calibration"), "one of test"),
        (lambda: calibration.extraction_bars(comparison(), model="drop"), "ideal, full"),
        (lambda: calibration.kappa_intervals(parameters().isel(parameter=[4])), "couplings"),
    ],
)
def test_what_cannot_be_drawn_is_explained(make: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        make()
