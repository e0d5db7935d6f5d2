"""Plan of the results: which networks are trained how, from what, for which chip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.models import find_network
from analog_model.nn.training.configuration import (
    FLOAT,
    HARDWARE_AWARE,
    NOISE,
    ON_CHIP,
    STRAIGHT_THROUGH,
    TrainingConfiguration,
)
from analog_model.nn.training.recipes import recipe
from analog_model.results.chips import BUNDLED, DIGITAL, HARSH, HARSHER, chips_of, harsh_chip_of

# Beside the modes: digital training for as many further epochs as the others are retrained;
# hardware-aware training over chips that vary as `ChipVariation` says.
FLOAT_LONGER, CHIP_FAMILY = "float_longer", "chip_family"
TREATMENTS = (FLOAT, FLOAT_LONGER, NOISE, STRAIGHT_THROUGH, HARDWARE_AWARE, CHIP_FAMILY)
_MODE_OF = {FLOAT_LONGER: FLOAT, CHIP_FAMILY: HARDWARE_AWARE}

# Widest pulse [s] of the example chip's measurement.
WINDOW = 1.24e-6


@dataclass(frozen=True)
class Operation:
    """How a network lies on arrays of one chip.

    `training_tolerance`, `judging_tolerance`: what the closed form may miss the slots by,
    rms, as a share of a layer's charges. On the harsh chip, where errors are as large as the
    charges, the closed form has its limit at some thousandths.
    """

    array_shape: tuple[int, int]
    training_tolerance: float
    judging_tolerance: float


OPERATIONS: Mapping[tuple[str, str], Operation] = MappingProxyType(
    {
        ("mlp_4x4", BUNDLED): Operation((16, 16), 4e-3, 1e-3),
        ("mlp_14x14", BUNDLED): Operation((128, 128), 4e-3, 1e-3),
        ("lenet5", BUNDLED): Operation((128, 128), 1e-2, 4e-3),
        ("vgg_small", BUNDLED): Operation((128, 128), 1e-2, 4e-3),
        ("mlp_4x4", HARSH): Operation((16, 16), 1e-2, 1e-2),
        ("mlp_14x14", HARSHER): Operation((128, 128), 2e-2, 1e-2),
        ("lenet5", HARSHER): Operation((128, 128), 2e-2, 1e-2),
        ("vgg_small", HARSH): Operation((128, 128), 2e-2, 2e-2),
    }
)
SEEDS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"mlp_4x4": (0, 1, 2), "mlp_14x14": (0, 1, 2), "lenet5": (0, 1, 2), "vgg_small": (0,)}
)
# Of each treatment, whether on a harsh chip, on the bundled one, on none; in the order in
# which they are made: what the table needs most comes first.
_HARSH_ONE = "harsh one"
_RETRAINED = (
    (HARDWARE_AWARE, _HARSH_ONE),
    (FLOAT_LONGER, DIGITAL),
    (NOISE, DIGITAL),
    (HARDWARE_AWARE, BUNDLED),
    (STRAIGHT_THROUGH, _HARSH_ONE),
    (CHIP_FAMILY, _HARSH_ONE),
)
# A pass of the VGG over its images takes a quarter of an hour on a chip, compiled: few of
# them, of the bundled chip part of one, judged by few images until they end. Its batch
# normalisation is folded, so the rate is that of weights as they are: on the harsh chip 5e-4
# unlearnt at its peak what 3e-4 had brought back (batches 40 to 60: 92 % right, batches 80 to
# 100: 87 %). On the bundled chip, which costs 0.2 points, 60 batches at 2e-4 cost 0.6 more.
_SHORT: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": 1,
        "batch_size": 64,
        "optimizer": "adamw",
        "learning_rate": 2e-4,
        "validation_per_class": 20,
    }
)
# A harsh chip takes more steps at higher rates than the recipe of retraining has. Digital
# rivals get as many; on the bundled chip, which costs little, the recipe is enough.
_BUDGETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "mlp_4x4": {"epochs": 30, "learning_rate": 1e-2},
        "mlp_14x14": {"epochs": 24, "batch_size": 128, "learning_rate": 5e-3},
        "lenet5": {"epochs": 24, "batch_size": 128, "learning_rate": 2e-3, "distillation": 0.9},
        "vgg_small": {**_SHORT, "epochs": 3, "distillation": 0.9},
    }
)
_BUNDLED_BUDGETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"vgg_small": {**_SHORT, "epoch_batches": 200, "learning_rate": 2e-5}}
)
_OPTIONAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {STRAIGHT_THROUGH: ("mlp_4x4", "mlp_14x14"), CHIP_FAMILY: ("mlp_14x14",)}
)
_N_CHIPS = 4
# Compiling takes longer than all their steps.
_SMALL = ("mlp_4x4", "mlp_14x14")


@dataclass(frozen=True)
class PlannedRun:
    """One training run: its name, what is trained how, for which chip, from which run."""

    name: str
    treatment: str
    configuration: TrainingConfiguration
    chip: str = DIGITAL
    start: str | None = None

    @property
    def network(self) -> str:
        return self.configuration.network

    @property
    def seed(self) -> int:
        return self.configuration.seed

    @property
    def judged_on(self) -> tuple[str, ...]:
        """Chips on which the outcome counts: its own, or every one."""
        return (DIGITAL, *chips_of(self.network)) if self.chip == DIGITAL else (self.chip,)


def plan(networks: Iterable[str], *, seeds: int | None = None) -> tuple[PlannedRun, ...]:
    """Every run of the networks, each after the one that it starts from.

    `seeds` bounds their number. All networks of the first seed come before those of the next.
    """
    networks = list(networks)
    found = []
    for seed in sorted({one for name in networks for one in SEEDS[find_network(name).name]}):
        if seeds is not None and seed >= seeds:
            break
        for name in (name for name in networks if seed in SEEDS[name]):
            begun = _run(name, FLOAT, seed, DIGITAL, None)
            found.append(begun)
            for treatment, chip in _RETRAINED:
                if name in _OPTIONAL.get(treatment, (name,)):
                    on = harsh_chip_of(name) if chip == _HARSH_ONE else chip
                    found.append(_run(name, treatment, seed, on, begun.name))
    return tuple(found)


def layer_configuration(network: str, *, tolerance: float) -> LayerConfiguration:
    """Layers of the results: all inputs are images or rectified, none is below 0."""
    find_network(network)
    return LayerConfiguration(window=WINDOW, signed_inputs=False, tolerance=tolerance)


def _run(network: str, treatment: str, seed: int, chip: str, start: str | None) -> PlannedRun:
    mode = _MODE_OF.get(treatment, treatment)
    changes: dict[str, Any] = {"seed": seed, "threads": 1}
    if start is not None:
        changes |= (_BUNDLED_BUDGETS if chip == BUNDLED else _BUDGETS).get(network, {})
    if mode in ON_CHIP:
        operation = OPERATIONS[network, chip]
        changes |= {
            # A harsh chip's closed form has many small parts; compiled they take a fourth.
            "compiled": network not in _SMALL and chip != BUNDLED,
            "array_shape": operation.array_shape,
            "layer": layer_configuration(network, tolerance=operation.training_tolerance),
        }
    if treatment == CHIP_FAMILY:
        changes["variation"] = {"n_chips": _N_CHIPS}
    configuration = recipe(
        network,
        mode=mode,
        images=find_network(network).images,
        retrained=start is not None,
        changes=changes,
    )
    parts = (network, treatment, *(() if chip == DIGITAL else (chip,)), str(seed))
    return PlannedRun("-".join(parts), treatment, configuration, chip, start)
