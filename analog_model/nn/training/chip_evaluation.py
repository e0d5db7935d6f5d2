"""Evaluation of a finished run on a family of chips."""

from __future__ import annotations

import numpy as np
import xarray as xr
from torch import Tensor, nn

from analog_model.dataset.io import PathLike
from analog_model.nn.images.download import Progress
from analog_model.nn.images.image_set import Images
from analog_model.nn.images.loading import load_images
from analog_model.nn.training.accelerator import on_accelerator
from analog_model.nn.training.chip_family import NOMINAL, ChipFamily
from analog_model.nn.training.evaluation import evaluate, test_inputs
from analog_model.nn.training.shared_conversion import ChipSettings
from analog_model.nn.training.trained import TrainedRun

CHIP = "chip"


def evaluate_run(
    run_directory: PathLike,
    *,
    family: ChipFamily | None = None,
    settings: ChipSettings | None = None,
    images: str | None = None,
    data_dir: PathLike | None = None,
    download: bool = True,
    progress: Progress | None = None,
) -> xr.Dataset:
    """How well a finished run's network does on the test part.

    Without `family`: as trained. With it: on the family's chip, number -1 of the dimension
    `chip`, and on all the chips that its variation has; they are other ones than a run was
    trained on if the family has another seed. `mean`, `spread` (standard deviation) are over
    the latter. `images` None takes the run's. Errors of `trained_network`, `load_images`.
    """
    run = TrainedRun(run_directory)
    tell = progress or (lambda _stage, _fraction: None)
    name = run.configuration.images if images is None else images
    data = load_images(name, data_dir=data_dir, download=download, progress=progress)
    network = run.specification
    inputs = test_inputs(data, network)
    attrs = {
        "network": network.name,
        "images": name,
        "mode": run.configuration.mode,
        "data_fingerprint": data.fingerprint,
    }
    if family is None:
        tell("evaluating", 0.0)
        found = _judged(run.network(), inputs, data)
        return found.assign_attrs(attrs)
    n_chips = 0 if family.variation is None else family.variation.n_chips
    numbers = [NOMINAL, *range(n_chips)]
    each = []
    for done, number in enumerate(numbers):
        tell(f"chip {done + 1} of {len(numbers)}", done / len(numbers))
        each.append(_judged(run.on_chip(family.member(number), settings), inputs, data))
    found = xr.concat(each, xr.DataArray(numbers, dims=CHIP, name=CHIP))
    attrs |= {"chip": family.chip.name, "chip_fingerprint": family.chip.fingerprint()}
    return _with_spread(found).assign_attrs(attrs)


def _judged(network: nn.Module, inputs: Tensor, images: Images) -> xr.Dataset:
    with on_accelerator(network):
        return evaluate(network, inputs, images.test_labels, class_names=images.class_names)


def _with_spread(found: xr.Dataset) -> xr.Dataset:
    others = found["accuracy"].sel({CHIP: found[CHIP] != NOMINAL})
    if others.size < 2:
        return found
    return found.assign(
        mean=((), float(others.mean()), {"long_name": "mean accuracy of the chips"}),
        spread=(
            (),
            float(np.std(others.values, ddof=1)),
            {"long_name": "standard deviation of the accuracy from chip to chip"},
        ),
    )
