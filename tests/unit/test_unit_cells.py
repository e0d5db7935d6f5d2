"""Cells of units against their channels' by index."""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.nn.unit_cells import unit_cells

CHANNEL = torch.tensor([0, 0, 1, 3, 3, 3])


def cells() -> Tensor:
    return torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_each_unit_has_its_channels_cells() -> None:
    assert torch.equal(unit_cells(cells(), CHANNEL), cells()[..., CHANNEL])


def test_gradients_of_first_and_second_order() -> None:
    def squares(values: Tensor) -> Tensor:
        return unit_cells(values, CHANNEL) ** 2

    own = cells().requires_grad_()
    assert torch.autograd.gradcheck(squares, own)
    assert torch.autograd.gradgradcheck(squares, own)


def test_cells_of_an_ensemble() -> None:
    def total(values: Tensor) -> Tensor:
        return (unit_cells(values, CHANNEL) ** 3).sum()

    found = torch.func.vmap(torch.func.grad(total))(cells())
    assert torch.equal(found, 3 * cells() ** 2 * torch.tensor([2, 1, 0, 3]))
