"""Deployment of a trained network, from the directory of its run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analog_model.chip import Chip
from analog_model.dataset.io import PathLike
from analog_model.deployment.cost import CostAssumptions
from analog_model.deployment.deploy import TYPICAL_EFFECTS, Progress, deploy
from analog_model.deployment.result import Deployment
from analog_model.deployment.write_verify import WriteVerify
from analog_model.errors import ConfigurationError
from analog_model.nn.effects import Effects
from analog_model.nn.images.inputs import network_input
from analog_model.nn.images.loading import load_images
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.trained import TrainedRun


def deploy_run(
    run_directory: PathLike,
    *,
    chip: Chip | None = None,
    array_shape: tuple[int, int] | None = None,
    window: float | None = None,
    tolerance: float | None = None,
    effects: Effects | None = None,
    writing: WriteVerify | None = None,
    assumptions: CostAssumptions | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    n_arrays: int | None = None,
    n_images: int | None = None,
    data_dir: PathLike | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> Deployment:
    """Deploy the network of a finished run, judged by its test images.

    `chip`, `array_shape`, `effects`: None takes the run's own, where it has one; the effects
    are then the typical ones. `window` [s] is the widest pulse where the chip has no pulse
    codes, `tolerance` what the closed form of a layer may miss the slots by; None takes the
    run's. Single cells that depart from their class, as effects may say, are what it misses
    most on strong couplings. `n_images` judges by so many of the test images, evenly spread.
    Other options as `deploy`.

    Raises ConfigurationError or DataError for a run that is not finished, for one without a
    chip when none is given, and as `deploy` does.
    """
    run = TrainedRun(run_directory)
    chip = chip or run.chip
    if chip is None:
        raise ConfigurationError(
            "deploy.chip",
            expected=f"a chip, as mode {run.configuration.mode!r} trained on none",
            got="none",
        )
    images = load_images(run.configuration.images, data_dir=data_dir, download=download)
    made_for = run.specification
    pixels = network_input(images.test_images, size=made_for.image_size, margin=made_for.margin)
    inputs, labels = _spread(pixels, images.test_labels, n_images)
    chosen = effects or run.configuration.effects or TYPICAL_EFFECTS
    settings = run.settings(array_shape=array_shape, window=window, tolerance=tolerance)
    trained_on_chip = run.configuration.on_chip
    if trained_on_chip:
        instance = ProgrammedChip(chip, chosen, seeds[0] if seeds else 0)
        network = run.on_chip(instance, settings)
    else:
        network = run.network()
    return deploy(
        network,
        chip,
        images=inputs,
        labels=labels,
        array_shape=None if trained_on_chip else settings.array_shape,
        configuration=None if trained_on_chip else settings.layer,
        calibration_data=None if trained_on_chip else run.calibration,
        effects=chosen,
        writing=writing,
        assumptions=assumptions,
        seeds=seeds,
        n_arrays=n_arrays,
        progress=progress,
    )


def _spread(inputs: Tensor, labels: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
    """So many of the images, evenly spread, for a data set may be sorted by class."""
    if count is None:
        return inputs, labels
    if not 1 <= count <= len(inputs):
        raise ConfigurationError(
            "deploy.n_images", expected=f"1 to {len(inputs)}, the test part", got=str(count)
        )
    chosen = torch.linspace(0, len(inputs) - 1, count).round().long()
    return inputs[chosen], labels[chosen]
