"""Stage of a job, as the job tells it to whoever waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """What is being done, how much of all is behind."""

    text: str
    fraction: float
