"""Cost of one inference on the arrays, layer by layer: energy with latency.

    E = V_BL Q + n_pulses M c_WL V_WL^2
    Q = sum over arrays, operations, word lines of t_j sum_i I_ji
    t = n_operations (T + t_dead + t_recovery + t_readout)

The charge is that of the target currents without crosstalk or drop, which change it by
percent. n_operations counts phases times positions of a convolution, one after the other on
the layer's only copy of its arrays; arrays of one layer work at the same time, layers in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from pydantic import Field

from analog_model import vocabulary as v
from analog_model.chip import Chip
from analog_model.chip.base import Frozen
from analog_model.deployment.activity import LayerActivity
from analog_model.deployment.placed_layers import PlacedLayer
from analog_model.deployment.tables import COST, table
from analog_model.errors import ConfigurationError


class CostAssumptions(Frozen):
    """What the cost rests on beyond chip and network: assumptions, none of them measured.

    - `word_line_capacitance` [F] of one cell's share of its word line. The default: half a
      square micrometre of floating gate under 15 nm of oxide between the gates
      (2.3 fF/um2) plus two micrometres of wire (0.2 fF/um), about 1.5 fF.
    - `readout_time` [s] of an operation's conversions, the default that of 5 million a second.
    - `recovery_time` [s] until bit lines and word lines are ready again.
    - `v_bit_line`, `v_word_line` [V]: None takes the chip's.
    """

    word_line_capacitance: float = Field(default=1.5e-15, ge=0)
    readout_time: float = Field(default=200e-9, ge=0)
    recovery_time: float = Field(default=50e-9, ge=0)
    v_bit_line: float | None = Field(default=None, gt=0)
    v_word_line: float | None = Field(default=None, gt=0)

    def voltages(self, chip: Chip) -> tuple[float, float]:
        """Bit-line, word-line voltage. Raises ConfigurationError where nothing states one."""
        found = []
        for name in ("v_bit_line", "v_word_line"):
            value = getattr(self, name) or getattr(chip, name)
            if value is None:
                raise ConfigurationError(
                    f"Chip.{name}",
                    expected="a voltage [V], which the energy needs",
                    got="none",
                    advice=f"Give the chip its {name}, or assume one: CostAssumptions({name}=...).",
                )
            found.append(float(value))
        return found[0], found[1]

    def sentences(self, chip: Chip) -> tuple[str, ...]:
        """The assumptions in words, for whoever reads the numbers."""
        v_bit_line, v_word_line = self.voltages(chip)
        return (
            f"bit lines at {v_bit_line:g} V, word lines at {v_word_line:g} V",
            f"{self.word_line_capacitance * 1e15:g} fF of word line a cell (assumed, not measured)",
            f"{self.readout_time * 1e9:g} ns for the readout, {self.recovery_time * 1e9:g} ns to "
            "recover, after each operation (assumed)",
            "every operation lasts for the widest pulse, whatever its inputs",
            "bit-line charge of the target currents, without crosstalk and drop",
            "no energy of drivers, readout, digital steps or programming",
            "one copy of each layer's arrays: positions and phases one after the other, arrays of "
            "a layer together, layers in turn",
        )


def cost_table(
    layers: Sequence[PlacedLayer],
    activities: Sequence[LayerActivity],
    chip: Chip,
    assumptions: CostAssumptions,
) -> xr.Dataset:
    """Table `cost` of a deployment; its attribute `assumptions` lists them, one a line."""
    v_bit_line, v_word_line = assumptions.voltages(chip)
    per_pulse = chip.n_bit_lines * assumptions.word_line_capacitance * v_word_line**2
    values: dict[str, list[float]] = {}
    for placed, activity in zip(layers, activities, strict=True):
        charge, n_pulses = _drawn(placed, activity)
        n_operations = round(activity.n_positions * (2 if placed.layer.signed_inputs else 1))
        overhead = chip.pulse.dead_time + assumptions.readout_time + assumptions.recovery_time
        on_bit_lines, on_word_lines = v_bit_line * charge, per_pulse * n_pulses
        for name, value in {
            "energy_bit_line": on_bit_lines,
            "energy_word_line": on_word_lines,
            "energy": on_bit_lines + on_word_lines,
            "charge": charge,
            "n_pulses": n_pulses,
            "n_operations": n_operations,
            "latency": n_operations * (placed.window + overhead),
            "n_products": round(placed.layer.weight.numel() * activity.n_positions),
        }.items():
            values.setdefault(name, []).append(value)
    return table(
        COST,
        values,
        coords={v.LAYER: [placed.name for placed in layers]},
        attrs={"assumptions": "\n".join(assumptions.sentences(chip))},
    )


def _drawn(placed: PlacedLayer, activity: LayerActivity) -> tuple[float, float]:
    """Charge [C], pulses of one inference over all arrays of a layer."""
    tiling = placed.layer.tiling
    per_line = placed.target_share.sum(axis=2) * placed.layer.full_scale_current
    row = tiling.rows.row_of_word_line
    array = np.arange(tiling.n_arrays)
    in_group, _ = np.divmod(array, tiling.columns.n_column_tiles)
    group, row_tile = np.divmod(in_group, tiling.rows.n_row_tiles)
    driven = tiling.rows.used[row_tile]
    lines = np.where(driven, row[row_tile], 0)
    width = np.where(driven, activity.width[group[:, None], lines], 0.0)
    pulses = np.where(driven, activity.n_pulses[group[:, None], lines], 0.0)
    return float((width * per_line).sum()) * placed.window, float(pulses.sum())
