"""Methods of simulation: one function for each way to compute the charge of a chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from analog_model.chip import Chip
from analog_model.errors import SimulationError
from analog_model.physics import probe, reference, slots
from analog_model.tensors import array_tensors

DEFAULT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Task:
    """What to simulate: `pulse_width` (..., N) [s], the other pulses' data, how well.

    `tolerance` is the relative rms error allowed, None for the method's own.
    """

    chip: Chip
    pulse_width: Tensor
    pulse_start: Tensor | None = None
    merge_tolerance: float = 0.0
    tolerance: float | None = None


@dataclass(frozen=True)
class Answer:
    """`charge` (..., M) [C] with what the method says of it, as attributes of an array."""

    charge: Tensor
    attrs: dict[str, Any] = field(default_factory=dict)


def _refuse_tolerance(task: Task, method: str) -> None:
    if task.tolerance is not None:
        raise SimulationError(
            f"method {method!r}",
            expected="no tolerance, being exact to rounding",
            got=f"tolerance {task.tolerance:g}",
            advice="Use method='closed_form', or leave the tolerance out.",
        )


def by_slots(task: Task) -> Answer:
    """Every time slot of every vector: any alignment, exact, differentiable."""
    _refuse_tolerance(task, "slots")
    width = task.pulse_width
    outcome = slots.simulate(
        array_tensors(task.chip, dtype=width.dtype, device=width.device),
        width,
        task.pulse_start,
        merge_tolerance=task.merge_tolerance,
    )
    attrs: dict[str, Any] = {"n_slots": outcome.n_slots}
    if outcome.merge_bound is not None and outcome.merge_bound.numel():
        attrs["merge_bound"] = float(outcome.merge_bound.max())
    return Answer(outcome.charge, attrs)


def by_reference(task: Task) -> Answer:
    """NumPy loops: the oracle, slow and without gradient."""
    _refuse_tolerance(task, "reference")
    if task.merge_tolerance:
        raise SimulationError(
            "method 'reference'",
            expected="no merging",
            got=f"merge_tolerance {task.merge_tolerance:g} s",
            advice="Use method='slots'.",
        )
    chip, batch = task.chip, task.pulse_width.shape[:-1]
    width = task.pulse_width.reshape(-1, chip.n_word_lines).numpy()
    start = task.pulse_start
    starts = None if start is None else start.reshape(-1, chip.n_word_lines).numpy()
    charge = torch.from_numpy(reference.simulate(chip, width, starts))
    return Answer(charge.reshape(*batch, chip.n_bit_lines))


def by_closed_form(task: Task) -> Answer:
    """Identities in place of slots, to a tolerance; pulses nested by the chip's alignment.

    The expansion is chosen for these pulses together, so a vector's charge depends on the
    others beside it, by less than the tolerance.
    """
    for name, given in (
        ("pulse_start", task.pulse_start is not None),
        ("merge_tolerance", task.merge_tolerance != 0),
    ):
        if given:
            raise SimulationError(
                "method 'closed_form'",
                expected=f"no {name}",
                got=f"{name} given",
                advice="Use method='slots'.",
            )
    tolerance = DEFAULT_TOLERANCE if task.tolerance is None else task.tolerance
    if not 0 < tolerance < 1:
        raise SimulationError(
            "tolerance", expected="a relative error between 0 and 1", got=f"{tolerance:g}"
        )
    width = task.pulse_width
    array = array_tensors(task.chip, dtype=width.dtype, device=width.device)
    outcome = probe.simulate(array, width, tolerance=tolerance)
    expansion = ", ".join(f"{name} {value}" for name, value in asdict(outcome.expansion).items())
    if not outcome.error <= tolerance:
        raise SimulationError(
            "method 'closed_form'",
            expected=f"a relative rms error of at most {tolerance:g}",
            got=f"{outcome.error:.2g} with the best expansion found ({expansion})",
            advice="Use method='slots', or allow a larger tolerance.",
        )
    return Answer(outcome.charge, {"error_estimate": outcome.error, "expansion": expansion})


METHODS: Mapping[str, Callable[[Task], Answer]] = MappingProxyType(
    {"slots": by_slots, "closed_form": by_closed_form, "reference": by_reference}
)
