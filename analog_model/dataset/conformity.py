"""Conformity of one variable to its specification."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from analog_model.dataset.attributes import check_storable
from analog_model.errors import DataError, nearest_name
from analog_model.vocabulary import VariableSpec

# NumPy's kind letters for each sort of value. Objects are none: they would need pickle.
KINDS_OF = {"real": "f", "integer": "iu", "text": "UT"}
SORT_NAMES = {"real": "floating-point numbers", "integer": "whole numbers", "text": "text"}
DIMENSIONLESS = "1"
MIN_FLOAT_BYTES = 4


def check_variable(dataset: xr.Dataset, spec: VariableSpec, source: str) -> None:
    """Raise `DataError` unless the variable `spec.name` of `dataset` obeys `spec`."""
    variable = dataset[spec.name]
    where = f"{spec.name} in {source}"
    _check_dims(variable, spec, where)
    _check_sort(variable, spec, where)
    _check_units(variable, spec, where)
    for name, value in variable.attrs.items():
        check_storable(value, f"attribute {name} of {where}")
    if spec.coordinate and spec.name not in dataset.coords:
        raise DataError(
            where,
            expected="a coordinate",
            got="a data variable",
            advice=f"Use dataset.set_coords({spec.name!r}).",
        )
    if spec.name in variable.dims:
        _check_distinct(variable, source)
    _check_values(variable, spec, source)


def check_labels(dataset: xr.Dataset, dim: str, source: str, *, counted: bool) -> None:
    """Raise `DataError` unless the labels of `dim` are distinct whole numbers.

    With `counted` they must be 0, 1, 2, ... . A dimension without labels passes.
    """
    if dataset.sizes[dim] == 0:
        raise DataError(f"dimension {dim} in {source}", expected="at least one entry", got="none")
    if dim not in dataset.coords:
        return
    labels = dataset[dim]
    if labels.dtype.kind not in KINDS_OF["integer"]:
        raise DataError(
            f"{dim} in {source}", expected="whole numbers as labels", got=f"dtype {labels.dtype}"
        )
    _check_distinct(labels, source)
    if counted:
        check_each(
            labels,
            labels.to_numpy() == np.arange(labels.size),
            source,
            expected="labels 0, 1, 2, ... in this order",
            advice=f"Number the {dim} from 0 in their physical order.",
        )


def check_each(
    variable: xr.DataArray, valid: np.ndarray, source: str, *, expected: str, advice: str = ""
) -> None:
    """Raise `DataError` at the first entry of `variable` that is not `valid`."""
    if valid.all():
        return
    wrong = np.argwhere(~valid)
    position = tuple(int(k) for k in wrong[0])
    got = shown(variable.to_numpy()[position])
    if len(wrong) > 1:
        got += f" (and {len(wrong) - 1} more such entries)"
    raise DataError(
        f"{at(variable, position)} in {source}", expected=expected, got=got, advice=advice
    )


def at(variable: xr.DataArray, position: tuple[int, ...]) -> str:
    """Name of one entry by its labels, such as `charge[pattern=3, bit_line=2]`."""
    labels = []
    for dim, k in zip(variable.dims, position, strict=True):
        of_dim = variable.coords.get(dim)
        label = k if of_dim is None or dim == variable.name else of_dim.to_numpy()[k]
        labels.append(f"{dim}={shown(label)}")
    return f"{variable.name}[{', '.join(labels)}]" if labels else str(variable.name)


def shown(value: Any) -> str:
    """A value the way a message shows it."""
    if isinstance(value, str | np.str_):
        text = repr(str(value))
        return text if len(text) <= 60 else f"{text[:57]}..."
    if isinstance(value, float | np.floating):
        return "NaN" if np.isnan(value) else f"{value:.6g}"
    return str(value)


def _check_dims(variable: xr.DataArray, spec: VariableSpec, where: str) -> None:
    if variable.dims in (spec.dims, spec.alternative_dims):
        return
    expected = f"dims ({', '.join(spec.dims)})"
    if spec.alternative_dims:
        expected += f" or ({', '.join(spec.alternative_dims)})"
    got = tuple(map(str, variable.dims))
    advice = ""
    if set(got) == set(spec.dims):
        order = ", ".join(map(repr, spec.dims))
        advice = f"Use dataset.transpose({order}, ...)."
    else:
        for dim in got:
            if dim not in spec.dims:
                advice = f"{dim!r}: {nearest_name(dim, spec.dims)}"
                break
    raise DataError(where, expected=expected, got=f"({', '.join(got)})", advice=advice)


def _check_sort(variable: xr.DataArray, spec: VariableSpec, where: str) -> None:
    dtype = variable.dtype
    # A count in units of 1 may be stored as whole numbers; nothing is lost.
    allowed = KINDS_OF[spec.holds] + (KINDS_OF["integer"] if spec.unit == DIMENSIONLESS else "")
    if dtype.kind in allowed and not (dtype.kind == "f" and dtype.itemsize < MIN_FLOAT_BYTES):
        return
    advice = ""
    if dtype.kind in "iu" and spec.holds == "real":
        advice = f"Convert to {spec.unit} and store as float64."
    raise DataError(where, expected=SORT_NAMES[spec.holds], got=f"dtype {dtype}", advice=advice)


def _check_units(variable: xr.DataArray, spec: VariableSpec, where: str) -> None:
    got = variable.attrs.get("units")
    if spec.unit in (None, DIMENSIONLESS):
        if got in (None, DIMENSIONLESS):
            return
        raise DataError(where, expected="no units attribute, or '1'", got=f"units {got!r}")
    if isinstance(got, str) and got == spec.unit:
        return
    if got is not None:
        raise DataError(
            where,
            expected=f"units {spec.unit!r}",
            got=f"units {got!r}",
            advice=f"Convert the values to {spec.unit} and set the attribute.",
        )
    misspelt = [name for name in map(str, variable.attrs) if name.lower().startswith("unit")]
    raise DataError(
        where,
        expected=f"the attribute units = {spec.unit!r}",
        got=f"the attribute {misspelt[0]!r}" if misspelt else "no units attribute",
        advice="Rename it to 'units'." if misspelt else "No unit is ever assumed.",
    )


def _check_distinct(labels: xr.DataArray, source: str) -> None:
    values = labels.to_numpy()
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[inverse] != np.arange(values.size))
    if repeated.size == 0:
        return
    k = int(repeated[0])
    before = int(first[inverse[k]])
    raise DataError(
        f"{labels.name} in {source}",
        expected="each label once",
        got=f"{shown(values[k])} at positions {before} and {k}",
        advice="Repeated measurements of the same pulses are fine; "
        "give each repetition its own label."
        if labels.name == "pattern"
        else "",
    )


def _check_values(variable: xr.DataArray, spec: VariableSpec, source: str) -> None:
    values = variable.to_numpy()
    unit = f" in {spec.unit}" if spec.unit not in (None, DIMENSIONLESS) else ""
    if values.dtype.kind == "f":
        check_each(
            variable,
            np.isfinite(values),
            source,
            expected=f"a finite {spec.name}{unit}",
            advice="Missing values are left out, never filled: measure again or remove the entry.",
        )
    if spec.lower is not None:
        check_each(
            variable,
            values >= spec.lower,
            source,
            expected=f"a {spec.name} of at least {spec.lower:g}{unit}",
        )
    if spec.allowed is not None:
        valid = np.isin(values, spec.allowed)
        advice = ""
        if not valid.all():
            advice = nearest_name(str(values[~valid][0]), spec.allowed)
        check_each(
            variable,
            valid,
            source,
            expected=f"one of {', '.join(spec.allowed)}",
            advice=advice,
        )
