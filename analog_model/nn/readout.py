"""Readout of a layer's charges in codes."""

from __future__ import annotations

from torch import Tensor, nn

from analog_model.errors import ConfigurationError
from analog_model.nn.ranges import CalibrationData, observe_inputs
from analog_model.physics.readout import read_out_difference


class ChargeReadout(nn.Module):
    """Converter of the difference of two bit lines, see `physics.readout`.

    It saturates at -`range` and `range` [widest pulse x full-scale current]; None leaves
    that to `calibrate_readouts`, and nan until then. Without `bits` charges are read as
    they are.
    """

    range: Tensor

    def __init__(self, bits: int | None, charge_range: float | None, like: Tensor) -> None:
        super().__init__()
        self.bits = bits
        self.is_open = bits is not None and charge_range is None
        if bits is not None:
            at = float("nan") if charge_range is None else charge_range
            self.register_buffer("range", like.new_tensor(at))

    def extra_repr(self) -> str:
        return "as it is" if self.bits is None else f"{self.bits} bits"

    def forward(self, charge: Tensor) -> Tensor:
        """Charge as reported."""
        if self.bits is None:
            return charge
        return read_out_difference(charge, self.range.to(charge.dtype), self.bits)


def calibrate_readouts(network: nn.Module, data: CalibrationData | None) -> None:
    """Set every readout range that is still open to the largest charge in the data.

    The charges are those of a network without readout codes. Raises ConfigurationError
    where there are no data, or no charges.
    """
    open_ranges = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, ChargeReadout) and module.is_open
    }
    if not open_ranges:
        return
    first = next(iter(open_ranges)).removesuffix(".readout")
    if data is None:
        raise ConfigurationError(
            f"layer {first!r}: LayerConfiguration.readout_range",
            expected="calibration_data, which decide it",
            got="none",
            advice="Pass calibration_data to convert, or give readout_range a number.",
        )
    bits = {name: module.bits for name, module in open_ranges.items()}
    for module in open_ranges.values():
        module.bits = None
    try:
        seen = observe_inputs(network, dict.fromkeys(open_ranges, 1.0), data)
    finally:
        for name, module in open_ranges.items():
            module.bits = bits[name]
    for name, module in open_ranges.items():
        if seen[name].largest == 0:
            raise ConfigurationError(
                f"layer {name.removesuffix('.readout')!r}: calibration_data",
                expected="charges other than 0",
                got="none",
                advice="Give readout_range a number, or read the layer without codes.",
            )
        module.range.fill_(seen[name].largest)
        module.is_open = False
