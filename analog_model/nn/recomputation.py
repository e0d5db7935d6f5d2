"""Recomputation of what takes more memory to keep than time to form again.

A compiler keeps for the backward pass whatever an operator of its own returns, and much that
it fuses. What it is told to form again is gone in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def in_compiled_layer() -> bool:
    """Whether torch.compile traces, not to export."""
    return torch.compiler.is_dynamo_compiling() and not torch.compiler.is_exporting()


def recomputed(function: Callable[..., Any], *inputs: Any) -> Any:
    """function(*inputs), in a compiled layer formed once more in the backward pass."""
    if not in_compiled_layer():
        return function(*inputs)
    return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
