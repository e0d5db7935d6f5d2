"""Attributes of a dataset against their specification.

An attribute that the schema does not know is the laboratory's own business and passes,
unless its name is close to a known one: a misspelt `v_bit_lin` must not get lost.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from analog_model import vocabulary as v
from analog_model.errors import DataError, nearest_name

ABSOLUTE_ZERO_CELSIUS = -273.15
MAX_BITS = 32

# Smallest value of a number, then whether that value itself is allowed.
LOWER_BOUNDS = {
    "pulse_lsb": (0.0, False),
    "pulse_edge": (0.0, True),
    "cell_pitch": (0.0, False),
    "temperature_celsius": (ABSOLUTE_ZERO_CELSIUS, False),
}


def check_schema_name(attrs: Mapping[Hashable, Any], schema: str, source: str) -> None:
    """Raise `DataError` unless the attribute `schema` is the one expected."""
    got = attrs.get("schema")
    if not (isinstance(got, str) and got == schema):
        raise DataError(
            f"attribute schema in {source}",
            expected=repr(schema),
            got="no such attribute" if got is None else repr(got),
            advice="Open a layout map with open_layout, a measurement with open_measurement, a "
            "calibration with open_calibration; "
            "import a CSV file with import_measurement.",
        )


def check_attributes(
    attrs: Mapping[Hashable, Any], known: Mapping[str, tuple[str | None, str]], source: str
) -> None:
    """Raise `DataError` for a misspelt name or an invalid value."""
    for key, value in attrs.items():
        name = str(key)
        where = f"attribute {name} in {source}"
        if name not in known:
            _check_not_misspelt(name, known, where)
            check_storable(value, where)
        elif known[name][0] is not None:
            _check_number(name, value, known[name][0], where)
        elif name == "bits":
            _check_bits(value, where)
        else:
            _check_text(name, value, where)


def check_storable(value: Any, where: str) -> None:
    """Raise `DataError` unless NetCDF can hold the value: a text, or numbers in a row."""
    numbers = np.asarray(value)
    if isinstance(value, str) or (numbers.dtype.kind in "iuf" and numbers.ndim <= 1):
        return
    raise DataError(where, expected="a text, a number or a row of numbers", got=_shown(value))


def _check_not_misspelt(name: str, known: Mapping[str, Any], where: str) -> None:
    plain = name.lower().replace("-", "_").replace(" ", "_")
    begins_one = len(plain) >= 4 and any(valid.startswith(plain) for valid in known)
    if begins_one or get_close_matches(plain, known, n=1, cutoff=0.75):
        raise DataError(
            where,
            expected="an attribute of the schema, or a name unlike all of them",
            got=repr(name),
            advice=nearest_name(plain, known),
        )


def _check_number(name: str, value: Any, unit: str | None, where: str) -> None:
    expected = f"a finite number in {unit}"
    lower, inclusive = LOWER_BOUNDS.get(name, (-math.inf, False))
    if lower > -math.inf:
        expected += f" {'of at least' if inclusive else 'above'} {lower:g}"
    if not _is_number(value):
        raise DataError(where, expected=expected, got=_shown(value))
    number = float(value)
    if not math.isfinite(number) or number < lower or (number == lower and not inclusive):
        raise DataError(where, expected=expected, got=f"{number:g}")


def _check_bits(value: Any, where: str) -> None:
    whole = _is_number(value) and float(value).is_integer()
    if not whole or not 1 <= int(value) <= MAX_BITS:
        raise DataError(where, expected=f"a whole number from 1 to {MAX_BITS}", got=_shown(value))


def _check_text(name: str, value: Any, where: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise DataError(where, expected="a text that is not empty", got=_shown(value))
    if name == "alignment" and value not in v.ALIGNMENTS:
        raise DataError(
            where,
            expected=f"one of {', '.join(v.ALIGNMENTS)}",
            got=repr(value),
            advice=nearest_name(value, v.ALIGNMENTS),
        )


def _is_number(value: Any) -> bool:
    """Whether `value` is one real number; True and False are none."""
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "iuf"


def _shown(value: Any) -> str:
    text = repr(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
