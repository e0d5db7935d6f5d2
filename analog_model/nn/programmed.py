"""Programmed chip: one instance of a kind of chip, with its defects.

Order of the effects on a cell's current, each acting on what the one before left:

1. resolution: the writer aims at one of its levels;
2. programming error: it misses the level;
3. stuck cells: some cells took no write at all, so nothing before this matters to them;
4. drift: the written charge leaks while the chip waits, stuck cells' too;
5. temperature: the current that the charge left makes when it is read.

Drift and temperature both move u of the cell law and commute, if drift is counted in the
n U_T of one temperature. Here that is the reference, so drift comes first: in the other
order its lift would be divided by T / T_ref.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from analog_model.chip import EKV, Chip
from analog_model.errors import ConfigurationError
from analog_model.nn.device_fields import DeviceFields, derived_seed, field_generator
from analog_model.nn.effects import Effects, Temperature
from analog_model.physics.drift import drifted_current
from analog_model.physics.programming import misprogrammed_current, resolved_current, stuck_current
from analog_model.physics.temperature import (
    current_at_temperature,
    specific_current_factor,
    temperature_ratio,
)


@dataclass(frozen=True)
class ProgrammedChip:
    """One chip of the kind `chip` with `effects`; the same `seed` is the same chip.

    Its fields depend on the seed, the layer's name and shape, and nothing else: not on the
    order of the layers, the mode, the device, or the dtype. Strengths only scale them, so
    that two chips that differ in one strength share every other draw.
    """

    chip: Chip
    effects: Effects
    seed: int

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ConfigurationError(
                "ProgrammedChip.seed", expected="a whole number", got=repr(self.seed)
            )
        if self.effects.temperature is not None and not isinstance(self.chip.cell_law, EKV):
            raise ConfigurationError(
                "Effects.temperature",
                expected="a chip with an EKV cell law",
                got=f"the cell law {self.chip.cell_law.kind!r}",
                advice="The weak-inversion limit keeps no specific current to tell how far below "
                "threshold a cell is; give the chip cell_law=EKV(specific_current=...).",
            )

    def fresh(self, seed: int) -> ProgrammedChip:
        """Another instance of the same kind of chip."""
        return replace(self, seed=seed)

    def resampled(self, step: int) -> ProgrammedChip:
        """Instance number `step` of the chips that this one's seed names.

        For training over a distribution of chips: another chip at each step, and the same
        ones when the run is repeated or resumed.
        """
        return replace(self, seed=derived_seed(self.seed, step))

    @property
    def operating_chip(self) -> Chip:
        """The chip at its operating temperature: cell currents, I_S, kappa of that.

        The full-scale current is still that of `chip`.
        """
        temperature, law = self.effects.temperature, self.chip.cell_law
        if temperature is None or not isinstance(law, EKV):
            return self.chip
        ratio = temperature_ratio(
            temperature.celsius, reference_celsius=self.chip.temperature_celsius
        )
        factor = specific_current_factor(ratio, mobility_exponent=temperature.mobility_exponent)
        coupling = self.chip.coupling
        current = self._at_temperature(
            torch.tensor(self.chip.cell_current),
            torch.tensor(law.specific_current, dtype=torch.float64),
            temperature,
        )
        return self.chip.replace(
            cell_current=current.numpy(),
            cell_law=EKV(specific_current=law.specific_current * factor),
            coupling=None if coupling is None else coupling.replace(kappa=coupling.kappa / ratio),
            temperature_celsius=temperature.celsius,
        )

    def fields(
        self,
        layer: str,
        shape: Sequence[int],
        *,
        full_scale_current: float,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> DeviceFields:
        """Devices under the currents of the layer named `layer`, of `shape` (2, out, ...).

        `full_scale_current` [A] is what the layer's current 1 stands for. Drawn in float64
        on the CPU, then converted.
        """

        def on_device(values: np.ndarray | None) -> Tensor | None:
            if values is None:
                return None
            kept = torch.bool if values.dtype == np.bool_ else dtype
            return torch.from_numpy(values).to(device=device, dtype=kept)

        drawn = {**self._written(layer, shape), **self._manufactured(layer, shape)}
        law = self.chip.cell_law
        if isinstance(law, EKV):
            drawn["specific_current"] = np.array(law.specific_current / full_scale_current)
        return DeviceFields(**{name: on_device(values) for name, values in drawn.items()})

    def programmed_current(self, target_current: Tensor, fields: DeviceFields) -> Tensor:
        """Current of each cell in operation, in units of full scale, for its target.

        Shapes (2, out, ...). Exactly the target with every effect off.
        """
        effects, current = self.effects, target_current
        if effects.weight_bits is not None:
            current = resolved_current(current, bits=effects.weight_bits)
        current = misprogrammed_current(
            current, offset=fields.programming_offset, gain=fields.programming_gain
        )
        current = stuck_current(current, off=fields.stuck_off, on=fields.stuck_on)
        if effects.drift is not None:
            assert fields.drift_exponent is not None
            current = drifted_current(
                current,
                fields.drift_exponent,
                fields.specific_current,
                time=effects.drift.time,
                reference_time=effects.drift.reference_time,
            )
        if effects.temperature is not None:
            assert fields.specific_current is not None
            current = self._at_temperature(current, fields.specific_current, effects.temperature)
        return current

    def _at_temperature(
        self, current: Tensor, specific_current: Tensor, temperature: Temperature
    ) -> Tensor:
        return current_at_temperature(
            current,
            specific_current,
            celsius=temperature.celsius,
            reference_celsius=self.chip.temperature_celsius,
            mobility_exponent=temperature.mobility_exponent,
            threshold_slope=temperature.threshold_slope,
        )

    def _normal(self, layer: str, field: str, shape: Sequence[int]) -> np.ndarray:
        return field_generator(self.seed, layer, field).standard_normal(tuple(shape))

    def _written(self, layer: str, shape: Sequence[int]) -> dict[str, np.ndarray]:
        error = self.effects.programming_error
        drawn: dict[str, np.ndarray] = {}
        if error is not None and error.full_scale > 0:
            offset = self._normal(layer, "programming_offset", shape)
            drawn["programming_offset"] = error.full_scale * offset
        if error is not None and error.proportional > 0:
            gain = self._normal(layer, "programming_gain", shape)
            drawn["programming_gain"] = error.proportional * gain
        return drawn

    def _manufactured(self, layer: str, shape: Sequence[int]) -> dict[str, np.ndarray]:
        stuck, drift = self.effects.stuck, self.effects.drift
        drawn: dict[str, np.ndarray] = {}
        if stuck is not None:
            # One number per cell: a cell stuck at some share stays stuck at a larger one.
            place = field_generator(self.seed, layer, "stuck").random(tuple(shape))
            if stuck.off > 0:
                drawn["stuck_off"] = place < stuck.off
            if stuck.on > 0:
                drawn["stuck_on"] = place >= 1 - stuck.on
        if drift is not None:
            spread = drift.exponent_spread * self._normal(layer, "drift_exponent", shape)
            drawn["drift_exponent"] = drift.exponent + spread
        coupling = self.chip.coupling
        if self.effects.kappa_mismatch > 0 and coupling is not None:
            n_neighbours = len(coupling.aggressors(self.chip.layout))
            deviation = self._normal(layer, "kappa_deviation", (n_neighbours, *shape))
            drawn["kappa_deviation"] = self.effects.kappa_mismatch * deviation
        return drawn
