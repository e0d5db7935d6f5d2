"""Analog layer: what linear layers share with convolutions.

    x -> phases -> pulse widths -> product with cell currents -> readout -> phases -> y

All between is normalised: widths to the widest pulse, currents to full scale, charge to
their product. The bias is digital.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.currents import charge_per_weight, pair_of_currents, weight_range
from analog_model.nn.device_fields import DeviceFields
from analog_model.nn.ideal_product import ArrayProduct
from analog_model.nn.placement import Placement
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.ranges import Encoding
from analog_model.nn.readout import ChargeReadout
from analog_model.nn.reference_lines import with_shared_references
from analog_model.physics.encoding import quantise
from analog_model.physics.noise import jittered_width, noisy_charge


class AnalogLayer(nn.Module):
    """A layer whose products are formed on arrays.

    `weight`, `bias` are the digital layer's own parameters, in its units. The buffer
    `input_range`, or the parameter `log_input_range` if it is learned, is the input of the
    widest pulse. Inputs beyond it saturate, as do inputs below 0 without a phase of theirs.

    Noise is drawn from torch's own generator unless `drawing_from` names another.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    input_range: Tensor

    def __init__(
        self,
        digital: nn.Linear | nn.Conv1d | nn.Conv2d,
        *,
        name: str,
        configuration: LayerConfiguration,
        encoding: Encoding,
        placement: Placement,
        product: ArrayProduct,
    ) -> None:
        super().__init__()
        assert isinstance(digital.weight, nn.Parameter)
        assert digital.bias is None or isinstance(digital.bias, nn.Parameter)
        self.weight = digital.weight
        self.register_parameter("bias", digital.bias)
        self.name = name
        self.configuration = configuration
        self.tiling = placement.tiling
        self.full_scale_current = placement.full_scale_current
        self.product = product
        self.product_error = 0.0
        self.signed_inputs = encoding.signed
        self.input_bits = encoding.bits
        # Plain attributes: torch.compile need not look into a configuration.
        self._weight_rule = configuration.weight_range
        self._signed_weights = configuration.signed_weights
        self._smallest_current = configuration.smallest_current
        self._charge_per_weight = charge_per_weight(
            signed_weights=self._signed_weights, smallest_current=self._smallest_current
        )
        self._register_ranges(encoding)
        self.generator: Generator | None = None
        self.program(None)
        self.train(digital.training)

    def _register_ranges(self, encoding: Encoding) -> None:
        at = self.weight.detach().new_tensor(encoding.input_range)
        if encoding.learned:
            self.log_input_range = nn.Parameter(at.log())
        else:
            self.register_buffer("input_range", at)
        given = self.configuration.readout_range
        charge_range = None if isinstance(given, str) else given
        self.readout = ChargeReadout(self.configuration.readout_bits, charge_range, at)

    def program(self, programmed: ProgrammedChip | None) -> None:
        """Put the layer on the devices that a chip has under the layer's name.

        None puts it on flawless ones. What depends on the kind of chip, the product, stays.
        """
        self.programmed = programmed
        self._read_noise = self._pulse_jitter = 0.0
        if programmed is None:
            DeviceFields().register(self)
            return
        fields = programmed.fields(
            self.name,
            (2, *self.weight.shape),
            full_scale_current=self.full_scale_current,
            dtype=self.weight.dtype,
            device=self.weight.device,
        )
        with_shared_references(fields, self.tiling).register(self)
        self._read_noise = programmed.effects.read_noise
        self._pulse_jitter = programmed.effects.pulse_jitter

    @property
    def learns_input_range(self) -> bool:
        """Whether the input range is a parameter."""
        return "log_input_range" in self._parameters

    def extra_repr(self) -> str:
        n_word_lines, n_bit_lines = self.tiling.array_shape
        phases = "two phases" if self.signed_inputs else "one phase"
        return f"{self.tiling.n_arrays} arrays of {n_word_lines}x{n_bit_lines}, {phases}"

    def arranged(self, x: Tensor) -> Tensor:
        """Inputs with their batch as the product takes widths: (B, in) or (B, C, H, W)."""
        raise NotImplementedError

    def multiplied(self, width: Tensor, current: Tensor) -> Tensor:
        """The product's charge of such widths with currents (2, out, ...), by output second."""
        raise NotImplementedError

    def pulse_widths(self, x: Tensor) -> Tensor:
        """Pulse widths of inputs, without jitter, phases one after the other."""
        return self._widths(self._phases(self.arranged(x)), self._input_range())

    @property
    def kappa_deviation(self) -> Tensor | None:
        """Relative departure of every cell's kappas (K, 2, out, ...), None without mismatch."""
        return DeviceFields.of(self).kappa_deviation

    def cell_currents(self) -> Tensor:
        """Currents (2, out, ...) of plus and minus cells, as they flow in operation."""
        return self._currents(weight_range(self.weight, self._weight_rule))

    def _input_range(self) -> Tensor:
        return self.log_input_range.exp() if self.learns_input_range else self.input_range

    def _phases(self, batch: Tensor) -> Tensor:
        if not self.signed_inputs:
            return batch
        # clamp passes the gradient at 0, relu does not: together they pass it once.
        return torch.stack((batch.clamp(min=0), functional.relu(-batch))).flatten(0, 1)

    def _currents(self, limit: Tensor) -> Tensor:
        weight = self.weight / limit
        if isinstance(self._weight_rule, float):
            weight = weight.clamp(min=-1, max=1)
        # In memory with the channels last, as convolutions read them. Of places side by side:
        # what has four dimensions torch.compile takes for an image before convolutions.
        current = pair_of_currents(
            weight.flatten(2).movedim(1, -1) if weight.ndim > 2 else weight,
            signed_weights=self._signed_weights,
            smallest_current=self._smallest_current,
        )
        if weight.ndim > 2:
            current = current.movedim(-1, 2).unflatten(-1, weight.shape[2:])
        if self.programmed is None:
            return current
        return self.programmed.programmed_current(current, DeviceFields.of(self))

    def _widths(self, phase: Tensor, input_range: Tensor) -> Tensor:
        width = phase / input_range
        if self.input_bits is None:
            width = width.clamp(min=0, max=1)
        else:
            levels = 2**self.input_bits
            width = quantise(width, torch.full_like(input_range, 1 / (levels - 1)), levels)
        return width

    def _respond(self, batch: Tensor) -> Tensor:
        """Outputs with bias of arranged inputs, by output second."""
        limit, input_range = weight_range(self.weight, self._weight_rule), self._input_range()
        width = jittered_width(
            self._widths(self._phases(batch), input_range),
            deviation=self._pulse_jitter,
            window=1.0,
            generator=self.generator,
        )
        charge = self.multiplied(width, self._currents(limit))
        charge = noisy_charge(
            charge,
            deviation=self._read_noise,
            n_reads=2 * self.tiling.rows.n_row_tiles,
            generator=self.generator,
        )
        charge = self.readout(charge)
        if self.signed_inputs:
            plus, minus = charge.unflatten(0, (2, batch.shape[0])).unbind()
            charge = plus - minus
        # The product sets the precision, as it does of a digital layer under autocast.
        per_output = (-1, *[1] * (charge.ndim - 2))
        scale = (limit * input_range / self._charge_per_weight).to(charge.dtype)
        y = charge * scale.reshape(per_output)
        return y if self.bias is None else y + self.bias.to(y.dtype).reshape(per_output)


@contextmanager
def drawing_from(network: nn.Module, generator: Generator) -> Iterator[None]:
    """Within, the noise of every analog layer of `network` comes from `generator`.

    Not for a compiled network: torch.compile cannot trace a generator.
    """
    layers = [module for module in network.modules() if isinstance(module, AnalogLayer)]
    before = [layer.generator for layer in layers]
    try:
        for layer in layers:
            layer.generator = generator
        yield
    finally:
        for layer, earlier in zip(layers, before, strict=True):
            layer.generator = earlier
