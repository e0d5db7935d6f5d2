"""Measure of a network retrained on the chip for a few epochs: its accuracy afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from analog_model.chip import Chip, Readout
from analog_model.dataset.io import PathLike
from analog_model.errors import SimulationError
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.training.configuration import HARDWARE_AWARE, TrainingConfiguration
from analog_model.nn.training.recipes import recipe
from analog_model.nn.training.train import train
from analog_model.sweeps.accuracy import LAYER, STANDARD_ERROR, Accuracy, digital_run, layer_on
from analog_model.sweeps.reading import Quantity

_QUANTITIES = (
    Quantity("accuracy", "accuracy, retrained", "1"),
    STANDARD_ERROR,
    Quantity("undefended_accuracy", "accuracy, not retrained", "1"),
)


@dataclass(frozen=True, eq=False)
class RetrainedAccuracy:
    """Accuracy of a network after hardware-aware training from a digital one's weights.

    `configuration` of that training, on arrays of the chip's shape; `undefended` judges the
    network before, and by the same images after. Where Python hands out no signals, as on a
    cluster's threads, a training under way ends with its point.
    """

    configuration: TrainingConfiguration
    start: Mapping[str, Tensor]
    undefended: Accuracy
    data_dir: Path | None = None

    @classmethod
    def of_run(
        cls,
        run_directory: PathLike,
        *,
        epochs: int,
        seed: int = 0,
        n_images: int | None = None,
        layer: LayerConfiguration = LAYER,
        data_dir: PathLike | None = None,
    ) -> Self:
        """Start from a finished digital run, train by the recipe of its network.

        Errors of `Accuracy.of_run`.
        """
        run = digital_run(run_directory)
        configuration = recipe(
            run.configuration.network,
            mode=HARDWARE_AWARE,
            images=run.configuration.images,
            retrained=True,
            changes={"epochs": epochs, "seed": seed, "threads": 1, "layer": layer},
        )
        return cls(
            configuration=configuration,
            start=run.network().state_dict(),
            undefended=Accuracy.of_run(
                run_directory, n_images=n_images, layer=layer, data_dir=data_dir
            ),
            data_dir=None if data_dir is None else Path(data_dir),
        )

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The accuracy with its standard error, beside that before retraining."""
        return _QUANTITIES

    def identity(self) -> dict[str, Any]:
        """The training beside what `Accuracy` states."""
        return {
            "measure": "retrained_accuracy",
            "training": self.configuration.fingerprint(),
            "epochs": self.configuration.epochs,
            "undefended": self.undefended.identity(),
        }

    def check(self, chip: Chip) -> None:
        """As for the network that is not retrained."""
        self.undefended.check(chip)

    def read(self, chip: Chip) -> Mapping[str, float]:
        """The accuracies on one chip; the run's files are gone afterwards."""
        before = self.undefended.read(chip)
        layer = layer_on(chip, self.configuration.layer)
        with tempfile.TemporaryDirectory(prefix="analog-model-sweep-") as folder:
            result = train(
                self.configuration.replace(layer=layer),
                run_directory=Path(folder) / "run",
                start=self.start,
                chip=chip.replace(readout=Readout()),
                data_dir=self.data_dir,
            )
        if result.record is None:
            raise SimulationError(
                "retraining of a sweep's point",
                expected=f"{self.configuration.epochs} epochs",
                got=f"a stop after {result.step} steps",
                advice="Run the sweep again: finished points are kept.",
            )
        after = self.undefended.judged(result.network.eval())
        return {**after, "undefended_accuracy": before["accuracy"]}
