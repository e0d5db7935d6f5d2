"""Model-free crosstalk by hand, from charges that no simulator made."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.errors import DataError

T = 50e-9


def measurement(rows: list[tuple[str, float, list[float]]], **coords: list[int]) -> xr.Dataset:
    """Patterns as ('101', width in units of T, charges in units of 1e-7 A x T)."""
    width = np.array([[int(on) * times * T for on in lines] for lines, times, _ in rows])
    charge = np.array([charges for *_, charges in rows]) * 1e-7 * T
    return xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), width),
            "charge": (("pattern", "bit_line"), charge),
        },
        coords={
            "word_line": np.arange(width.shape[1]),
            "bit_line": np.arange(charge.shape[1]),
            **{name: ("pattern", values) for name, values in coords.items()},
        },
        attrs={"chip": "by hand"},
    )


# Lines 1, 2, 4 on bit line 0 and 1, 1, 1 on bit line 1.
SINGLES: list[tuple[str, float, list[float]]] = [
    ("100", 1, [1.0, 1.0]),
    ("010", 1, [2.0, 1.0]),
    ("001", 1, [4.0, 1.0]),
]


def crosstalk(data: xr.Dataset, **options: object) -> np.ndarray:
    return am.crosstalk_map(data, **options)["crosstalk_current"].values / 1e-7


def test_pairs() -> None:
    # 3.3 - 1 - 2 = 0.3 and 1.9 - 2 = -0.1; 6.5 - 6 = 0.5 and 2.0 - 2 = 0.
    data = measurement([*SINGLES, ("110", 1, [3.3, 1.9]), ("011", 1, [6.5, 2.0])])
    np.testing.assert_allclose(crosstalk(data), [[0.3, -0.1], [0.5, 0.0]], atol=1e-12)
    found = am.crosstalk_map(data)
    assert found["crosstalk_current"].attrs["units"] == "A"
    assert found.attrs["kind"] == "pair"
    assert found["word_line"].values.tolist() == [0, 1]


def test_leave_one_out() -> None:
    data = measurement(
        [*SINGLES, ("111", 1, [8.0, 3.0]), ("011", 1, [6.5, 2.0]), ("101", 1, [5.0, 2.2])]
    )
    # Without 0: 8 - 6.5 - 1 = 0.5, 3 - 2 - 1 = 0; without 1: 8 - 5 - 2 = 1, 3 - 2.2 - 1 = -0.2;
    # without 2 was not measured.
    expected = [[0.5, 0.0], [1.0, -0.2], [np.nan, np.nan]]
    np.testing.assert_allclose(crosstalk(data, kind="leave_one_out"), expected, atol=1e-12)


def test_the_current_does_not_depend_on_the_width() -> None:
    rows = [(lines, 2.0, [2 * q for q in charges]) for lines, _, charges in SINGLES]
    data = measurement([*rows, ("110", 2, [6.6, 3.8])])
    np.testing.assert_allclose(crosstalk(data)[0], [0.3, -0.1], atol=1e-12)


def test_widths_are_never_mixed() -> None:
    # The pair was measured at half the width of the singles: no difference can be formed.
    data = measurement([*SINGLES, ("110", 0.5, [1.65, 0.95]), ("011", 1, [6.5, 2.0])])
    assert np.isnan(crosstalk(data)[0]).all()
    np.testing.assert_allclose(crosstalk(data)[1], [0.5, 0.0], atol=1e-12)


def test_repeats_are_averaged() -> None:
    data = measurement(
        [*SINGLES, ("100", 1, [1.2, 1.0]), ("110", 1, [3.3, 1.9]), ("110", 1, [3.5, 2.1])]
    )
    # 3.4 - 1.1 - 2 = 0.3; 2.0 - 2 = 0.
    np.testing.assert_allclose(crosstalk(data)[0], [0.3, 0.0], atol=1e-12)


def test_patterns_of_unequal_widths_say_nothing() -> None:
    data = measurement([*SINGLES, ("110", 1, [3.3, 1.9])])
    unequal = data.copy(deep=True)
    unequal["pulse_width"][3, 1] *= 0.9
    with pytest.raises(DataError, match="expected pair patterns with the one-hot patterns"):
        am.crosstalk_map(unequal)


def test_weight_sets_are_never_mixed() -> None:
    rows = [*SINGLES, ("110", 1, [3.3, 1.9]), ("110", 1, [9.9, 9.9])]
    data = measurement(rows, weight_set_of_pattern=[0, 0, 0, 0, 1])
    np.testing.assert_allclose(crosstalk(data)[0], [0.3, -0.1], atol=1e-12)
    with pytest.raises(DataError, match="patterns of weight set 1"):
        am.crosstalk_map(data, weight_set=1)


def test_the_order_of_dimensions_does_not_matter() -> None:
    data = measurement([*SINGLES, ("110", 1, [3.3, 1.9])])
    np.testing.assert_array_equal(crosstalk(data.transpose()), crosstalk(data))


def test_an_unknown_kind_is_named_with_its_neighbour() -> None:
    with pytest.raises(DataError, match=r"got 'pairs'\. Did you mean 'pair'\?"):
        am.crosstalk_map(measurement(SINGLES), kind="pairs")
