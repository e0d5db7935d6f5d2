"""Deployment of a network: from its parameters to the numbers that a laboratory needs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from analog_model.chip import Chip
from analog_model.deployment.accuracy import LabelledInputs, accuracy_table
from analog_model.deployment.activity import observe_activity
from analog_model.deployment.array_demand import array_demand, require_arrays
from analog_model.deployment.cost import CostAssumptions, cost_table
from analog_model.deployment.placed_layers import PlacedLayer, empty_array, placed_layers
from analog_model.deployment.programming import (
    ArrayOutcome,
    program_network,
    programming_sentences,
    programming_table,
    unreached_table,
)
from analog_model.deployment.result import Deployment
from analog_model.deployment.scaling import layer_table, output_table
from analog_model.deployment.targets import target_table
from analog_model.deployment.write_verify import WriteVerify
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convert import convert, reprogram
from analog_model.nn.effects import Effects, ProgrammingError
from analog_model.nn.layer import AnalogLayer
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.ranges import CalibrationData
from analog_model.nn.report import conversion_report

Progress = Callable[[str, float], None]

# Assumed where nothing is known: a first write that misses by a tenth, corrections down to half
# a percent of full scale, couplings of single cells that scatter by 8 % (as in a circuit
# simulation of such cells), reads good to a thousandth.
TYPICAL_EFFECTS = Effects(
    programming_error=ProgrammingError(full_scale=0.005, proportional=0.1),
    kappa_mismatch=0.08,
    read_noise=1e-3,
)
IMAGES_FOR_ACTIVITY = 256


def deploy(
    network: nn.Module,
    chip: Chip,
    *,
    images: Tensor,
    labels: Tensor,
    array_shape: tuple[int, int] | None = None,
    configuration: LayerConfiguration | None = None,
    calibration_data: CalibrationData | None = None,
    effects: Effects = TYPICAL_EFFECTS,
    writing: WriteVerify | None = None,
    assumptions: CostAssumptions | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    n_arrays: int | None = None,
    largest_current: float | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Deployment:
    """Place a trained network on arrays like `chip`, program them, predict what it does there.

    - `network`: one that `nn.convert` made for this chip, or a plain one, which is converted
      first with `array_shape`, `configuration`, `calibration_data` as there. It is not changed.
    - `images`, `labels`: inputs of the network to judge by, which it was not trained on.
    - `effects`: of the chips; their programming error is that of a single write, which
      `writing` repeats. `seeds`: one chip each. The default is an assumption, not a measurement.
    - `n_arrays`: how many there are; None for as many as it takes. `largest_current` [A]: of
      a cell; None for the largest of the chip.

    Raises ConfigurationError for what cannot be met.
    """
    judge = LabelledInputs(images, labels, batch_size)
    if not seeds:
        raise ConfigurationError("deploy.seeds", expected="a chip at least", got="none")
    instance, rules = ProgrammedChip(chip, effects, seeds[0]), writing or WriteVerify()
    digital = None if is_converted(network) else judge.accuracy(network)
    analog = _on_arrays(network, instance, array_shape, configuration, calibration_data)
    layers = placed_layers(analog, instance.operating_chip, weight_bits=effects.weight_bits)
    empty = empty_array(analog)
    summary = layer_table(layers).merge(array_demand(layers, empty))
    require_arrays(summary, n_arrays)
    largest = largest_current or float(chip.cell_current.max()) or None
    arrays = target_table(layers, empty, largest_current=largest)
    cost = cost_table(
        layers,
        observe_activity(analog, layers, judge.some(IMAGES_FOR_ACTIVITY), batch_size=batch_size),
        empty,
        assumptions or CostAssumptions(),
    )
    flawless = judge.accuracy(analog)
    chips = [instance.fresh(seed) for seed in seeds]
    outcomes, shares = _programmed(
        analog, layers, chips, writing=rules, judge=judge, progress=progress
    )
    return Deployment(
        chip=empty,
        arrays=arrays,
        layers=summary,
        outputs=output_table(layers),
        programming=programming_table(
            outcomes,
            seeds,
            assumptions=(*programming_sentences(effects, rules), _product_sentence(analog)),
        ),
        unreached=unreached_table(outcomes),
        accuracy=accuracy_table(
            shares, seeds, n_images=len(images), flawless=flawless, digital=digital
        ),
        cost=cost,
        digital=_digital_layers(analog),
    )


def is_converted(network: nn.Module) -> bool:
    """Whether `network` has layers on arrays already."""
    return any(isinstance(module, AnalogLayer) for module in network.modules())


def _on_arrays(
    network: nn.Module,
    instance: ProgrammedChip,
    array_shape: tuple[int, int] | None,
    configuration: LayerConfiguration | None,
    calibration_data: CalibrationData | None,
) -> nn.Module:
    """The network converted, or a copy of one that is; with flawless cells."""
    if not is_converted(network):
        analog = convert(
            network,
            instance.chip,
            array_shape=array_shape,
            configuration=configuration,
            calibration_data=calibration_data,
            programmed=instance,
        )
    elif (array_shape, configuration, calibration_data) != (None, None, None):
        raise ConfigurationError(
            "deploy.network",
            expected="a plain network beside options of its conversion",
            got="one that is converted already",
            advice="Leave the options out, or pass the plain network.",
        )
    else:
        analog = copy.deepcopy(network)
        # Refuses another chip than the network's.
        reprogram(analog, instance)
    reprogram(analog, None)
    return analog


def _product_sentence(analog: nn.Module) -> str:
    error = max(one.error for one in conversion_report(analog))
    return (
        f"charges of a layer are computed to {error:.2g} of what a simulation slot by slot gives "
        "(relative rms error of the worst layer, as converted)"
    )


def _digital_layers(analog: nn.Module) -> dict[str, str]:
    kept = [one for one in conversion_report(analog) if one.computed == "digital"]
    return {one.name: one.reason for one in kept}


def _programmed(
    analog: nn.Module,
    layers: Sequence[PlacedLayer],
    chips: Sequence[ProgrammedChip],
    *,
    writing: WriteVerify,
    judge: LabelledInputs,
    progress: Progress | None,
) -> tuple[list[tuple[ArrayOutcome, ...]], list[float]]:
    """Outcome of every array, accuracy on every chip."""
    outcomes, shares = [], []
    for place, programmed in enumerate(chips):
        if progress is not None:
            progress(f"chip {programmed.seed}", place / len(chips))
        outcomes.append(program_network(analog, layers, programmed, writing=writing))
        shares.append(judge.accuracy(analog, seed=programmed.seed))
    return outcomes, shares
