"""Directory of a run: its files, by name."""

from __future__ import annotations

from pathlib import Path

import yaml

from analog_model.chip import Chip
from analog_model.dataset.io import PathLike, read_bytes, save_text
from analog_model.errors import ConfigurationError, DataError
from analog_model.nn.training.configuration import TrainingConfiguration


class RunDirectory:
    """Files of one run.

    `configuration`, `chip` where one takes part, `start`: the digital network's weights;
    `calibration`: inputs from which ranges of analog layers are taken. While it runs
    `checkpoint`, `journal`, `best`: weights of the best epoch, where one decides. When it
    is finished `weights`, `record`.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.configuration = self.path / "configuration.yaml"
        self.chip = self.path / "chip.yaml"
        self.start = self.path / "start.npz"
        self.calibration = self.path / "calibration.npz"
        self.checkpoint = self.path / "checkpoint.npz"
        self.best = self.path / "best.npz"
        self.journal = self.path / "metrics.jsonl"
        self.weights = self.path / "network.npz"
        self.record = self.path / "record.nc"
        self.lock = self.path / "run.lock"

    def create(self, configuration: TrainingConfiguration, chip: Chip | None) -> None:
        """Make the directory with what the run is. Raises ConfigurationError if it exists."""
        try:
            self.path.mkdir(parents=True)
        except FileExistsError:
            raise ConfigurationError(
                f"run directory {self.path}",
                expected="a name that is not taken",
                got="a run" if self.configuration.exists() else "a file or folder of that name",
                advice="Resume the run, or choose another name.",
            ) from None
        if chip is not None:
            save_text(chip.to_yaml(), self.chip)
        text = yaml.safe_dump(configuration.model_dump(mode="json"), sort_keys=False)
        save_text(text, self.configuration)

    def read_configuration(self) -> TrainingConfiguration:
        """What the run is. Raises DataError where there is no run."""
        if not self.configuration.is_file():
            raise DataError(
                str(self.path),
                expected="the directory of a training run",
                got="no configuration.yaml in it" if self.path.is_dir() else "no such directory",
            )
        try:
            values = yaml.safe_load(read_bytes(self.configuration))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise DataError(str(self.configuration), expected="valid YAML", got=reason) from None
        return TrainingConfiguration.model_validate(values)

    def read_chip(self) -> Chip | None:
        """The chip that takes part, if any does."""
        if not self.chip.exists():
            return None
        return Chip.from_yaml(read_bytes(self.chip).decode("utf-8"))
