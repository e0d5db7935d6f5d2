"""Small training runs: seconds each, on the digits that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import analog_model as am
from tests.analog_chips import FULL_SCALE

# 3,900 training images beside those held out: 39 batches in each of 3 epochs.
QUICK: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 100,
    "validation_per_class": 10,
    "threads": 1,
}
N_BATCHES, N_STEPS = 39, 117


def quick(**changes: Any) -> am.nn.TrainingConfiguration:
    """Configuration of a run of the 4x4 perceptron that takes about a second."""
    mode = changes.pop("mode", "float")
    return am.nn.recipe("mlp_4x4", mode=mode, changes={**QUICK, **changes})


def harsh_chip() -> am.Chip:
    """Arrays of 16x16 with strong crosstalk, cheap to compute: untrained for it, 1 in 4 fails."""
    return am.Chip(
        name="harsh",
        cell_current=np.full((16, 16), FULL_SCALE),
        layout=am.Layout.mirrored_columns(16, 16),
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[1.0, 0.2], [-0.3, 1.0]]),
    )


def weights_of(run: Path) -> dict[str, np.ndarray]:
    """Final weights of a run, read without the package."""
    with np.load(run / "network.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name.startswith("network/")}
