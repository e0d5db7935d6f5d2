"""Kernel boxes against plain slices of the kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.nn.kernel_boxes import kernel_boxes

# Heights, widths, units of three boxes; the last overlaps the first.
BOXES = [0, 1, 0, 3, 0, 2, 1, 3, 1, 2, 2, 5, 0, 2, 2, 3, 1, 3]
SLICES = [
    (..., slice(*BOXES[k : k + 2]), slice(*BOXES[k + 2 : k + 4]), slice(*BOXES[k + 4 : k + 6]))
    for k in range(0, len(BOXES), 6)
]


def kernel() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 4, 3, 3, 5, generator=generator, dtype=torch.float64)


def test_each_piece_is_the_slice() -> None:
    whole = kernel()
    for piece, place in zip(kernel_boxes(whole, BOXES), SLICES, strict=True):
        assert torch.equal(piece, whole[place])


def test_gradients_of_first_and_second_order() -> None:
    whole = kernel()[:1, :1].requires_grad_()

    def squares(values: Tensor) -> tuple[Tensor, ...]:
        return tuple(piece**2 for piece in kernel_boxes(values, BOXES))

    assert torch.autograd.gradcheck(squares, whole)
    assert torch.autograd.gradgradcheck(squares, whole)


def test_kernels_of_an_ensemble() -> None:
    def total(values: Tensor) -> Tensor:
        pieces = kernel_boxes(values, BOXES)
        return sum(((k + 1) * piece**3).sum() for k, piece in enumerate(pieces))  # type: ignore[return-value]

    whole = kernel()
    found = torch.func.vmap(torch.func.grad(total))(whole)
    for one, gradient in zip(whole, found, strict=True):
        expected = torch.zeros_like(one)
        for k, place in enumerate(SLICES):
            expected[place] += (k + 1) * 3 * one[place] ** 2
        torch.testing.assert_close(gradient, expected)
