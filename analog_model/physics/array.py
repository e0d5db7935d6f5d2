"""Tensors that describe one array to the simulators.

The same content as `analog_model.chip.Chip`, but as tensors of one dtype on one device,
any of which may require a gradient. `tensors.array_tensors` makes it from a chip.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ArrayTensors:
    """One array; None switches an effect off.

    N word lines, M bit lines, K neighbours per cell:

    - `cell_current` (N, M) [A];
    - `specific_current` () [A], None for the weak-inversion limit;
    - `aggressor` (K, N) integer, N where a neighbour does not exist, with `kappa`
      (K, N, M) [n U_T];
    - `segment_resistance` (N,) [ohm]: resistance between the node of the m-th nearest
      word line and the next node towards the sense end, with `ladder_order` (N,) the
      word lines from nearest to farthest;
    - `drain_sensitivity` () [1/V], `bit_line_capacitance` () [F];
    - `self_consistent`: whether the drop lowers the current that makes it;
    - `dead_time` () [s], `alignment`, `stagger` (N,) [s], `pulse_lsb` () [s], `pulse_bits`;
    - `full_scale` () [C], `readout_bits`.
    """

    cell_current: Tensor
    specific_current: Tensor | None = None
    aggressor: Tensor | None = None
    kappa: Tensor | None = None
    segment_resistance: Tensor | None = None
    ladder_order: Tensor | None = None
    drain_sensitivity: Tensor | None = None
    bit_line_capacitance: Tensor | None = None
    self_consistent: bool = True
    dead_time: Tensor | None = None
    alignment: str = "leading"
    stagger: Tensor | None = None
    pulse_lsb: Tensor | None = None
    pulse_bits: int | None = None
    full_scale: Tensor | None = None
    readout_bits: int | None = None

    @property
    def n_word_lines(self) -> int:
        return int(self.cell_current.shape[0])

    @property
    def n_bit_lines(self) -> int:
        return int(self.cell_current.shape[1])
