"""Plan of a comparison: the float network, then its retraining in several ways, on one chip.

Runs are named by the content of what decides them: the same choices find the same runs,
finished or begun, whoever made them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from analog_model.chip import Chip
from analog_model.chip.changes import nominal_full_width
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.effects import Effects, ProgrammingError
from analog_model.nn.images import bundled
from analog_model.nn.models import find_network
from analog_model.nn.training.chip_variation import ChipVariation
from analog_model.nn.training.configuration import ON_CHIP, TrainingConfiguration
from analog_model.nn.training.recipes import recipe
from dashboard.run_store import RunStore
from dashboard.training_choices import OWN_ARRAY, TrainingChoices

_HASH = 8
# Of the closed form against slots. Where couplings of single cells scatter it has its limit, at
# 2e-3 for the strongest coupling of the sidebar and the 8 % that a deployment takes as typical.
TOLERANCE = 4e-3
# Seed of the chips that judge what was trained on a distribution, away from those it saw.
_OTHER_CHIPS = 1000


@dataclass(frozen=True)
class PlannedRun:
    """One run: its name, its configuration, the run whose weights it starts from."""

    name: str
    configuration: TrainingConfiguration
    start: str | None = None

    @property
    def mode(self) -> str:
        """How it trains."""
        return str(self.configuration.mode)


@dataclass(frozen=True)
class TrainingPlan:
    """Runs in order, the float one first; how each network is put on the chip and judged.

    `window` [s]: the widest pulse, None for the chip's own.
    """

    runs: tuple[PlannedRun, ...]
    chip: Chip
    effects: Effects | None
    variation: ChipVariation | None
    array_shape: tuple[int, int] | None
    window: float | None
    key: str

    @property
    def seed(self) -> int:
        """Seed of the chips that judge."""
        own = self.runs[0].configuration.seed
        return own if self.variation is None else own + _OTHER_CHIPS

    def judgement(self, run: PlannedRun) -> str:
        """Name under which the evaluation of a run on the chip is kept."""
        return f"{run.name.replace('/', '-')}-on-{self.key}".lower()


def images_for(network: str) -> tuple[str, ...]:
    """Image sets that a network takes."""
    found = find_network(network).images
    return (bundled.NAME, found) if found == "mnist" else (found,)


def plan_of(choices: TrainingChoices, chip: Chip, store: RunStore) -> TrainingPlan:
    """The plan of what was chosen. Raises ConfigurationError for what does not fit."""
    if choices.images not in images_for(choices.network):
        raise ConfigurationError(
            "images",
            expected=f"{' or '.join(images_for(choices.network))} for {choices.network}",
            got=choices.images,
        )
    effects, variation = _effects(choices), _variation(choices)
    shape = None if choices.array_side == OWN_ARRAY else (int(choices.array_side),) * 2
    window = None if chip.pulse.bits is not None and chip.pulse.lsb else nominal_full_width(chip)
    on_chip: dict[str, Any] = {
        "effects": effects,
        "variation": variation,
        "array_shape": shape,
        "layer": LayerConfiguration(window=window, tolerance=TOLERANCE),
    }
    judged = {
        "chip": chip.fingerprint(),
        "seed": choices.training_seed,
        **{name: repr(value) for name, value in on_chip.items()},
    }
    key = _hash(judged)
    first = _float_run(choices, store)
    runs = [first, *(_retraining(choices, mode, on_chip, key, first) for mode in choices.defences)]
    return TrainingPlan(tuple(runs), chip, effects, variation, shape, window, key)


def _float_run(choices: TrainingChoices, store: RunStore) -> PlannedRun:
    changes = {"seed": choices.training_seed}
    configuration = recipe(choices.network, images=choices.images, changes=changes)
    fingerprint = configuration.fingerprint()
    name = f"{choices.network}-float-{_hash(fingerprint)}"
    if not store.own_path(name).exists():
        # One that the command line trained is as good.
        name = store.finished_float(fingerprint) or name
    return PlannedRun(name, configuration)


def _retraining(
    choices: TrainingChoices, mode: str, on_chip: dict[str, Any], key: str, first: PlannedRun
) -> PlannedRun:
    given = {"epochs": choices.epochs, "learning_rate": choices.learning_rate}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changes |= {"seed": choices.training_seed, "distillation": choices.distillation}
    if mode in ON_CHIP:
        changes |= on_chip
    configuration = recipe(
        choices.network, mode=mode, images=choices.images, retrained=True, changes=changes
    )
    parts = [configuration.fingerprint(), first.configuration.fingerprint()]
    if mode in ON_CHIP:
        parts.append(key)
    name = f"{choices.network}-{mode}-{_hash(parts)}"
    return PlannedRun(name, configuration, start=first.name)


def _effects(choices: TrainingChoices) -> Effects | None:
    error = choices.programming_error
    effects = Effects(
        programming_error=ProgrammingError(full_scale=error) if error else None,
        kappa_mismatch=choices.kappa_mismatch,
        read_noise=choices.read_noise,
    )
    return None if effects == Effects() else effects


def _variation(choices: TrainingChoices) -> ChipVariation | None:
    if not choices.n_chips:
        return None
    spread = choices.chip_spread
    return ChipVariation(n_chips=choices.n_chips, coupling=spread, resistance=spread)


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH]
