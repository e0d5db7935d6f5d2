"""Exceptions of the package.

Every message has one shape: where it happened, what was expected, what came, what to do.
They derive from `Exception` rather than `ValueError` so that pydantic lets them through
unwrapped when a validator raises one.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from typing import Any


class AnalogModelError(Exception):
    """An error of this package, explained in one line.

    `where` names file, variable or key with its index; `expected` and `got` state the
    mismatch; `advice` says what the user can do.
    """

    def __init__(self, where: str, *, expected: str, got: str, advice: str = "") -> None:
        self.where = where
        self.expected = expected
        self.got = got
        self.advice = advice
        message = f"{where}: expected {expected}, got {got}"
        super().__init__(f"{message}. {advice}" if advice else message)

    def __reduce__(self) -> tuple[Any, ...]:
        """How it travels from a worker process: exceptions know of no keywords."""
        parts = {"expected": self.expected, "got": self.got, "advice": self.advice}
        return partial(type(self), self.where, **parts), ()


class DataError(AnalogModelError):
    """A file or dataset violates its schema."""


class ConfigurationError(AnalogModelError):
    """A chip or an option has an invalid value."""


class SimulationError(AnalogModelError):
    """A simulation was asked for something that it cannot do."""


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Advice that names the valid spelling closest to `name`, or lists what is valid."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Valid names: {', '.join(names)}."
