"""Configuration of one training run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from analog_model.chip.base import Frozen
from analog_model.errors import ConfigurationError, nearest_name
from analog_model.nn.configuration import LayerConfiguration
from analog_model.nn.effects import Effects
from analog_model.nn.images.loading import IMAGE_SETS
from analog_model.nn.models import find_network
from analog_model.nn.training.chip_variation import ChipVariation

FLOAT, NOISE = "float", "noise"
HARDWARE_AWARE, STRAIGHT_THROUGH = "hardware_aware", "straight_through"
MODES = (FLOAT, NOISE, HARDWARE_AWARE, STRAIGHT_THROUGH)
ON_CHIP = (HARDWARE_AWARE, STRAIGHT_THROUGH)

Mode = Literal["float", "noise", "hardware_aware", "straight_through"]


class TrainingConfiguration(Frozen):
    """Everything that decides what a run does, beside chip and starting weights.

    - `mode`: "float", plain; "noise", Gaussian noise of `weight_noise` times a layer's largest
      weight on the weights in every step; "hardware_aware", the network on the chip with
      exact gradients; "straight_through", its outputs with the digital network's gradients.
    - `learning_rate` is the peak of a one-cycle schedule over all epochs; "sgd" has Nesterov
      momentum `momentum`.
    - `epoch_batches`: batches that make an epoch, each epoch's drawn anew, where a whole pass
      over the images is too long; None takes as many as the images fill.
    - `padding` [pixels], `mirror`: augmentation, see `images.augmentation`.
    - `validation_per_class`: images of each class held out of the training part, by which
      every epoch is judged. With 0 the test part judges, and decides nothing: `patience`,
      the epochs without progress after which a run stops early, needs a held-out part. The
      weights of the best epoch are then kept.
    - `distillation`: share of the loss that is distance to the scores of the starting network,
      see `distillation.teacher_loss`; the rest is cross entropy with the labels.
    - `array_shape`, `layer`, `effects`, `fold_batch_norm`: as `convert` takes them, with
      `n_calibration_images` of the training part. `variation`: train on many chips.
    - `precision` "bf16-mixed": products of training in bfloat16; evaluation is in float32.
    - `threads` of torch in each of `processes`, which share every batch; None leaves them.
    - `checkpoint_interval` [s]: between checkpoints within an epoch; each ends with one.
    """

    network: str
    images: str
    mode: Mode = "float"
    epochs: int = Field(ge=1)
    batch_size: int = Field(default=128, ge=1)
    epoch_batches: int | None = Field(default=None, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.9, gt=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    padding: int = Field(default=0, ge=0)
    mirror: bool = False
    seed: int = Field(default=0, ge=0)
    validation_per_class: int = Field(default=0, ge=0)
    patience: int | None = Field(default=None, ge=1)
    weight_noise: float | None = Field(default=None, gt=0)
    distillation: float = Field(default=0.0, ge=0, le=1)
    array_shape: tuple[int, int] | None = None
    layer: LayerConfiguration = Field(default_factory=LayerConfiguration)
    effects: Effects | None = None
    fold_batch_norm: bool = True
    n_calibration_images: int = Field(default=256, ge=1)
    variation: ChipVariation | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    channels_last: bool = False
    compiled: bool = False
    threads: int | None = Field(default=None, ge=1)
    processes: int = Field(default=1, ge=1)
    checkpoint_interval: float = Field(default=60.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        find_network(self.network)
        if self.images not in IMAGE_SETS:
            raise ConfigurationError(
                "TrainingConfiguration.images",
                expected=f"one of {', '.join(IMAGE_SETS)}",
                got=repr(self.images),
                advice=nearest_name(self.images, IMAGE_SETS),
            )
        if self.patience is not None and not self.validation_per_class:
            raise ConfigurationError(
                "TrainingConfiguration.patience",
                expected="images held out by validation_per_class, to decide when to stop",
                got="none, and the test part decides nothing",
            )
        if (self.mode == NOISE) != (self.weight_noise is not None):
            raise ConfigurationError(
                "TrainingConfiguration.weight_noise",
                expected="a number with mode 'noise', none otherwise",
                got=f"{self.weight_noise} with mode {self.mode!r}",
            )
        if self.mode not in ON_CHIP:
            self._check_off_chip()
        if self.batch_size % self.processes:
            raise ConfigurationError(
                "TrainingConfiguration.batch_size",
                expected=f"a multiple of the {self.processes} processes that share a batch",
                got=str(self.batch_size),
            )
        return self

    @property
    def on_chip(self) -> bool:
        """Whether the chip takes part in training."""
        return self.mode in ON_CHIP

    def _check_off_chip(self) -> None:
        given = {
            "effects": self.effects,
            "variation": self.variation,
            "array_shape": self.array_shape,
        }
        for name, value in given.items():
            if value is not None:
                raise ConfigurationError(
                    f"TrainingConfiguration.{name}",
                    expected=f"none with mode {self.mode!r}, which trains on no chip",
                    got=" ".join(str(value).split()),
                    advice="Set mode to 'hardware_aware' or 'straight_through'.",
                )
