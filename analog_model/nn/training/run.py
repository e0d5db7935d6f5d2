"""Run of training: its directory, with what that describes in working order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from analog_model.chip import Chip
from analog_model.dataset.io import PathLike
from analog_model.errors import ConfigurationError
from analog_model.nn.images.image_set import Images
from analog_model.nn.models import find_network
from analog_model.nn.training.checkpoint import load_arrays, load_weights, save_arrays
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.data_module import ImageData
from analog_model.nn.training.distillation import Teacher
from analog_model.nn.training.modes import Preparation, digital_network, prepare
from analog_model.nn.training.process_rank import is_first_process
from analog_model.nn.training.run_directory import RunDirectory
from analog_model.nn.training.trainee import Trainee


@dataclass(frozen=True)
class Run:
    """A run, its trainee as it was when the run began; its teacher, if it has one."""

    directory: RunDirectory
    configuration: TrainingConfiguration
    images: Images
    trainee: Trainee
    teacher: Teacher | None = None


def create_run(
    directory: RunDirectory,
    configuration: TrainingConfiguration,
    start: PathLike | Mapping[str, Tensor] | None,
    chip: Chip | None,
) -> None:
    """Make the directory of a new run, with all that the run is. Arguments of `train`."""
    for name, given in (("chip", chip), ("start", start)):
        if configuration.on_chip and given is None:
            raise ConfigurationError(
                f"train.{name}",
                expected=f"one, as mode {configuration.mode!r} retrains a network on a chip",
                got="none",
            )
    if chip is not None and not configuration.on_chip:
        raise ConfigurationError(
            "train.chip",
            expected=f"none, as mode {configuration.mode!r} trains on no chip",
            got=repr(chip.name),
            advice="Set mode to 'hardware_aware' or 'straight_through'.",
        )
    if configuration.distillation and start is None:
        raise ConfigurationError(
            "train.start",
            expected="one, whose scores are the distillation's targets",
            got="none",
            advice="Name a trained network, or set distillation to 0.",
        )
    if start is not None and not isinstance(start, Mapping):
        start = _weights_of_run(RunDirectory(start), configuration)
    network = digital_network(configuration, None if start is None else dict(start))
    directory.create(configuration, chip)
    save_arrays(network.state_dict(), directory.start)


def open_run(directory: RunDirectory, configuration: TrainingConfiguration, images: Images) -> Run:
    """The run that the directory describes, on its images."""
    if not directory.calibration.exists() and is_first_process():
        data = ImageData(
            images, network=find_network(configuration.network), configuration=configuration
        )
        inputs = data.calibration_inputs(configuration.n_calibration_images)
        save_arrays({"inputs": inputs}, directory.calibration)
    trainee = prepare(preparation_of(directory, configuration))
    teacher = None
    if configuration.distillation:
        teacher = Teacher(digital_network(configuration, load_weights(directory.start)))
    return Run(directory, configuration, images, trainee, teacher)


def preparation_of(directory: RunDirectory, configuration: TrainingConfiguration) -> Preparation:
    """What the run's mode started from."""
    digital = digital_network(configuration, load_weights(directory.start))
    calibration = load_arrays(directory.calibration)["inputs"]
    return Preparation(configuration, digital, directory.read_chip(), calibration)


def _weights_of_run(
    directory: RunDirectory, configuration: TrainingConfiguration
) -> dict[str, Tensor]:
    begun = directory.read_configuration()
    if begun.network != configuration.network or begun.on_chip:
        raise ConfigurationError(
            f"start {directory.path}",
            expected=f"a run of mode 'float' or 'noise' of the network {configuration.network!r}",
            got=f"one of mode {begun.mode!r} of {begun.network!r}",
        )
    if not directory.record.exists():
        raise ConfigurationError(
            f"start {directory.path}",
            expected="a finished run",
            got="one that is not",
            advice="Resume it first.",
        )
    return load_weights(directory.weights)
