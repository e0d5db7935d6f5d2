"""Input ranges, as calibration data show them.

A digital model is run on the data, and each layer's inputs are watched on their way in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration

# Inputs kept of one batch where a quantile below 1 is asked for, evenly spread over it.
MOST_KEPT = 2**16
# Entries of the first batch kept as an example, evenly spread over it.
N_EXAMPLES = 16

CalibrationData = Tensor | Iterable[Any]


@dataclass(frozen=True)
class Encoding:
    """How a layer's inputs become pulses, settled.

    `input_range` is the input of the widest pulse, `learned` makes it a parameter; `signed`
    sends negative inputs in a phase of their own; `bits` None leaves widths continuous.
    """

    input_range: float
    signed: bool
    learned: bool = False
    bits: int | None = None


@dataclass(frozen=True)
class InputStatistics:
    """What a layer's inputs were.

    `largest` is the asked quantile of |x|; `negative`: whether any lay below 0; `examples`
    are some inputs of the first batch.
    """

    largest: float
    negative: bool
    examples: Tensor


class _Watch:
    """Running statistics of the inputs of one layer."""

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile
        self.examples: Tensor | None = None
        self.negative = False
        self.largest = 0.0
        self.kept: list[Tensor] = []

    def __call__(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0].detach()
        if not x.numel():
            return
        if self.examples is None:
            every = -(-len(x) // N_EXAMPLES)
            self.examples = x[::every].clone()
        self.negative = self.negative or bool((x < 0).any())
        size = x.abs().flatten()
        self.largest = max(self.largest, float(size.max()))
        if self.quantile < 1:
            self.kept.append(size[:: -(-size.numel() // MOST_KEPT)].double().cpu())

    def statistics(self) -> InputStatistics:
        largest = self.largest
        if self.quantile < 1:
            # By hand: torch.quantile takes 2^24 numbers at most.
            sizes = torch.cat(self.kept).sort().values
            largest = float(sizes[round(self.quantile * (sizes.numel() - 1))])
        assert self.examples is not None
        return InputStatistics(largest, negative=self.negative, examples=self.examples)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model` in evaluation mode, without gradients; afterwards each module as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def batches_of(data: CalibrationData) -> Iterator[Tensor]:
    """Inputs of the batches: a tensor is one, a sequence starts with its inputs."""
    for index, batch in enumerate([data] if isinstance(data, Tensor) else data):
        first = batch[0] if isinstance(batch, Sequence) and len(batch) else batch
        if not isinstance(first, Tensor):
            raise ConfigurationError(
                f"calibration_data[{index}]",
                expected="a tensor, or a sequence that starts with one",
                got=type(batch).__name__,
            )
        yield first


def observe_inputs(
    model: nn.Module, quantiles: Mapping[str, float], data: CalibrationData
) -> dict[str, InputStatistics]:
    """Statistics of the inputs of the named layers while `model` runs on `data`.

    `quantiles` gives each layer the quantile of |x| that it asks for. Raises
    ConfigurationError for layers that no batch reaches.
    """
    watches = {name: _Watch(quantile) for name, quantile in quantiles.items()}
    handles = [
        model.get_submodule(name).register_forward_pre_hook(watch)
        for name, watch in watches.items()
    ]
    try:
        with evaluating(model):
            for batch in batches_of(data):
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
    unseen = [name for name, watch in watches.items() if watch.examples is None]
    if unseen:
        raise ConfigurationError(
            "calibration_data",
            expected="inputs that reach every analog layer",
            got=f"none through {', '.join(map(repr, unseen))}",
            advice="Calibrate on data that use these layers, or leave them digital.",
        )
    return {name: watch.statistics() for name, watch in watches.items()}


def settled_encoding(
    configuration: LayerConfiguration,
    statistics: InputStatistics | None,
    *,
    chip_bits: int | None,
) -> Encoding:
    """How a layer encodes its inputs, from its configuration and its data."""
    signed, rule = configuration.signed_inputs, configuration.input_range
    bits = chip_bits if configuration.input_bits == "chip" else configuration.input_bits
    if signed == "auto":
        if statistics is None:
            raise _missing("signed_inputs", "True or False")
        signed = statistics.negative
    at = configuration.initial_input_range if rule == "learned" else rule
    if isinstance(at, str) or at is None:
        if statistics is None:
            raise _missing(
                "input_range",
                "initial_input_range" if rule == "learned" else "a number, or 'learned'",
            )
        at = statistics.largest
    if at == 0:
        raise ConfigurationError(
            "calibration_data",
            expected="inputs other than 0",
            got="none",
            advice="Calibrate on data that use this layer, give its input_range, or leave it "
            "digital.",
        )
    return Encoding(input_range=float(at), signed=signed, learned=rule == "learned", bits=bits)


def _missing(option: str, alternative: str) -> ConfigurationError:
    return ConfigurationError(
        f"LayerConfiguration.{option}",
        expected="calibration_data, which decide it",
        got="none",
        advice=f"Pass calibration_data to convert, or set it in the configuration: {alternative}.",
    )
