"""Exponential less one: as accurate compiled as it is otherwise."""

from __future__ import annotations

import pytest
import torch

from analog_model.physics import bit_line, cell
from analog_model.physics.exponential import expm1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("compiler")
def test_compiled_code_cancels_nothing(dtype: torch.dtype) -> None:
    size = torch.logspace(-12, 1.5, 300, dtype=torch.float64)
    x = torch.cat([-size, size]).to(dtype)
    exact = torch.expm1(x.double())
    for run in (expm1, torch.compile(expm1, fullgraph=True)):
        torch.testing.assert_close(run(x).double(), exact, rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.usefixtures("compiler")
def test_laws_at_small_numbers_are_the_same_compiled() -> None:
    """A cell without current, a line that droops by a millionth: values and slopes."""
    current = torch.tensor([0.0, 1e-12, 1e-6, 0.3]).repeat(8).requires_grad_()
    specific, one = torch.tensor(0.4), torch.ones(())

    def answers(current: torch.Tensor) -> torch.Tensor:
        answer = current * cell.sensitivity(current, specific)
        return answer + current * bit_line.droop(1e-6 * (1 + current), one, one) * 1e6

    found = torch.compile(answers, fullgraph=True)(current)
    expected = answers(current)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), current)[0],
        torch.autograd.grad(expected.sum(), current)[0],
        rtol=1e-5,
        atol=1e-6,
    )
