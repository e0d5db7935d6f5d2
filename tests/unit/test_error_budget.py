"""The error of predicted charge, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.chip import BitLine, Chip, CouplingByClass, Layout
from analog_model.errors import ConfigurationError, DataError

# Four patterns on two bit lines; the errors (predicted minus measured) are -1, 2 and so on.
MEASURED = [[3.0, 4.0], [6.0, 8.0], [5.0, 0.0], [0.0, 12.0]]
ERROR = [[-1.0, 2.0], [2.0, -2.0], [0.0, 0.0], [5.0, 1.0]]


def charges(
    split: list[str] | None = None, kind: list[str] | None = None, sets: list[int] | None = None
) -> tuple[xr.DataArray, xr.DataArray]:
    """(measured, predicted) with the labels asked for."""
    labels = {"split": split, "kind": kind, "weight_set_of_pattern": sets}
    coords = {name: ("pattern", values) for name, values in labels.items() if values is not None}
    dims = ("pattern", "bit_line")
    measured = xr.DataArray(np.array(MEASURED), dims=dims, coords=coords)
    return measured, measured + np.array(ERROR)


SPLIT = ["calibration", "calibration", "test", "test"]


def test_splits_are_judged_apart() -> None:
    table = am.error_by_split(*charges(SPLIT))
    assert list(table["split"].values) == ["calibration", "test"]
    assert list(table["n_patterns"].values) == [2, 2]
    # calibration: squares of the signal 9 + 16 + 36 + 64 = 125, of the error 1 + 4 + 4 + 4 = 13
    # test: 25 + 0 + 0 + 144 = 169, 0 + 0 + 25 + 1 = 26; over 4 values each
    expected = [math.sqrt(125 / 13), math.sqrt(169 / 26)]
    assert table["signal_to_error_ratio"].values == pytest.approx(expected, rel=1e-14)
    assert table["rms_error"].values == pytest.approx([math.sqrt(13 / 4), math.sqrt(26 / 4)])
    assert table["rms_signal"].values == pytest.approx([math.sqrt(125 / 4), math.sqrt(169 / 4)])


def test_a_split_does_not_feel_the_other() -> None:
    measured, predicted = charges(SPLIT)
    worse = predicted.copy()
    worse[0] = 1e6  # a calibration pattern
    for judge in (am.error_by_split, am.error_by_bit_line, am.error_by_kind):
        before = judge(measured, predicted).sel(split="test")
        assert judge(measured, worse).sel(split="test").identical(before)
        assert (
            not judge(measured, worse)
            .sel(split="calibration")
            .equals(judge(measured, predicted).sel(split="calibration"))
        )


def test_data_without_splits_are_one_group_of_neither() -> None:
    table = am.error_by_split(*charges())
    assert list(table["split"].values) == ["undivided"]
    assert float(table["signal_to_error_ratio"][0]) == pytest.approx(math.sqrt(294 / 39))


def test_bit_lines() -> None:
    table = am.error_by_bit_line(*charges(SPLIT))
    expected = [
        [math.sqrt((9 + 36) / (1 + 4)), math.sqrt((16 + 64) / (4 + 4))],
        [math.sqrt(25 / 25), math.sqrt(144 / 1)],
    ]
    assert table["signal_to_error_ratio"].dims == ("split", "bit_line")
    assert table["signal_to_error_ratio"].values == pytest.approx(np.array(expected))
    # predicted minus measured
    assert table["mean_error"].values == pytest.approx(np.array([[0.5, 0.0], [2.5, 0.5]]))


def test_kinds_of_pattern() -> None:
    kind = ["random", "pair", "random", "random"]
    table = am.error_by_kind(*charges(SPLIT, kind))
    # In the vocabulary's order.
    assert list(table["kind"].values) == ["pair", "random"]
    assert table["n_patterns"].values.tolist() == [[1, 1], [0, 2]]
    ratio = table["signal_to_error_ratio"]
    assert float(ratio.sel(split="calibration", kind="pair")) == pytest.approx(math.sqrt(100 / 8))
    assert float(ratio.sel(split="calibration", kind="random")) == pytest.approx(math.sqrt(25 / 5))
    assert float(ratio.sel(split="test", kind="random")) == pytest.approx(math.sqrt(169 / 26))
    # No test pattern is a pair: there is no number, not a good one.
    assert math.isnan(float(ratio.sel(split="test", kind="pair")))


def test_patterns_of_several_weight_sets_are_refused() -> None:
    with pytest.raises(DataError, match=r"one weight set.*select_patterns"):
        am.error_by_split(*charges(SPLIT, sets=[0, 0, 1, 1]))


@pytest.mark.parametrize("dim", ["pattern", "bit_line"])
def test_charges_of_different_patterns_are_refused(dim: str) -> None:
    measured, predicted = charges()
    size = measured.sizes[dim]
    shuffled = predicted.assign_coords({dim: np.arange(size)[::-1]})
    with pytest.raises(DataError, match=rf"{dim}\[0\].*expected 0, as measured, got {size - 1}"):
        am.error_by_split(measured.assign_coords({dim: np.arange(size)}), shuffled)
    with pytest.raises(DataError, match="expected shape"):
        am.error_by_split(measured, predicted.isel({dim: slice(1, None)}))


def test_patterns_of_a_weight_set_and_split() -> None:
    data = xr.Dataset(
        {"pulse_width": (("pattern", "word_line"), np.arange(8.0).reshape(4, 2))},
        coords={
            "pattern": [10, 11, 12, 13],
            "split": ("pattern", ["test", "calibration", "test", "calibration"]),
            "weight_set_of_pattern": ("pattern", [0, 0, 1, 1]),
        },
    )
    assert am.select_patterns(data)["pattern"].values.tolist() == [10, 11]
    chosen = am.select_patterns(data, weight_set=1, split="test")
    assert chosen["pattern"].values.tolist() == [12]
    with pytest.raises(DataError, match="weight set 2"):
        am.select_patterns(data, weight_set=2)
    with pytest.raises(ConfigurationError, match="Did you mean 'calibration'"):
        am.select_patterns(data, split="calibrate")


@pytest.fixture
def two_by_one() -> Chip:
    """Two word lines on one bit line; each cell gains e^0.1 - 1 while the other is high."""
    return Chip(
        name="two-by-one",
        cell_current=np.array([[2e-6], [1e-6]]),
        layout=Layout.uniform(2, 1),
        coupling=CouplingByClass(offsets=(-1, 1), kappa=np.array([[0.1, 0.1]])),
        bit_line=BitLine(lumped_resistance=1e3, drain_sensitivity=0.5, solution="first_order"),
    )


def test_effects_alone_and_together(two_by_one: Chip) -> None:
    width = xr.DataArray(
        [[1e-6, 1e-6], [1e-6, 0.0]],
        dims=("pattern", "word_line"),
        coords={"split": ("pattern", ["test", "test"])},
    )
    gain = math.exp(0.1)
    ideal = np.array([3e-12, 2e-12])
    crosstalk = np.array([3e-12 * gain, 2e-12])
    # First order: a cell loses the share g R I_total, with I_total before the drop.
    lumped = np.array([3e-12 * (1 - 0.5 * 1e3 * 3e-6), 2e-12 * (1 - 0.5 * 1e3 * 2e-6)])
    both = np.array([3e-12 * gain * (1 - 0.5 * 1e3 * 3e-6 * gain), 2e-12 * (1 - 0.5 * 1e3 * 2e-6)])
    measured = xr.DataArray(
        np.array([[3.3e-12], [2.0e-12]]), dims=("pattern", "bit_line"), coords=width.coords
    )
    table = am.effect_contributions(two_by_one, width, measured_charge=measured).sel(split="test")
    assert table["switched"].values.tolist() == [
        "none", "alone", "alone", "cumulative", "cumulative", "together",
    ]  # fmt: skip
    assert table["effects"].values.tolist() == [
        "", "crosstalk", "lumped", "crosstalk", "crosstalk+lumped", "crosstalk+lumped",
    ]  # fmt: skip
    simulated = [ideal, crosstalk, lumped, crosstalk, both, both]
    for k, charge in enumerate(simulated):
        row = table.isel(case=k)
        cost = np.linalg.norm(charge) / max(np.linalg.norm(charge - ideal), 1e-300)
        left = np.linalg.norm(measured.values[:, 0] - charge)
        if k == 0:
            assert math.isinf(float(row["ser_of_ideal"]))
        else:
            assert float(row["ser_of_ideal"]) == pytest.approx(cost, rel=1e-9)
        expected = np.linalg.norm(measured.values[:, 0]) / left
        assert float(row["ser_of_model"]) == pytest.approx(expected, rel=1e-9)
        assert float(row["rms_residual"]) == pytest.approx(left / math.sqrt(2), rel=1e-9)


def test_effects_are_counted_per_split(two_by_one: Chip) -> None:
    width = xr.DataArray(
        [[1e-6, 1e-6], [1e-6, 0.0]],
        dims=("pattern", "word_line"),
        coords={"split": ("pattern", ["test", "calibration"])},
    )
    chip = two_by_one.with_effects(("crosstalk",))
    table = am.effect_contributions(chip, width, ways=("alone",))
    alone = table["ser_of_ideal"].isel(case=1)
    # A lone word line has no crosstalk; two together have it.
    assert math.isinf(float(alone.sel(split="calibration")))
    gain = math.exp(0.1)
    assert float(alone.sel(split="test")) == pytest.approx(gain / (gain - 1))
    assert "ser_of_model" not in table
    with pytest.raises(ConfigurationError, match="Did you mean 'alone'"):
        am.effect_contributions(chip, width, ways=("alon",))


def test_the_bundled_chip_is_explained_by_crosstalk() -> None:
    """What the README and the notebook say of the bundled chip, on held-out patterns."""
    measurement = am.example_chip("reference")
    chip = am.starting_chip(measurement)
    patterns = am.select_patterns(measurement, split="test")
    table = am.effect_contributions(
        chip, patterns["pulse_width"], measured_charge=patterns["charge"]
    ).sel(split="test")
    by_case = dict(zip(table["switched"].values, table["ser_of_model"].values, strict=True))
    assert 20 < by_case["none"] < 22
    assert by_case["together"] > 5 * by_case["none"]
