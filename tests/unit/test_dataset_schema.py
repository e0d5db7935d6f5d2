"""Every violation of the measurement schema is named in one clear message."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from analog_model.dataset.examples import example_chip
from analog_model.dataset.schema import validate
from analog_model.errors import DataError

Change = Callable[[xr.Dataset], xr.Dataset]


@pytest.fixture
def measurement() -> xr.Dataset:
    """Eight patterns of the example chip on three bit lines, free to be spoilt."""
    chip = example_chip().isel(pattern=slice(0, 8), bit_line=slice(0, 3))
    return chip.copy(deep=True)


def set_value(name: str, index: tuple[int, ...], value: object) -> Change:
    def change(dataset: xr.Dataset) -> xr.Dataset:
        values = dataset[name].values.copy()
        if values.dtype.kind == "U":
            values = values.astype("<U20")
        values[index] = value
        return dataset.assign({name: dataset[name].copy(data=values)})

    return change


def set_attr(name: str, value: object) -> Change:
    return lambda dataset: dataset.assign_attrs({name: value})


def set_units(name: str, units: object) -> Change:
    def change(dataset: xr.Dataset) -> xr.Dataset:
        attrs = {k: x for k, x in dataset[name].attrs.items() if k != "units"}
        if units is not None:
            attrs["units"] = units
        dataset[name].attrs = attrs
        return dataset

    return change


def as_type(name: str, dtype: object) -> Change:
    return lambda dataset: dataset.assign({name: dataset[name].astype(dtype, keep_attrs=True)})


VIOLATIONS: dict[str, tuple[Change, list[str]]] = {
    "missing variable": (
        lambda d: d.drop_vars("charge"),
        ["charge in chip.nc: expected the variable charge (pattern, bit_line) in C, got no such"],
    ),
    "missing pulse width": (
        lambda d: d.drop_vars("pulse_width"),
        ["pulse_width in chip.nc: expected the variable pulse_width (pattern, word_line) in s"],
    ),
    "misspelt variable": (
        lambda d: d.rename(charge="charges"),
        ["charges in chip.nc", "got 'charges'", "Did you mean 'charge'?"],
    ),
    "misspelt optional variable": (
        lambda d: d.rename(layout_class="layout_clas"),
        ["layout_clas in chip.nc", "Did you mean 'layout_class'?"],
    ),
    "misspelt dimension": (
        lambda d: d.rename(word_line="wordline").drop_vars("wordline"),
        ["pulse_width in chip.nc", "got (pattern, wordline)", "Did you mean 'word_line'?"],
    ),
    "misspelt dimension with labels": (
        lambda d: d.rename(word_line="wordline"),
        ["wordline in chip.nc", "got 'wordline'", "Did you mean 'word_line'?"],
    ),
    "transposed": (
        lambda d: d.assign(pulse_width=d.pulse_width.transpose()),
        [
            "pulse_width in chip.nc: expected dims (pattern, word_line), got (word_line, pattern)",
            "dataset.transpose('pattern', 'word_line', ...)",
        ],
    ),
    "wrong dim": (
        lambda d: d.assign(layout_class=d.layout_class.isel(bit_line=0, drop=True)),
        ["layout_class in chip.nc: expected dims (word_line, bit_line), got (word_line)"],
    ),
    "NaN": (
        set_value("charge", (3, 2), np.nan),
        ["charge[pattern=3, bit_line=2] in chip.nc: expected a finite charge in C, got NaN"],
    ),
    "infinite current": (
        set_value("cell_current", (1, 4, 0), np.inf),
        ["cell_current[weight_set=1, word_line=4, bit_line=0] in chip.nc", "got inf"],
    ),
    "negative width": (
        set_value("pulse_width", (5, 7), -4e-8),
        [
            "pulse_width[pattern=5, word_line=7] in chip.nc: "
            "expected a pulse_width of at least 0 in s, got -4e-08"
        ],
    ),
    "negative layout class": (
        set_value("layout_class", (2, 1), -1),
        ["layout_class[word_line=2, bit_line=1] in chip.nc", "at least 0, got -1"],
    ),
    "unit missing": (
        set_units("charge", None),
        ["charge in chip.nc: expected the attribute units = 'C', got no units attribute"],
    ),
    "unit with a prefix": (
        set_units("pulse_width", "ns"),
        ["pulse_width in chip.nc: expected units 's', got units 'ns'", "Convert the values to s"],
    ),
    "unit of another quantity": (
        set_units("cell_current", "C"),
        ["cell_current in chip.nc: expected units 'A', got units 'C'"],
    ),
    "unit of a count": (
        set_units("segments_to_sense", "m"),
        ["segments_to_sense in chip.nc: expected no units attribute, or '1', got units 'm'"],
    ),
    "misspelt units attribute": (
        lambda d: d.assign(charge=(d.charge.dims, d.charge.values, {"unit": "C"})),
        ["charge in chip.nc", "got the attribute 'unit'", "Rename it to 'units'."],
    ),
    "duplicate pattern": (
        lambda d: d.assign_coords(pattern=[0, 1, 2, 3, 4, 2, 6, 7]),
        [
            "pattern in chip.nc: expected each label once, got 2 at positions 2 and 5",
            "Repeated measurements of the same pulses are fine",
        ],
    ),
    "fractional pattern labels": (
        lambda d: d.assign_coords(pattern=np.arange(8) / 2),
        ["pattern in chip.nc: expected whole numbers as labels, got dtype float64"],
    ),
    "word lines out of order": (
        lambda d: d.isel(word_line=[1, 0, *range(2, 16)]),
        ["word_line[word_line=0] in chip.nc: expected labels 0, 1, 2", "got 1"],
    ),
    "weight sets from one": (
        lambda d: d.assign_coords(weight_set=[1, 2]),
        ["weight_set[weight_set=0] in chip.nc: expected labels 0, 1, 2", "got 1"],
    ),
    "weight set without currents": (
        set_value("weight_set_of_pattern", (4,), 2),
        ["weight_set_of_pattern[pattern=4] in chip.nc: expected a weight set from 0 to 1, got 2"],
    ),
    "weight sets not assigned": (
        lambda d: d.drop_vars("weight_set_of_pattern"),
        ["weight_set_of_pattern in chip.nc", "as there are 2 weight sets, got no such variable"],
    ),
    "unknown kind": (
        set_value("kind", (6,), "leave_1_out"),
        ["kind[pattern=6] in chip.nc", "got 'leave_1_out'", "Did you mean 'leave_one_out'?"],
    ),
    "unknown split": (
        set_value("split", (0,), "train"),
        ["split[pattern=0] in chip.nc: expected one of calibration, test, got 'train'"],
    ),
    "kind as data": (
        lambda d: d.reset_coords("kind"),
        ["kind in chip.nc: expected a coordinate", "dataset.set_coords('kind')"],
    ),
    "objects": (
        as_type("kind", object),
        ["kind in chip.nc: expected text, got dtype object"],
    ),
    "whole numbers for charges": (
        as_type("charge", np.int64),
        ["charge in chip.nc: expected floating-point numbers, got dtype int64", "Convert to C"],
    ),
    "complex": (
        as_type("charge", complex),
        ["charge in chip.nc: expected floating-point numbers, got dtype complex128"],
    ),
    "half precision": (
        as_type("charge", np.float16),
        ["charge in chip.nc: expected floating-point numbers, got dtype float16"],
    ),
    "fractional layout class": (
        as_type("layout_class", np.float64),
        ["layout_class in chip.nc: expected whole numbers, got dtype float64"],
    ),
    "no patterns": (
        lambda d: d.isel(pattern=slice(0, 0)),
        ["dimension pattern in chip.nc: expected at least one entry, got none"],
    ),
    "no schema": (
        lambda d: d.assign_attrs(schema=None),
        ["attribute schema in chip.nc: expected 'analog-model/measurement/1', got no such"],
    ),
    "another schema": (
        set_attr("schema", "analog-model/layout/1"),
        ["got 'analog-model/layout/1'", "Open a layout map with open_layout"],
    ),
    "misspelt attribute": (
        set_attr("v_bit_lin", 1.0),
        ["attribute v_bit_lin in chip.nc", "Did you mean 'v_bit_line'?"],
    ),
    "shortened attribute": (
        set_attr("temperature", 27.0),
        ["attribute temperature in chip.nc", "Did you mean 'temperature_celsius'?"],
    ),
    "text for a voltage": (
        set_attr("v_word_line", "2.0 V"),
        ["attribute v_word_line in chip.nc: expected a finite number in V, got '2.0 V'"],
    ),
    "infinite voltage": (
        set_attr("v_bit_line", np.inf),
        ["attribute v_bit_line in chip.nc: expected a finite number in V, got inf"],
    ),
    "truth for a voltage": (
        set_attr("v_bit_line", np.True_),
        ["attribute v_bit_line in chip.nc: expected a finite number in V, got True"],
    ),
    "negative code width": (
        set_attr("pulse_lsb", -1e-9),
        ["attribute pulse_lsb in chip.nc: expected a finite number in s above 0, got -1e-09"],
    ),
    "below absolute zero": (
        set_attr("temperature_celsius", -300.0),
        ["attribute temperature_celsius in chip.nc", "above -273.15, got -300"],
    ),
    "fractional bits": (
        set_attr("bits", 4.5),
        ["attribute bits in chip.nc: expected a whole number from 1 to 32, got 4.5"],
    ),
    "unknown alignment": (
        set_attr("alignment", "centered"),
        ["attribute alignment in chip.nc", "got 'centered'", "Did you mean 'centred'?"],
    ),
    "empty source": (
        set_attr("source", " "),
        ["attribute source in chip.nc: expected a text that is not empty, got ' '"],
    ),
    "attribute that no file can hold": (
        set_attr("operator", {"name": "A. B."}),
        ["attribute operator in chip.nc: expected a text, a number or a row of numbers"],
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_is_named(measurement: xr.Dataset, name: str) -> None:
    change, fragments = VIOLATIONS[name]
    with pytest.raises(DataError) as caught:
        validate(change(measurement), source="chip.nc")
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_valid_measurement_comes_back_untouched(measurement: xr.Dataset) -> None:
    before = measurement.copy(deep=True)
    assert validate(measurement) is measurement
    assert measurement.identical(before)


def test_repeated_pulses_under_their_own_labels_pass(measurement: xr.Dataset) -> None:
    twice = xr.concat([measurement, measurement], dim="pattern", data_vars="minimal")
    validate(twice.assign_coords(pattern=np.arange(16)))


def test_optional_things_may_be_absent(measurement: xr.Dataset) -> None:
    bare = measurement[["pulse_width", "charge"]].drop_vars(
        ["kind", "split", "weight_set_of_pattern", "pattern", "word_line", "bit_line"]
    )
    bare.attrs = {"schema": "analog-model/measurement/1"}
    validate(bare)


def test_own_attributes_of_a_laboratory_pass(measurement: xr.Dataset) -> None:
    validate(measurement.assign_attrs(operator="A. B.", wafer=12))


def test_negative_charge_and_current_are_noise_not_violations(measurement: xr.Dataset) -> None:
    noisy = set_value("charge", (0, 0), -1e-16)(measurement)
    validate(set_value("cell_current", (0, 0, 0), -1e-12)(noisy))


def test_number_of_violations_is_told(measurement: xr.Dataset) -> None:
    measurement.charge.values[2:4] = np.nan
    with pytest.raises(DataError, match=r"charge\[pattern=2, bit_line=0\].*5 more such entries"):
        validate(measurement)


def test_index_is_told_in_labels_not_positions(measurement: xr.Dataset) -> None:
    later = measurement.isel(pattern=[6, 7])
    later.charge.values[1, 0] = np.nan
    with pytest.raises(DataError, match=r"charge\[pattern=7, bit_line=0\]"):
        validate(later)
