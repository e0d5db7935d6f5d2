"""Write-verify: the loop that brings the cells of one array to their targets.

    write -> read -> correct those outside the tolerance -> read -> ...

What is read decides what is corrected, so an error of reading ends up in the cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from analog_model.chip.base import Frozen
from analog_model.deployment.reading import READINGS, Bench
from analog_model.deployment.write_pulse import written_current
from analog_model.errors import ConfigurationError
from analog_model.nn.effects import ProgrammingError


class WriteVerify(Frozen):
    """How an array is programmed.

    - `reading`: one of `reading.READINGS`.
    - `tolerance`: largest difference between a cell's read and its target that is accepted,
      as a share of the full-scale current. A cell once accepted is left alone.
    - `most_iterations` of writing with reading; 1 writes once, without any correction.
    - `n_rounds`: reads of each word line, or as many of patterns, for one estimate.
    """

    reading: Literal["single", "leave_one_out", "regression", "in_context", "patterns_only"] = (
        "single"
    )
    tolerance: float = Field(default=0.01, gt=0, lt=1)
    most_iterations: int = Field(default=10, ge=1)
    n_rounds: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _check(self) -> WriteVerify:
        if self.n_rounds < 2 and self.reading in ("regression", "in_context"):
            raise ConfigurationError(
                "WriteVerify.n_rounds",
                expected="2 or more: one of static reads, the rest of patterns",
                got=str(self.n_rounds),
            )
        return self


@dataclass(frozen=True, eq=False)
class StuckPlaces:
    """Cells (word_line, bit_line) of an array that stay off or on, whatever is written."""

    off: np.ndarray
    on: np.ndarray

    def held(self, share: np.ndarray) -> np.ndarray:
        """Currents in units of full scale with the stuck cells where they are stuck."""
        return np.where(self.on, 1.0, np.where(self.off, 0.0, share))


@dataclass(frozen=True, eq=False)
class WrittenArray:
    """What the loop left on an array, in units of full scale, and what it took.

    `first` is the current after the first write. `unreached` are the cells that no read found
    within the tolerance.
    """

    share: np.ndarray
    first: np.ndarray
    unreached: np.ndarray
    n_iterations: int
    n_writes: int
    n_reads: int


def write_array(
    bench: Bench,
    target: np.ndarray,
    *,
    full_scale_current: float,
    writing: WriteVerify,
    error: ProgrammingError | None,
    stuck: StuckPlaces,
    generator: np.random.Generator,
) -> WrittenArray:
    """Bring an erased array to `target` (word_line, bit_line), in units of full scale."""
    read = READINGS[writing.reading]
    in_use = np.zeros(target.shape, dtype=bool)
    in_use[bench.cells] = True
    # An erased cell is at its target of 0 already, as long as no read denies it.
    share, step, write = stuck.held(np.zeros_like(target)), target, target > 0
    first, pending = share, in_use
    n_writes = n_reads = iteration = 0
    for iteration in range(1, writing.most_iterations + 1):
        attempted = written_current(share, step, error=error, generator=generator)
        share = stuck.held(np.where(write, attempted, share))
        n_writes += int(write.sum())
        first = share if iteration == 1 else first
        estimate = np.zeros_like(target)
        estimate[bench.cells] = read(bench, share * full_scale_current, generator)
        n_reads += bench.n_reads
        step = target - estimate / full_scale_current
        pending = pending & (np.abs(step) > writing.tolerance)
        write = pending
        if not pending.any():
            break
    return WrittenArray(share, first, pending, iteration, n_writes, n_reads)
