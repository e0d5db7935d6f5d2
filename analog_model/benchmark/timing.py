"""Timing of several functions in turn, so that what disturbs one disturbs all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_WARM_UP = 3


def interleaved(
    functions: Mapping[str, Callable[[], Any]], *, n_rounds: int, n_warm_up: int = _WARM_UP
) -> dict[str, np.ndarray]:
    """Seconds (round,) of every function, one after the other in each round.

    Each round starts with another function. No garbage is collected meanwhile. A function
    is called `n_warm_up` times before: the first call of a compiled one compiles it.
    """
    names = list(functions)
    taken = {name: np.empty(n_rounds) for name in names}
    for function in functions.values():
        for _ in range(n_warm_up):
            function()
    gc.collect()
    collects = gc.isenabled()
    gc.disable()
    try:
        for number in range(n_rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                start = time.perf_counter()
                functions[name]()
                taken[name][number] = time.perf_counter() - start
    finally:
        if collects:
            gc.enable()
    return taken
