"""Trained network of a finished run, digital or on any chip."""

from __future__ import annotations

from torch import Tensor, nn

from analog_model.chip import Chip
from analog_model.dataset.io import PathLike
from analog_model.errors import ConfigurationError
from analog_model.nn.models import Network, find_network
from analog_model.nn.programmed import ProgrammedChip
from analog_model.nn.training.checkpoint import load_arrays, load_weights
from analog_model.nn.training.chip_family import NOMINAL, family_of
from analog_model.nn.training.modes import digital_network
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.shared_conversion import ChipSettings, converted, settings_of


def trained_network(run_directory: PathLike) -> nn.Module:
    """The network of a finished run as it was trained: digital, or on its chip.

    In evaluation mode. Raises DataError where there is no run, ConfigurationError for one
    that is not finished.
    """
    return TrainedRun(run_directory).network()


class TrainedRun:
    """A finished run, from its directory alone. Errors of `trained_network`."""

    def __init__(self, run_directory: PathLike) -> None:
        self.directory = RunDirectory(run_directory)
        self.configuration = self.directory.read_configuration()
        if not self.directory.record.exists():
            raise ConfigurationError(
                f"run directory {self.directory.path}",
                expected="a finished run",
                got="one that is not",
                advice="Resume it first.",
            )

    @property
    def chip(self) -> Chip | None:
        """The chip that it was trained for, if any."""
        return self.directory.read_chip()

    @property
    def specification(self) -> Network:
        """What the network is made for."""
        return find_network(self.configuration.network)

    @property
    def calibration(self) -> Tensor:
        """Inputs of training images, from which ranges are taken."""
        return load_arrays(self.directory.calibration)["inputs"]

    def settings(
        self,
        *,
        array_shape: tuple[int, int] | None = None,
        window: float | None = None,
        tolerance: float | None = None,
    ) -> ChipSettings:
        """How the run puts its network on a chip, changed where given; `window` [s]."""
        own = settings_of(self.configuration)
        changes = {"window": window, "tolerance": tolerance}
        layer = own.layer.replace(**{k: v for k, v in changes.items() if v is not None})
        return ChipSettings(array_shape or own.array_shape, layer, own.fold_batch_norm)

    def network(self) -> nn.Module:
        """The network as it was trained, in evaluation mode."""
        chip = self.chip
        if chip is None:
            weights = load_weights(self.directory.weights)
            return digital_network(self.configuration, weights).eval()
        return self.on_chip(family_of(self.configuration, chip).member(NOMINAL))

    def on_chip(
        self, programmed: ProgrammedChip, settings: ChipSettings | None = None
    ) -> nn.Module:
        """The network on that chip, in evaluation mode; `settings` None takes the run's.

        Ranges of a network that was trained on a chip are as trained, those of a digital one
        are taken from the calibration inputs.
        """
        settings = settings_of(self.configuration) if settings is None else settings
        weights = load_weights(self.directory.weights)
        on_chip = self.configuration.on_chip
        start = load_weights(self.directory.start) if on_chip else weights
        digital = digital_network(self.configuration, start)
        network = converted(digital, programmed, settings, self.calibration)
        if on_chip:
            network.load_state_dict(weights)
        return network.eval()
