"""Rank of this process among those that share a run."""

from __future__ import annotations

import os


def is_first_process() -> bool:
    """Whether this is the process that the user started, not one launched to share its work."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0
