"""Configuration of one analog layer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from analog_model.chip.base import Frozen
from analog_model.errors import ConfigurationError

Positive = Annotated[float, Field(gt=0)]


class LayerConfiguration(Frozen):
    """How a layer's numbers become pulse widths, cell currents, charges, and back.

    - `signed_weights`: "differential", each weight on two bit lines of which one carries the
      smallest current; "offset", each weight on one bit line beside a reference line.
    - `signed_inputs`: True sends positive and negative inputs in two phases, False takes
      inputs below 0 as 0, "auto" decides by the calibration data of each layer.
    - `weight_range`: the weight that the full-scale current stands for; "layer" or "output":
      the largest of the layer or of each output, following training; a number is fixed, and
      weights beyond it saturate.
    - `input_range`: the input that the widest pulse stands for, inputs beyond it saturate.
      "calibrated": the `input_quantile` of |input| over the calibration data; "learned":
      a parameter that starts there, or at `initial_input_range`; a number is fixed.
    - `input_bits`: codes of the pulse width; "chip" takes the chip's, None leaves it
      continuous.
    - `readout_bits`: codes of the charge, both signs together; the converter reads the
      difference of the two bit lines, summed over the arrays that share the inputs, in each
      phase. None reads it as it is. `readout_range` [widest pulse x full-scale current] is
      where it saturates; "calibrated": the largest in the calibration data.
    - `smallest_current`: current of a cell that stands for no weight, as a fraction of full
      scale.
    - `full_scale_current` [A]: None takes the chip's largest cell current.
    - `window` [s]: the widest pulse; None takes the chip's own.
    - `guard_word_lines`: undriven word lines between two pixels on one array; "auto" as many
      as the coupling reaches unless that costs an array.
    - `method`: "closed_form", or "slots", which is exact and slow. `tolerance` is the
      relative rms error of the layer's charges that the closed form may make, against slots.
    """

    signed_weights: Literal["differential", "offset"] = "differential"
    signed_inputs: Literal["auto"] | bool = "auto"
    weight_range: Literal["layer", "output"] | Positive = "layer"
    input_range: Literal["calibrated", "learned"] | Positive = "calibrated"
    initial_input_range: Positive | None = None
    input_quantile: float = Field(default=1.0, gt=0, le=1)
    input_bits: Literal["chip"] | Annotated[int, Field(ge=1, le=24)] | None = "chip"
    readout_bits: Annotated[int, Field(ge=2, le=24)] | None = None
    readout_range: Literal["calibrated"] | Positive = "calibrated"
    smallest_current: float = Field(default=0.0, ge=0, lt=1)
    full_scale_current: Positive | None = None
    window: Positive | None = None
    guard_word_lines: Literal["auto"] | Annotated[int, Field(ge=0)] = "auto"
    method: Literal["closed_form", "slots"] = "closed_form"
    tolerance: float = Field(default=1e-3, gt=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.initial_input_range is not None and self.input_range != "learned":
            raise ConfigurationError(
                "LayerConfiguration.initial_input_range",
                expected="input_range 'learned', the only one that starts somewhere",
                got=f"input_range {self.input_range!r}",
                advice="Give the number as input_range to fix it.",
            )
        return self
