"""Unit widths: what a layer's cells integrate instead of its pulse widths.

Effective widths, one map for each node of the sensitivity, modal widths, one for each mode of
the drop in time: sums of the overlaps of a unit's pulse with its neighbours', by layout class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor, nn

from analog_model.nn.layer_arrays import LayerArrays
from analog_model.nn.lift_kernel import RUN, LiftPlan, Output, padded_units, unit_widths
from analog_model.nn.neighbourhood import neighbourhood
from analog_model.nn.processor_kernel import suits_kernels
from analog_model.nn.recomputation import recomputed
from analog_model.nn.row_tiling import UNUSED
from analog_model.nn.word_line_units import WordLineUnits
from analog_model.physics import interpolation, overlap
from analog_model.physics.closed_form import (
    Expansion,
    lift_derivatives,
    lifts,
    modal_courses,
    modal_widths,
)
from analog_model.physics.lifted_widths import lifted_widths

# Relative lift by sets of neighbours below which an expansion to pairs leaves them out.
_LEAST_LIFT = 2e-4
# Bytes of a layer's widths that are rather kept for the backward pass than formed again.
_MOST_KEPT = 2**23
# Coefficients of a course up to which its powers, in single precision, keep what modes need.
_LONGEST_COURSE = 9


@dataclass(frozen=True)
class Widths:
    """Widths of a layer's units; B images of a group, V units, C column classes.

    `effective` [node], the first whole, the others beyond it, the first left out where it stands
    at rest: those are the pulse widths themselves. `modal` [modal node, time mode];
    `departing` [neighbour], the derivative of the effective widths by each kappa. Each
    (B, H, W, C, V) by class, or (B, V, H, W) where all classes see the same.
    """

    effective: list[Tensor]
    modal: list[Tensor]
    departing: list[Tensor]


class UnitWidths(nn.Module):
    """Widths of the units of a layer, of an image of pulse widths.

    `nodes`, `modal_nodes` of the sensitivity, `time` the courses of the drop's modes, none
    without drop. `coarse`: of float32 images, in bfloat16 what only corrects.
    """

    _modal_table: Tensor
    _plan_tables: Tensor
    _coefficient: Tensor
    _course: Tensor

    def __init__(
        self,
        arrays: LayerArrays,
        units: WordLineUnits,
        expansion: Expansion,
        *,
        nodes: Sequence[float],
        modal_nodes: Sequence[float],
        time: Sequence[Sequence[float]],
        coarse: bool,
    ) -> None:
        super().__init__()
        self._units = units
        self._time, self._n_modal_nodes = time, len(modal_nodes)
        self._is_coarse = coarse
        self._has_rest = nodes[0] == interpolation.REST
        # Nothing to gather.
        self._plain = units.one_per_channel
        self._own_runs = units.flat_own_runs()
        self._neighbour_runs = units.flat_runs(arrays.geometry.dilation)
        self._sets = overlap.neighbour_sets(len(arrays.aggressors), expansion.overlap_order)
        self._lifted_modes = expansion.lifted_modes and len(time) > 0
        self._coupled = len(arrays.aggressors) > 0
        if self._coupled:
            self._plan_lifts(arrays, expansion, list(nodes), list(modal_nodes))
            self._keep("_course", course_polynomials(time))
            self._plans = [self._plan(departures=False), self._plan(departures=True)]

    def _plan_lifts(
        self,
        arrays: LayerArrays,
        expansion: Expansion,
        nodes: list[float],
        modal_nodes: list[float],
    ) -> None:
        exists = torch.from_numpy(self._units.neighbour_channel != UNUSED)[:, :, None]
        # A neighbour that does not exist lifts nothing, whatever stands in its place.
        kappa = torch.from_numpy(arrays.kappa[:, self._units.line]) * exists
        kappas = [kappa[:, :, index] for index, _, _ in arrays.class_of_slice]
        tables = [lifts(own, self._sets, nodes, modal_nodes) for own in kappas]
        # Of each class the first node, then what the others see beyond it.
        effective = torch.stack([table.effective for table in tables], 2)
        effective = torch.cat([effective[:1], effective[1:] - effective[:1]])
        # The derivative of every class by each kappa, for cells that depart from their class.
        middle = interpolation.nodes(1.0, arrays.specific_current, 1)
        self.middle_sensitivity = -math.expm1(-middle[0]) / middle[0] if middle[0] else 1.0
        departures = [lift_derivatives(own, self._sets, middle[0]) for own in kappas]
        # What the modes see is linear in the effective widths, and the mean over the classes:
        # at each of its nodes a sum of what the others see, weighted by Lagrange's polynomials.
        shares = interpolation.shares(nodes, modal_nodes)
        share = torch.tensor([[1.0, *own[1:]] for own in shares]).to(effective)
        modal = torch.einsum("rq,qscv->rsv", share, effective / len(tables))
        if expansion.lifted_modes or not self._time:
            modal = modal[:0]
        if self._has_rest:
            effective = effective[1:]
        self._n_rows = [len(effective), len(modal), len(kappa)]
        # Each (set, class, unit).
        self._tables: list[str] = []
        self._present: list[list[int]] = []
        least = _LEAST_LIFT if expansion.overlap_order <= 2 else 0.0
        for row in (*effective, *modal.unsqueeze(2), *torch.stack(departures, 2)):
            self._keep(f"_table_{len(self._tables)}", row)
            self._tables.append(f"_table_{len(self._tables)}")
            largest = row.abs().amax(dim=(1, 2))
            self._present.append(torch.nonzero(largest > least).flatten().tolist())
        self._keep("_modal_table", torch.stack([table.modal for table in tables])[..., None, None])

    def _plan(self, *, departures: bool) -> LiftPlan | None:
        """Everything in one pass; None where the modes see more than courses tell."""
        if self._lifted_modes or any(len(course) > _LONGEST_COURSE for course in self._time):
            return None
        n_effective, n_modal, n_departing = self._n_rows
        count = n_effective + n_modal + (n_departing if departures else 0)
        tables = [getattr(self, name) for name in self._tables[:count]]
        present = self._present[:count]
        counted = sorted({s for row in present for s in row})
        terms = [
            row for row, table in zip(present, tables, strict=True) for _ in range(len(table[0]))
        ]
        plan = LiftPlan(
            runs=tuple(self._own_and_neighbour_runs()),
            members=tuple(self._sets[s] for s in counted),
            terms=tuple(tuple(counted.index(s) for s in row) for row in terms),
            outputs=tuple(self._outputs([table.shape[1] for table in tables])),
            n_units=self._units.n_units,
            n_neighbours=len(self._units.neighbour_runs),
            coefficients=max(map(len, self._time), default=0),
        )
        rows = [
            own[s]
            for row, table in zip(present, tables, strict=True)
            for own in table.unbind(1)
            for s in row
        ]
        coefficient = torch.stack(rows) if rows else torch.zeros(0, self._units.n_units)
        suffix = "_departing" if departures else ""
        self.register_buffer(f"_plan_tables{suffix}", plan.tables(), persistent=False)
        self._keep(f"_coefficient{suffix}", padded_units(coefficient))
        return plan

    def _outputs(self, sizes: Sequence[int]) -> Iterator[Output]:
        """Outputs of the tables, whose classes are as many as `sizes` says."""
        n_effective, n_modal, _ = self._n_rows
        first = 0
        for t, size in enumerate(sizes):
            coarse = self._is_coarse and (t > 0 or self._has_rest)
            if n_effective <= t < n_effective + n_modal:
                yield from (Output(first, 1, coarse, m) for m in range(len(self._time)))
            else:
                yield Output(first, size, coarse)
            first += size

    def _own_and_neighbour_runs(self) -> Iterator[int]:
        yield from self._own_runs
        for start in range(0, len(self._neighbour_runs), RUN):
            k, *run = self._neighbour_runs[start : start + RUN]
            yield from (k + 1, *run)

    def _keep(self, name: str, values: np.ndarray | Tensor) -> None:
        tensor = torch.as_tensor(values).to(torch.get_default_dtype())
        self.register_buffer(name, tensor, persistent=False)

    def extra_repr(self) -> str:
        return f"{self._units.n_units} units"

    def forward(self, image: Tensor, *, departures: bool) -> Widths:
        """Widths of an image (B, channel, H, W), `departing` only if asked for.

        Beyond its borders no unit has a pulse, so none has a width of either kind.
        """
        plan = self._plans[departures] if self._coupled else None
        if plan is not None and suits_kernels(image, self._coefficient):
            return self._in_one_pass(image, plan, departures=departures)
        return self._step_by_step(image, departures=departures)

    def _in_one_pass(self, image: Tensor, plan: LiftPlan, *, departures: bool) -> Widths:
        suffix = "_departing" if departures else ""
        tables = getattr(self, f"_plan_tables{suffix}")
        coefficient = getattr(self, f"_coefficient{suffix}")
        sizes, shapes = plan.sizes(), plan.shapes()
        if image.dtype != torch.float32:
            shapes = [abs(n) for n in shapes]
        arguments = (image, [tables, coefficient, self._course], sizes, shapes)
        bytes_kept = image.numel() // image.shape[1] * self._units.n_units * plan.bytes_per_unit
        again = bytes_kept > _MOST_KEPT
        found = recomputed(unit_widths, *arguments) if again else unit_widths(*arguments)
        n_effective, n_modal, _ = self._n_rows
        end = n_effective + n_modal * len(self._time)
        modal = [own.squeeze(-2).movedim(-1, -3) for own in found[n_effective:end]]
        return Widths(list(found[:n_effective]), modal, list(found[end:]))

    def _step_by_step(self, image: Tensor, *, departures: bool) -> Widths:
        own, near = self._neighbourhood(image)
        widths = self._lifted(own, near, departures=departures) if self._coupled else None
        if widths is None:
            courses = modal_courses(own, self._time) if self._time else []
            modal = [own * course for _ in range(self._n_modal_nodes) for course in courses]
            widths = Widths([own], modal, [])
        whole = 0 if self._has_rest else 1
        return Widths(
            [*widths.effective[:whole], *map(self._coarsened, widths.effective[whole:])],
            list(map(self._coarsened, widths.modal)),
            list(map(self._coarsened, widths.departing)),
        )

    def _coarsened(self, values: Tensor) -> Tensor:
        return values.bfloat16() if self._is_coarse and values.dtype == torch.float32 else values

    def _neighbourhood(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Widths of every unit (B, V, H, W), of its neighbours (K, B, V, H, W)."""
        size, count = self._units.n_units, len(self._units.neighbour_runs)
        own = image
        if not self._plain:
            own = neighbourhood(image, self._own_runs, 1, size)[0]
        if not count:
            return own, own.new_zeros(0, *own.shape)
        return own, neighbourhood(image, self._neighbour_runs, count, size)

    def _lifted(self, own: Tensor, near: Tensor, *, departures: bool) -> Widths:
        n_effective, n_modal, _ = self._n_rows
        count = len(self._tables) if departures else n_effective + n_modal
        # Units last, as convolutions like them in memory.
        found = lifted_widths(
            own.movedim(-3, -1),
            near.movedim(-3, -1),
            [getattr(self, name) for name in self._tables[:count]],
            self._sets,
            present=self._present[:count],
        )
        effective, departing = list(found[:n_effective]), list(found[n_effective + n_modal :])
        if not self._time:
            return Widths(effective, [], departing)
        if not self._lifted_modes:
            courses = modal_courses(own, self._time)
            wholes = found[n_effective : n_effective + n_modal]
            seen = [whole.squeeze(-2).movedim(-1, -3) for whole in wholes]
            modal = [one * course for one in seen for course in courses]
            return Widths(effective, modal, departing)
        shortest = overlap.overlaps(own, near.unbind(), self._sets)
        modal_by_class = [
            [
                width
                for row in rows
                for width in modal_widths(shortest, row, self._time, lifted=True)
            ]
            for rows in self._modal_table
        ]
        by_mode = zip(*modal_by_class, strict=True)
        modal = [torch.stack([m.movedim(-3, -1) for m in mode], -2) for mode in by_mode]
        return Widths(effective, modal, departing)


def course_polynomials(time: Sequence[Sequence[float]]) -> np.ndarray:
    """`physics.closed_form.modal_courses` as polynomials in 2 width - 1, (R, D)."""
    size = max(map(len, time), default=0)
    found = np.zeros((len(time), size))
    for row, course in zip(found, time, strict=True):
        for d, share in enumerate(course):
            # (1/tau) int_0^tau p_d, see `physics.drop_modes.reduced_integrals`.
            reduced = np.ones(1)
            if d > 0:
                slope = legendre.leg2poly(legendre.legder(np.eye(d + 1)[d]))
                reduced = -np.sqrt(2 * d + 1) / (d * (d + 1)) * np.convolve([1.0, -1.0], slope)
            row[: reduced.size] += share * reduced
    return found
