"""Probe of a closed-form simulation: part of its work, done by slots as well."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from analog_model.physics import closed_form, slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.closed_form import Expansion
from analog_model.physics.tolerance import (
    Choice,
    crosstalk_knobs,
    drop_knobs,
    grow,
    relative_error,
    simplest,
)

_VECTORS, _BIT_LINES = 16, 32
# Pulses that the vectors should hold together: of sparse ones on few word lines only some
# meet a neighbour's, and what the probe does not show cannot be chosen for.
_PULSES = 2048
# Errors of crosstalk and drop add as squares nearly: the drop keeps 0.92 of the tolerance.
_SHARE_OF_CROSSTALK = 0.4


@dataclass(frozen=True)
class Outcome:
    """What a closed-form simulation returns.

    `charge` (..., M) [C]; `expansion` used; `error`, its relative rms error on the probe.
    """

    charge: Tensor
    expansion: Expansion
    error: float


def _spread(size: int, most: int) -> Tensor:
    """Up to `most` indices, evenly through `size`."""
    return torch.linspace(0, size - 1, min(size, most)).round().long().unique()


class Probe:
    """Some vectors on some bit lines of the work at hand, with what slots make of them.

    Judged before the readout, whose rounding is the same for both.
    """

    def __init__(self, array: ArrayTensors, pulse_width: Tensor) -> None:
        self._sample = pulse_width.detach().reshape(-1, array.n_word_lines)
        columns = _spread(array.n_bit_lines, _BIT_LINES).to(pulse_width.device)
        self._array = replace(
            array,
            cell_current=array.cell_current.detach()[:, columns],
            kappa=None if array.kappa is None else array.kappa.detach()[:, :, columns],
            full_scale=None,
        )
        most = max(_VECTORS, _PULSES // array.n_word_lines)
        vectors = _spread(len(self._sample), most).to(pulse_width.device)
        self._width = self._sample[vectors]
        self._exact = self._slots(self._array)

    def error(self, expansion: Expansion) -> float:
        """Relative rms error of one expansion."""
        return relative_error(self._evaluate(self._array, expansion), self._exact)

    def choose(self, tolerance: float) -> Choice:
        """The cheapest expansion that meets the tolerance, else the best there is.

        Crosstalk first, on the array without drop and to a fraction of the tolerance, then
        the drop: either has few knobs, and its errors do not hide behind the other's.
        """
        crosstalk, drop = self._array.kappa is not None, self._array.segment_resistance is not None
        interpolated = self._array.specific_current is not None
        choice = Choice(simplest(crosstalk=crosstalk), 0.0)
        if crosstalk:
            alone = replace(self._array, segment_resistance=None)
            choice = grow(
                lambda expansion: self._evaluate(alone, expansion),
                self._slots(alone) if drop else self._exact,
                start=choice.expansion,
                knobs=crosstalk_knobs(interpolated=interpolated),
                tolerance=tolerance * (_SHARE_OF_CROSSTALK if drop else 1.0),
            )
        if drop:
            choice = grow(
                lambda expansion: self._evaluate(self._array, expansion),
                self._exact,
                start=choice.expansion,
                knobs=(
                    *drop_knobs(crosstalk=crosstalk, interpolated=interpolated),
                    "own_apart",
                ),
                tolerance=tolerance,
            )
        return Choice(choice.expansion, self.error(choice.expansion))

    def _slots(self, array: ArrayTensors) -> Tensor:
        with torch.no_grad():
            return slots.simulate(array, self._width).charge

    def _evaluate(self, array: ArrayTensors, expansion: Expansion) -> Tensor:
        with torch.no_grad():
            return closed_form.charge(array, self._width, expansion, sample=self._sample)


def simulate(
    array: ArrayTensors,
    pulse_width: Tensor,
    *,
    tolerance: float = 1e-3,
    expansion: Expansion | None = None,
) -> Outcome:
    """Charge [C] on every bit line by the closed form, with its measured error.

    Without `expansion` the cheapest that meets `tolerance` is chosen; the error is measured
    either way. One above the tolerance is returned as it is: the caller judges it.
    """
    if pulse_width.numel() == 0:
        shape = (*pulse_width.shape[:-1], array.n_bit_lines)
        return Outcome(pulse_width.new_zeros(shape), expansion or Expansion(), 0.0)
    probe = Probe(array, pulse_width)
    if expansion is None:
        choice = probe.choose(tolerance)
    else:
        choice = Choice(expansion, probe.error(expansion))
    charge = closed_form.charge(array, pulse_width, choice.expansion)
    return Outcome(charge, choice.expansion, choice.error)
