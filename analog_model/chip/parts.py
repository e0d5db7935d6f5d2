"""Parts of a chip: cell law, bit line, pulse, readout."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from analog_model.chip.base import FloatArray, Frozen
from analog_model.errors import ConfigurationError


class EKV(Frozen):
    """EKV interpolation I = I_S ln^2(1 + e^(u/2)) with `specific_current` I_S [A].

    Enz, Krummenacher, Vittoz, Analog Integr. Circuits Signal Process. 8 (1995) 83.
    """

    kind: Literal["ekv"] = "ekv"
    specific_current: float = Field(gt=0)


class WeakInversion(Frozen):
    """Weak-inversion limit I' = I e^kappa: every cell feels its neighbours in full."""

    kind: Literal["weak_inversion"] = "weak_inversion"


CellLaw = Annotated[EKV | WeakInversion, Field(discriminator="kind")]


class BitLine(Frozen):
    """Bit line with its three drop mechanisms.

    Each acts through `drain_sensitivity` g = -(dI/I)/dV [1/V]: I = I' (1 - g V_drop).

    - wire: `wire_resistance` r [ohm per pitch], R_jk = r min(d_j, d_k), d the
      `segments_to_sense` (default: word line j is j + 1 pitches away);
    - lumped: `lumped_resistance` [ohm] between the bit line and the sense node;
    - droop: `capacitance` [F] of an integrating, unclamped bit line; None for a clamped one.

    `solution` says whether the drop lowers the current that makes it ("self_consistent")
    or acts on it once ("first_order").
    """

    wire_resistance: float = Field(default=0.0, ge=0)
    lumped_resistance: float = Field(default=0.0, ge=0)
    capacitance: float | None = Field(default=None, gt=0)
    drain_sensitivity: float = Field(default=0.0, ge=0)
    segments_to_sense: FloatArray | None = None
    solution: Literal["self_consistent", "first_order"] = "self_consistent"

    @model_validator(mode="after")
    def _check(self) -> Self:
        segments = self.segments_to_sense
        if segments is not None and (segments.ndim != 1 or (segments < 0).any()):
            raise ConfigurationError(
                "BitLine.segments_to_sense",
                expected="one number of pitches, 0 or more, per word line",
                got=f"shape {segments.shape}, smallest {segments.min(initial=0.0)}",
            )
        return self


class Pulse(Frozen):
    """Input pulses of one operation.

    `alignment` places the pulses: leading edges together, trailing edges together,
    centred, or staggered by `stagger` [s] per word line. `dead_time` [s] is what the
    edges cost each pulse (about 0.9 of one edge). `lsb` [s] with `bits` quantises the
    width to whole codes from 0 to 2^bits - 1; without `bits` widths are continuous.
    """

    alignment: Literal["leading", "trailing", "centred", "staggered"] = "leading"
    stagger: FloatArray | None = None
    dead_time: float = Field(default=0.0, ge=0)
    lsb: float | None = Field(default=None, gt=0)
    bits: int | None = Field(default=None, ge=1, le=24)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.alignment == "staggered") != (self.stagger is not None):
            raise ConfigurationError(
                "Pulse.stagger",
                expected="one delay per word line with alignment 'staggered', none otherwise",
                got=f"alignment {self.alignment!r} and stagger {self.stagger}",
            )
        if self.bits is not None and self.lsb is None:
            raise ConfigurationError(
                "Pulse.lsb", expected="the width of one code when bits is given", got="nothing"
            )
        return self

    @property
    def full_scale(self) -> float | None:
        """Widest quantised pulse, lsb (2^bits - 1) [s]."""
        if self.bits is None or self.lsb is None:
            return None
        return self.lsb * (2**self.bits - 1)


class Readout(Frozen):
    """Conversion of the bit-line charge.

    The integrator saturates at `full_scale` [C], the converter rounds to 2^bits levels
    from 0 to `full_scale`. With neither, the charge is reported as it is.
    """

    bits: int | None = Field(default=None, ge=1, le=24)
    full_scale: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.bits is not None and self.full_scale is None:
            raise ConfigurationError(
                "Readout.full_scale",
                expected="the charge at full scale when bits is given",
                got="nothing",
            )
        return self
