"""Lift kernel: widths of a layer's units in one pass over the image, for compiled layers.

What `neighbourhood` with `physics.lifted_widths` computes, on processors, in C++: a compiler
given those makes a map in memory of every neighbour, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from analog_model.nn.processor_kernel import call

# Integers of a run; what stands for the course of effective widths; lanes that may be read.
RUN, EFFECTIVE, _PADDED = 6, -1, 16
_SOURCES = ("lift_registers.hpp", "lift_singles.hpp", "lift_kernel.cpp")


@dataclass(frozen=True)
class Output:
    """Widths (B, H, W, C, V) of consecutive rows, one for each of C classes.

    Of the effective kind or, times a course of the modes, modal; `coarse`: in bfloat16.
    """

    first_row: int
    n_classes: int
    coarse: bool
    course: int = EFFECTIVE


@dataclass(frozen=True)
class LiftPlan:
    """What the kernel does to an image, as it reads it.

    - `runs`: of six integers each, as `neighbourhood` takes them, 0 a unit's own channel, 1 + k
      its neighbour k;
    - `members`: the neighbours of each set; `terms`: of each row the sets that count;
    - `outputs` with the number of `coefficients` of a course (0 without).
    """

    runs: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]
    terms: tuple[tuple[int, ...], ...]
    outputs: tuple[Output, ...]
    n_units: int
    n_neighbours: int
    coefficients: int

    def tables(self) -> Tensor:
        """The plan's lists behind each other, as `Plan` in lift_registers.hpp reads them."""
        flat = list(self.runs)
        for chosen in self.members:
            flat += [*chosen, *[-1] * (self.n_neighbours - len(chosen))]
        flat += accumulate((len(row) for row in self.terms), initial=0)
        placed = [(s, r) for r, row in enumerate(self.terms) for s in row]
        flat += [s for s, _ in placed]
        by_set = [[t for t, (s, _) in enumerate(placed) if s == m] for m in range(self.n_sets)]
        flat += accumulate((len(terms) for terms in by_set), initial=0)
        order = [t for terms in by_set for t in terms]
        flat += order
        flat += [placed[t][1] for t in order]
        for out in self.outputs:
            flat += [out.first_row, out.n_classes, int(out.coarse), out.course]
        return torch.tensor(flat)

    @property
    def n_sets(self) -> int:
        return len(self.members)

    def sizes(self) -> list[int]:
        """Sizes that no image changes."""
        n_terms = sum(map(len, self.terms))
        counts = [len(self.runs) // RUN, self.n_sets, len(self.terms), n_terms, len(self.outputs)]
        return [self.n_units, self.n_neighbours, *counts, self.coefficients]

    @property
    def bytes_per_unit(self) -> int:
        """Bytes that all widths of a unit take in a pixel, in single precision."""
        return sum((2 if out.coarse else 4) * out.n_classes for out in self.outputs)

    def shapes(self) -> list[int]:
        """Classes of each output, negative where it is coarse."""
        return [-out.n_classes if out.coarse else out.n_classes for out in self.outputs]


def padded_units(coefficient: Tensor) -> Tensor:
    """Coefficients (term, V) with as many zeros as the kernel's lanes read beyond V."""
    return torch.nn.functional.pad(coefficient, (0, -coefficient.shape[1] % _PADDED)).contiguous()


def unit_widths(
    image: Tensor, constants: list[Tensor], sizes: list[int], shapes: list[int]
) -> tuple[Tensor, ...]:
    """Widths (B, H, W, C, V) of every output, for an image (B, C', H, W).

    `sizes`, `shapes` of a `LiftPlan`; `constants` are its tables, the coefficients (term, V) as
    `padded_units` gives them, the courses (R, D) as polynomials in 2 width - 1, constant first.
    """
    found: tuple[Tensor, ...] = _UnitWidths.apply(image, constants, sizes, shapes)
    return found


def _call(
    kind: str,
    image: Tensor,
    constants: Sequence[Tensor],
    maps: Sequence[Tensor],
    sizes: Sequence[int],
    *outputs: Tensor,
) -> None:
    batch, channels, height, width = image.shape
    numbers = [batch, height, width, channels, *sizes, torch.get_num_threads()]
    tables, coefficient, course = constants
    kernel = (_SOURCES, kind, image.dtype)
    call(*kernel, numbers, tables, image, coefficient, course, list(maps), *outputs)


def _empty(image: Tensor, sizes: list[int], shapes: list[int]) -> list[Tensor]:
    batch, _, height, width = image.shape
    return [
        image.new_empty(
            (batch, height, width, abs(n), sizes[0]),
            dtype=torch.bfloat16 if n < 0 else image.dtype,
        )
        for n in shapes
    ]


def _empty_image(image: Tensor) -> Tensor:
    return torch.empty_like(image, memory_format=torch.channels_last)


@torch.library.custom_op("analog_model::unit_widths", mutates_args=(), device_types="cpu")
def _forward(
    image: Tensor, constants: list[Tensor], sizes: list[int], shapes: list[int]
) -> list[Tensor]:
    found = _empty(image, sizes, shapes)
    image = image.contiguous(memory_format=torch.channels_last)
    _call("widths", image, constants, found, sizes)
    return found


@torch.library.custom_op("analog_model::unit_widths_adjoint", mutates_args=(), device_types="cpu")
def _backward(
    gradients: list[Tensor], image: Tensor, constants: list[Tensor], sizes: list[int]
) -> Tensor:
    by_image = _empty_image(image)
    image = image.contiguous(memory_format=torch.channels_last)
    whole = [gradient.contiguous() for gradient in gradients]
    _call("adjoint", image, constants, whole, sizes, by_image)
    return by_image


@_forward.register_fake
def _(
    image: Tensor,
    constants: list[Tensor],  # noqa: ARG001
    sizes: list[int],
    shapes: list[int],
) -> list[Tensor]:
    return _empty(image, sizes, shapes)


@_backward.register_fake
def _(
    gradients: list[Tensor],  # noqa: ARG001
    image: Tensor,
    constants: list[Tensor],  # noqa: ARG001
    sizes: list[int],  # noqa: ARG001
) -> Tensor:
    return _empty_image(image)


class _UnitWidths(torch.autograd.Function):
    @staticmethod
    def forward(
        image: Tensor, constants: list[Tensor], sizes: list[int], shapes: list[int]
    ) -> tuple[Tensor, ...]:
        return tuple(_forward(image, constants, sizes, shapes))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        image, constants, ctx.sizes, _ = inputs
        ctx.save_for_backward(image, *constants)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        image, *constants = ctx.saved_tensors
        return _backward(list(gradients), image, constants, ctx.sizes), None, None, None
