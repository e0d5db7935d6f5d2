"""Paper figures of the error page's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard.views.error_numbers import MEASURED, ErrorNumbers


def figures_of(numbers: ErrorNumbers) -> dict[str, Callable[[], Any]]:
    """Figures of the page by name, each with what makes its element."""
    true, judged = (numbers.charges[name] for name in (numbers.true, numbers.judged))
    ser = "ser_of_model" if numbers.true == MEASURED else "ser_of_ideal"
    return {
        "Charges": lambda: _figures().charge_scatter(true, judged),
        "Error over charge": lambda: _figures().error_scatter(true, judged),
        "Effects": lambda: _figures().effect_bars(numbers.effects, ser=ser),
        "Kinds of pattern": lambda: _figures().kind_bars(numbers.by_kind),
        "Bit lines": lambda: _figures().bit_line_bars(numbers.by_bit_line),
    }


def _figures() -> Any:
    # HoloViews costs a second to import; only an export needs it.
    from analog_model.figures import error

    return error
