"""The cases of `analog-model benchmark` under pytest-benchmark.

    make benchmark ARGS="-k layer"

Without --benchmark-enable each step runs once on a part of its inputs: the cases stay whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from analog_model.benchmark.cases import CASES
from analog_model.benchmark.run import cpp_compiler
from analog_model.benchmark.step import step_of

SIDES = ("torch", "analog", "torch compiled", "analog compiled")
STEPS = [(case, measure) for case in CASES.values() for measure in case.measures]
# What takes long to convert, or to compile, is worth it only where it is timed.
QUICK = {"conv6"}


@pytest.fixture(autouse=True)
def two_threads(benchmark: Any) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1 if benchmark.disabled else 2)
    torch.compiler.reset()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("case", "measure"), STEPS, ids=lambda one: getattr(one, "name", one))
def test_a_step(benchmark: Any, case: Any, measure: str, side: str) -> None:
    compiled = side.endswith("compiled")
    if benchmark.disabled:
        if compiled or case.name not in QUICK:
            pytest.skip("only under --benchmark-enable: takes long to convert or to compile")
        case = replace(case, input_shape=(4, *case.input_shape[1:]))
    if compiled and cpp_compiler() is None:
        pytest.skip("no C++ compiler, which torch.compile needs")
    model = case.model()
    if side.startswith("analog"):
        model = case.analog(model)
    benchmark.group = f"{case.title}: {measure}"
    benchmark.extra_info["side"] = side
    step = step_of(model, case, measure, compiled=compiled)
    benchmark.pedantic(step, rounds=20, warmup_rounds=3)
    found = [parameter.grad for parameter in model.parameters()]
    if measure == "forward":
        assert found == [None] * len(found)
    else:
        assert all(bool(torch.isfinite(gradient).all()) for gradient in found)
