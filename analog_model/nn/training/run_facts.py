"""Facts of a run: what its outcome depends on, beside its configuration."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib import metadata

import numpy as np
import torch

from analog_model.errors import DataError
from analog_model.nn.images.image_set import Images
from analog_model.nn.training.checkpoint import State, load_weights
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.journal import START, Event
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.version import __version__

VERSIONS = "versions"
Facts = dict[str, str]


def run_facts(
    directory: RunDirectory, configuration: TrainingConfiguration, images: Images
) -> Facts:
    """Fingerprints of configuration, images, starting weights, chip; versions as JSON."""
    chip = directory.read_chip()
    of_chip = {} if chip is None else {"chip": chip.name, "chip_fingerprint": chip.fingerprint()}
    return {
        "configuration_fingerprint": configuration.fingerprint(),
        "data_fingerprint": images.fingerprint,
        "start_fingerprint": _fingerprint(load_weights(directory.start)),
        **of_chip,
        VERSIONS: json.dumps(
            {
                "analog-model": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "pytorch-lightning": metadata.version("pytorch-lightning"),
                "numpy": np.__version__,
            }
        ),
    }


def checked_facts(events: Sequence[Event], facts: Facts) -> bool:
    """Whether the journal tells the facts already; DataError if it tells others.

    Versions may differ: results then agree to rounding only.
    """
    begun = next((event for event in events if event["event"] == START), None)
    if begun is None:
        return False
    for name, value in facts.items():
        if name != VERSIONS and begun.get(name) != value:
            raise DataError(
                f"{name} of the run",
                expected=f"{begun.get(name)}, with which it began",
                got=value,
                advice="Give the run back what it began with, or start a new one.",
            )
    return True


def _fingerprint(state: State) -> str:
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()
