"""Run of the benchmark: every case with all sides in one process."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

import numpy as np
import torch
import torch._functorch.config
import xarray as xr
from torch import nn

from analog_model.benchmark.accuracy import Accuracy, accuracy
from analog_model.benchmark.cases import Case
from analog_model.benchmark.memory import peak_of, resident
from analog_model.benchmark.result import (
    ANALOG,
    ANALOG_COMPILED,
    SLOTS,
    TORCH,
    TORCH_COMPILED,
    Measured,
    dataset,
)
from analog_model.benchmark.step import Step, step_of
from analog_model.benchmark.timing import interleaved

Tell = Callable[[str, float], None]

# All rounds of one measure take about so long, within these bounds.
_SECONDS, _FEWEST, _MOST = 8.0, 9, 200


def run(
    cases: Sequence[Case],
    *,
    n_threads: int,
    compiled: bool = True,
    memory_budget: float = 1.0,
    quick: bool = False,
    tell: Tell = lambda _stage, _fraction: None,
) -> xr.Dataset:
    """Dataset of all `cases` with `n_threads` threads of torch, as `result.dataset` has it.

    `compiled`: with torch.compile too, on both sides, where a C++ compiler is found.
    `memory_budget`: share of the activations that compiled steps may keep for the backward
    pass, the rest being computed anew; torch's activation_memory_budget, on both sides.
    `quick`: few rounds, for a look. `tell` is told the stage with the fraction done.
    """
    compiler = cpp_compiler() if compiled else None
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    found = []
    budget = torch._functorch.config.patch(activation_memory_budget=memory_budget)  # noqa: SLF001
    with _threads(n_threads), budget:
        for number, case in enumerate(cases):

            def told(stage: str, number: int = number, title: str = case.title) -> None:
                tell(f"{title}: {stage}", number / len(cases))

            found.append(_measured(case, compiled=compiler is not None, quick=quick, tell=told))
        return dataset(found, compiler=compiler, load=load, memory_budget=memory_budget)


def cpp_compiler() -> str | None:
    """The C++ compiler that torch.compile would use; None without any."""
    given = os.environ.get("CXX")
    for name in [given] if given else ["g++", "clang++"]:
        if shutil.which(name):
            return name
    return None


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _measured(case: Case, *, compiled: bool, quick: bool, tell: Callable[[str], None]) -> Measured:
    tell("converting")
    digital = case.model()
    analog = case.analog(digital)
    tell("checking against slots")
    found = Measured(case, _accuracy(case, analog))
    models = {TORCH: digital, ANALOG: analog}
    if compiled:
        models |= {TORCH_COMPILED: digital, ANALOG_COMPILED: analog}
    for measure in case.measures:
        torch.compiler.reset()
        tell(f"{measure}, compiling" if compiled else measure)
        steps = {
            side: step_of(model, case, measure, compiled=side in (TORCH_COMPILED, ANALOG_COMPILED))
            for side, model in models.items()
        }
        seconds = _once(steps)
        tell(measure)
        n_rounds = 3 if quick else min(max(int(_SECONDS / seconds), _FEWEST), _MOST)
        found.seconds[measure] = interleaved(steps, n_rounds=n_rounds)
        if case.slots:
            tell(f"{measure}, slots")
            found.seconds[measure] |= _exact(case, measure, n_rounds=1 if quick else 3)
    tell("memory")
    for side, step in steps.items():
        found.memory[side] = resident(models[side], case.inputs(2)) + peak_of(step)
    return found


def _exact(case: Case, measure: str, *, n_rounds: int) -> dict[str, np.ndarray]:
    """Seconds by slots, from some inputs to all: what they take is in proportion."""
    model = case.analog(case.model(), method="slots")
    step = step_of(model, case, measure, n_inputs=case.slots)
    taken = interleaved({SLOTS: step}, n_rounds=n_rounds, n_warm_up=0)
    return {SLOTS: taken[SLOTS] * (case.input_shape[0] / case.slots)}


def _accuracy(case: Case, analog: nn.Module) -> Accuracy:
    # A copy: batch normalisation remembers what it sees.
    return accuracy(copy.deepcopy(analog), case.inputs(2), effects=not case.trains)


def _once(steps: dict[str, Step]) -> float:
    """Seconds of one round, after all has been compiled."""
    for step in steps.values():
        step()
    start = perf_counter()
    for step in steps.values():
        step()
    return perf_counter() - start
