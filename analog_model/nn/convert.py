"""Conversion of a torch model to one that computes on analog arrays."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator

from torch import nn

from analog_model.chip import Chip
from analog_model.chip.continuation import continued_chip
from analog_model.errors import ConfigurationError
from analog_model.nn import folding
from analog_model.nn.assembly import analog_layer, call_layers_as_modules, put_in_place
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.placement import ARRAY_EFFECTS, full_scale_of
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.ranges import CalibrationData, InputStatistics, observe_inputs
from analog_model.nn.readout import calibrate_readouts
from analog_model.nn.report import Conversion, conversion_of, record, reports
from analog_model.nn.selection import Overrides, Selection, select_layers


def convert(
    model: nn.Module,
    chip: Chip,
    *,
    array_shape: tuple[int, int] | None = None,
    configuration: LayerConfiguration | None = None,
    overrides: Overrides | None = None,
    digital: Collection[str] = (),
    calibration_data: CalibrationData | None = None,
    fold_batch_norm: bool = True,
    programmed: ProgrammedChip | None = None,
) -> nn.Module:
    """A copy of `model` whose Linear, Conv1d, Conv2d compute on arrays like `chip`.

    Parameters keep names and units, so that the model's checkpoints load (strict=False:
    buffers of the chip are missing from them). A module used in several places stays one.
    What has no analog layer stays digital; `conversion_report` says what and why.

    - `array_shape`: word lines, bit lines of the arrays, the chip's own by default; another
      shape continues the chip's layout.
    - `configuration`: of every layer; `overrides` replaces it, or some of its values, for
      layers by name, `digital` leaves some out. A module's name stands for all within it.
    - `calibration_data`: batches of the model's inputs, from which ranges are taken.
    - `fold_batch_norm`: normalisation that surely follows a converted layer becomes part
      of it, with its statistics of evaluation.
    - `programmed`: the instance of the chip whose cells the network gets.

    Raises ConfigurationError for what cannot be met.
    """
    operating = _operating_chip(chip, programmed)
    network = copy.deepcopy(model)
    selection = select_layers(
        network,
        configuration=LayerConfiguration() if configuration is None else configuration,
        overrides={} if overrides is None else overrides,
        digital=digital,
    )
    folded = folding.fold_batch_norm(network, list(selection.analog)) if fold_batch_norm else ()
    if isinstance(calibration_data, Iterator):
        calibration_data = list(calibration_data)
    statistics = _observed(network, selection, calibration_data)
    array = continued_chip(operating, *(array_shape or chip.cell_current.shape))
    for name, settings in selection.analog.items():
        layer = analog_layer(
            network.get_submodule(name),
            name=name,
            array=array,
            configuration=settings,
            statistics=statistics.get(name),
            full_scale_current=full_scale_of(chip, settings),
            programmed=programmed,
        )
        network = put_in_place(network, selection.names[name], layer)
    call_layers_as_modules(network)
    calibrate_readouts(network, calibration_data)
    if folded:
        network.register_load_state_dict_pre_hook(folding.CheckpointFolding(folded))
    record(network, Conversion(reports(model, network, selection, folded), operating))
    return network


def reprogram(network: nn.Module, programmed: ProgrammedChip | None) -> None:
    """Move a converted network, in place, to another instance of its kind of chip.

    None gives it flawless cells. Raises ConfigurationError for another kind of chip, or the
    same at another temperature: what acts on whole arrays was settled by `convert`.
    """
    chip = conversion_of(network).chip
    if programmed is not None and programmed.operating_chip != chip:
        raise ConfigurationError(
            "reprogram.programmed",
            expected=f"an instance of {_described(chip)}, as converted",
            got=f"one of {_described(programmed.operating_chip)}",
            advice="Convert the model anew.",
        )
    for module in network.modules():
        if isinstance(module, AnalogLayer):
            module.program(programmed)


def _described(chip: Chip) -> str:
    return f"{chip.name!r} at {chip.temperature_celsius:g} °C"


def _operating_chip(chip: Chip, programmed: ProgrammedChip | None) -> Chip:
    if not isinstance(chip, Chip):
        raise ConfigurationError(
            "convert.chip",
            expected="a Chip, such as calibration.chip",
            got=type(chip).__name__,
        )
    if "readout" in chip.effects:
        raise ConfigurationError(
            "convert.chip.readout",
            expected="a chip without a readout of its own; each layer's suits its charges",
            got=f"full scale {chip.readout.full_scale:g} C",
            advice="Pass chip.replace(readout=Readout()), set readout_bits in the configuration.",
        )
    if chip.pulse.alignment == "staggered" and ARRAY_EFFECTS & set(chip.effects):
        # Leading, trailing, centred: the same word lines are on together for equally long.
        raise ConfigurationError(
            "convert.chip.pulse.alignment",
            expected="pulses that share an edge or their centre",
            got="'staggered'",
            advice="Pass a chip of another alignment, or with ideal arrays.",
        )
    if programmed is None:
        return chip
    if programmed.chip != chip:
        raise ConfigurationError(
            "convert.programmed",
            expected=f"an instance of the chip {chip.name!r}",
            got=f"one of {programmed.chip.name!r} with other values",
            advice="Pass programmed.chip as chip.",
        )
    return programmed.operating_chip


def _observed(
    network: nn.Module, selection: Selection, data: CalibrationData | None
) -> dict[str, InputStatistics]:
    if data is None:
        return {}
    quantiles = {name: one.input_quantile for name, one in selection.analog.items()}
    return observe_inputs(network, quantiles, data)
