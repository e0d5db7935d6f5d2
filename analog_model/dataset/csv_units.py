"""Units of the columns of a CSV file.

A unit stands in the header (`t0 [ns]`, `pulse_width_ns`), in a comment above it
(`# time in ns, charge in fC`), or in an option. No unit is ever assumed, and two statements
that disagree are an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analog_model import vocabulary as v
from analog_model.errors import DataError

# Powers of ten of the SI prefixes that occur; both code points for micro are in use.
PREFIXES = {"": 0, "m": -3, "u": -6, "µ": -6, "μ": -6, "n": -9, "p": -12, "f": -15, "a": -18}


@dataclass(frozen=True)
class Quantity:
    """What a column measures: its SI base unit, an example, the words comments use for it."""

    name: str
    base: str
    example: str
    words: tuple[str, ...]


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity(v.PULSE_WIDTH, "s", "ns", ("time", "times", "pulse width", "pulse widths")),
        Quantity(v.CHARGE, "C", "fC", ("charge", "charges")),
        Quantity(v.CELL_CURRENT, "A", "nA", ("current", "currents", "cell current")),
        Quantity(v.COUPLING_CAPACITANCE, "F", "aF", ("capacitance", "capacitances")),
        Quantity(v.X_POSITION, "m", "um", ("position", "positions")),
        Quantity(v.Y_POSITION, "m", "um", ("position", "positions")),
    )
}
_ANY_UNIT = re.compile(r"[munpfaµμ]?[sCAFm]")


def power_of_ten(unit: str, quantity: Quantity, where: str) -> int:
    """Exponent e of a unit that is 10^e of the quantity's base unit."""
    text = unit.strip()
    prefix = text.removesuffix(quantity.base)
    if text.endswith(quantity.base) and prefix in PREFIXES:
        return PREFIXES[prefix]
    raise DataError(
        where,
        expected=f"a unit of {quantity.name}: {quantity.base} with an SI prefix or none",
        got=repr(unit),
        advice=f"Write {quantity.example!r}, for instance.",
    )


def agreed_power_of_ten(
    quantity: Quantity,
    *,
    source: str,
    comment: str,
    header_units: Mapping[str, str | None],
    option: str | None,
) -> int:
    """Exponent that option, comment, headers agree on.

    `header_units` gives the unit in each column's header, None where there is none. Raises
    `DataError` if no unit is stated, or two different ones.
    """
    stated: list[tuple[str, str]] = []
    if option is not None:
        stated.append((f"option {quantity.name}_unit", option))
    stated += [("the comment", unit) for unit in _units_in(comment, quantity)]
    stated += [(f"column {name!r}", unit) for name, unit in header_units.items() if unit]
    if not stated:
        column = next(iter(header_units), quantity.name)
        raise DataError(
            f"{quantity.name} in {source}",
            expected=f"its unit, such as {quantity.example}",
            got="no unit in header, comment or option",
            advice=f"Write '{column} [{quantity.example}]' in the header, "
            f"or pass {quantity.name}_unit={quantity.example!r}.",
        )
    powers = [power_of_ten(unit, quantity, f"{by} of {source}") for by, unit in stated]
    for (by, unit), power in zip(stated, powers, strict=True):
        if power != powers[0]:
            first_by, first_unit = stated[0]
            raise DataError(
                f"{quantity.name} in {source}",
                expected=f"one unit; {first_by} says {first_unit!r}",
                got=f"{unit!r} from {by}",
            )
    return powers[0]


def split_unit(header: str, known: Sequence[str]) -> tuple[str, str | None]:
    """Column name in a header cell, then its unit if the cell states one."""
    bracketed = re.fullmatch(r"(.*?)\s*(?:\[([^\]]*)\]|\(([^)]*)\))", header)
    if bracketed:
        return bracketed[1], (bracketed[2] or bracketed[3] or "").strip() or None
    name, _, suffix = header.rpartition("_")
    if header not in known and suffix and (name in known or re.fullmatch(r"[tq]\d+", name)):
        return name, suffix
    return header, None


def _units_in(comment: str, quantity: Quantity) -> list[str]:
    """Units that a comment states for the quantity; other prose is not for us to read."""
    words = "|".join(
        re.escape(word).replace(r"\ ", "[ _]") for word in (*quantity.words, quantity.name)
    )
    statements = re.findall(
        rf"\b(?:{words})\b\s*(?:unit)?\s*(?:in|:|=|\[|\()\s*([A-Za-zµμ]+)", comment, re.IGNORECASE
    )
    return [unit for unit in statements if _ANY_UNIT.fullmatch(unit)]
