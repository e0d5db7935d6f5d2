"""Step: what is timed of a model, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from analog_model.benchmark.cases import FORWARD, FORWARD_BACKWARD, Case
from analog_model.nn.models import N_CLASSES

Step = Callable[[], Any]


def step_of(
    model: nn.Module,
    case: Case,
    measure: str,
    *,
    compiled: bool = False,
    n_inputs: int | None = None,
) -> Step:
    """The step as a function without arguments; compiled for these shapes if asked.

    Of the case's inputs all take part, or the first `n_inputs`.
    """
    x = case.inputs(2)[:n_inputs]
    run: Callable[[Tensor], Tensor] = model
    if compiled:
        run = torch.compile(model, fullgraph=True, dynamic=False)
    if measure == FORWARD:
        return _forward(run, x)
    if measure == FORWARD_BACKWARD:
        return _forward_backward(run, model, x)
    return _training(run, model, x)


def _forward(run: Callable[[Tensor], Tensor], x: Tensor) -> Step:
    def step() -> None:
        with torch.no_grad():
            run(x)

    return step


def _forward_backward(run: Callable[[Tensor], Tensor], model: nn.Module, x: Tensor) -> Step:
    """Gradients by inputs, weights and bias, as within a network."""
    x.requires_grad_()
    with torch.no_grad():
        by_output = torch.randn(model(x[:1]).shape[1:], generator=torch.Generator().manual_seed(3))
    by_output = by_output.expand(len(x), *by_output.shape).contiguous()

    def step() -> None:
        model.zero_grad()
        x.grad = None
        run(x).backward(by_output)

    return step


def _training(run: Callable[[Tensor], Tensor], model: nn.Module, x: Tensor) -> Step:
    """Cross entropy, backward, a step of gradient descent so small that nothing changes."""
    classes = torch.arange(len(x)) % N_CLASSES
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(run(x), classes).backward()
        optimizer.step()

    return step
