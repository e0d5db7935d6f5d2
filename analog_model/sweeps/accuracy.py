"""Measure of a digital network put on the chip as it is: its accuracy on labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn

from analog_model.chip import Chip, Readout
from analog_model.chip.changes import nominal_full_width
from analog_model.dataset.io import PathLike
from analog_model.dataset.provenance import sha256
from analog_model.errors import ConfigurationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.convert import convert
from analog_model.nn.images.loading import load_images
from analog_model.nn.training.configuration import FLOAT, NOISE
from analog_model.nn.training.evaluation import evaluate, test_inputs
from analog_model.nn.training.trained import TrainedRun
from analog_model.sweeps.reading import Quantity

# Corners of a sweep are harsh: the closed form need not be finer than accuracies show.
LAYER = LayerConfiguration(signed_inputs=False, tolerance=2e-2)
STANDARD_ERROR = Quantity("standard_error", "standard error of the accuracy", "1")
_QUANTITIES = (Quantity("accuracy", "accuracy, not retrained", "1"), STANDARD_ERROR)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Share of the images that a digital network, converted to the chip, gives their class.

    `inputs`, `labels`: test images as the network takes them; `calibration`: training inputs
    from which the ranges of its layers are taken. Arrays have the chip's shape. The chip's
    readout bits become those of every layer, whose range follows its own charges.
    """

    network: nn.Module
    calibration: Tensor
    inputs: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    layer: LayerConfiguration = LAYER

    @classmethod
    def of_run(
        cls,
        run_directory: PathLike,
        *,
        n_images: int | None = None,
        layer: LayerConfiguration = LAYER,
        data_dir: PathLike | None = None,
    ) -> Self:
        """The network of a finished digital run, on test images of its own data set.

        `n_images` bounds them: as many of every class as there are, in turn. Raises
        ConfigurationError for a run that was trained on a chip; errors of `trained_network`,
        `load_images`.
        """
        run = digital_run(run_directory)
        images = load_images(run.configuration.images, data_dir=data_dir)
        order = _in_turn(images.test_labels)[: n_images or len(images.test_labels)]
        return cls(
            network=run.network(),
            calibration=run.calibration,
            inputs=test_inputs(images, run.specification)[order],
            labels=images.test_labels[order],
            class_names=images.class_names,
            layer=layer,
        )

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The accuracy with its standard error."""
        return _QUANTITIES

    @cached_property
    def _content(self) -> str:
        """SHA-256 of network, images, calibration inputs."""
        parts = [repr(self.network).encode(), "\n".join(self.class_names).encode()]
        tensors = [*self.network.state_dict().values()]
        for tensor in (*tensors, self.calibration, self.inputs, self.labels):
            array = tensor.detach().cpu().contiguous().numpy()
            parts.append(f"{array.dtype.str}{array.shape}{sha256(array.tobytes())}".encode())
        return sha256(b"\n".join(parts))

    def identity(self) -> dict[str, Any]:
        """What the network, the images, the layers' settings are."""
        return {
            "measure": "accuracy",
            "content": self._content,
            "n_images": len(self.labels),
            "layer": self.layer.fingerprint(),
        }

    def check(self, chip: Chip) -> None:
        """Staggered pulses have no closed form that layers could use."""
        if chip.pulse.alignment == "staggered":
            raise ConfigurationError(
                "accuracy of a sweep",
                expected="pulses that share an edge or their centre",
                got="'staggered'",
                advice="Leave it out, or measure the error of products.",
            )

    def read(self, chip: Chip) -> Mapping[str, float]:
        """The accuracy on one chip."""
        network = convert(
            self.network,
            chip.replace(readout=Readout()),
            configuration=layer_on(chip, self.layer),
            calibration_data=self.calibration,
        )
        return self.judged(network)

    def judged(self, network: nn.Module) -> Mapping[str, float]:
        """The accuracy of a network that takes the same images."""
        with torch.random.fork_rng(devices=[]):
            found = evaluate(
                network, self.inputs, self.labels, class_names=self.class_names, layers=False
            )
        return {name: float(found[name]) for name in ("accuracy", "standard_error")}


def digital_run(run_directory: PathLike) -> TrainedRun:
    """A finished run without a chip. Raises ConfigurationError for another one."""
    run = TrainedRun(run_directory)
    if run.configuration.mode not in (FLOAT, NOISE):
        raise ConfigurationError(
            f"run directory {run.directory.path}",
            expected="a digital network, trained by mode 'float' or 'noise'",
            got=f"mode {run.configuration.mode!r}",
            advice="Name the run that this one started from.",
        )
    return run


def layer_on(chip: Chip, layer: LayerConfiguration) -> LayerConfiguration:
    """The settings with the chip's readout bits, with its widest pulse where it is open."""
    changes: dict[str, Any] = {}
    if chip.readout.bits is not None:
        changes["readout_bits"] = chip.readout.bits
    if layer.window is None and chip.pulse.full_scale is None:
        changes["window"] = nominal_full_width(chip)
    return layer.replace(**changes) if changes else layer


def _in_turn(labels: Tensor) -> Tensor:
    """Order in which the first images are as evenly of all classes as can be."""
    rank = torch.empty_like(labels)
    for label in labels.unique():
        of_class = labels == label
        rank[of_class] = torch.arange(int(of_class.sum()))
    return torch.argsort(rank, stable=True)
