"""Effects of a real chip beyond its deterministic core, as a configuration.

Everything is off by default. Shares are of the full-scale current I_max of a cell, of the
window T of an operation, or of the charge I_max T, so that one configuration suits any chip.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from analog_model.chip.base import Frozen
from analog_model.errors import ConfigurationError


class ProgrammingError(Frozen):
    """Standard deviation of a written current, in two independent Gaussian parts.

    `full_scale` is a share of I_max, equal for all cells; `proportional` a share of the
    target itself.
    """

    full_scale: float = Field(default=0.0, ge=0)
    proportional: float = Field(default=0.0, ge=0)


class StuckCells(Frozen):
    """Shares of the cells that stay `off` at zero or `on` at full scale, whatever is written."""

    off: float = Field(default=0.0, ge=0, le=1)
    on: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.off + self.on > 1:
            raise ConfigurationError(
                "StuckCells.on",
                expected="shares of the cells that add up to 1 at most",
                got=f"off {self.off:g} plus on {self.on:g}",
            )
        return self


class Drift(Frozen):
    """Charge loss `time` [s] after programming, I (1 + t/t_0)^-nu in weak inversion.

    The cells' exponents nu are Gaussian with mean `exponent` and `exponent_spread`, taken at
    the chip's reference temperature; either sign is physical, see `physics.drift`.
    `reference_time` is t_0 [s].
    """

    time: float = Field(ge=0)
    exponent: float
    exponent_spread: float = Field(default=0.0, ge=0)
    reference_time: float = Field(gt=0)


class Temperature(Frozen):
    """Operation at `celsius`; the chip's own temperature is the reference.

    `mobility_exponent` is BEX of mu ~ T^BEX. `threshold_slope` is TCV / n [V/K], by which
    the threshold's fall lifts every cell: 0 for word lines whose voltage follows the
    threshold, about 1e-3 / n without such a circuit. See `physics.temperature`.
    """

    celsius: float = Field(gt=-273.15)
    mobility_exponent: float = -1.5
    threshold_slope: float = 0.0


class Effects(Frozen):
    """Which effects are on, and how strong.

    Of the cells, drawn once for a chip: `weight_bits` (levels 0 to I_max),
    `programming_error`, `stuck`, `drift`, `temperature`, `kappa_mismatch` (relative
    standard deviation of every coupling of every cell).

    Of each operation: `read_noise`, the standard deviation of one read of one bit line as a
    share of I_max T; `pulse_jitter`, that of the width of a pulse as a share of T.
    """

    weight_bits: int | None = Field(default=None, ge=1, le=24)
    programming_error: ProgrammingError | None = None
    stuck: StuckCells | None = None
    drift: Drift | None = None
    temperature: Temperature | None = None
    kappa_mismatch: float = Field(default=0.0, ge=0)
    read_noise: float = Field(default=0.0, ge=0)
    pulse_jitter: float = Field(default=0.0, ge=0)
