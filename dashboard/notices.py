"""Messages to the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Literal

_numbers = count(1)


@dataclass(frozen=True)
class Notice:
    """One message; `number` tells a repeated text from the same message."""

    text: str
    kind: Literal["info", "error"] = "info"
    number: int = field(default_factory=lambda: next(_numbers))
