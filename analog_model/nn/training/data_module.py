"""Data of a run, as Lightning asks for them."""

from __future__ import annotations

from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from analog_model.nn.images.image_set import Images
from analog_model.nn.images.inputs import network_input
from analog_model.nn.models import Network
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.image_stream import EpochBatches, ImageStream

EVALUATION_BATCH = 250
# An order of the images that no epoch has.
CALIBRATION = -1


class ImageData(LightningDataModule):
    """Training batches from the step `first_step` on; images that judge each epoch.

    Those are held out of the training part where the configuration says so, else they are
    the test part. `evaluated_on` names them.
    """

    def __init__(
        self,
        images: Images,
        *,
        network: Network,
        configuration: TrainingConfiguration,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self._network, self._first_step = network, first_step
        per_class = configuration.validation_per_class
        self.evaluated_on = "validation" if per_class else "test"
        judged = images.with_validation(per_class=per_class) if per_class else images
        self._judged = judged
        self.stream = ImageStream(
            judged.train_images,
            judged.train_labels,
            network=network,
            configuration=configuration,
        )

    def calibration_inputs(self, count: int) -> Tensor:
        """Inputs of `count` training images, the same in every run with the seed."""
        chosen = self.stream.order(CALIBRATION)[:count]
        return network_input(
            self._judged.train_images[chosen],
            size=self._network.image_size,
            margin=self._network.margin,
        )

    def train_dataloader(self) -> EpochBatches:
        """What is left of the epoch that begins."""
        done = self._first_step // self.stream.n_batches
        trainer = self.trainer
        assert trainer is not None
        first = self._first_step % self.stream.n_batches if trainer.current_epoch == 0 else 0
        return self.stream.epoch(
            done + trainer.current_epoch,
            first=first,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Images that judge the epoch, shared among the processes."""
        trainer = self.trainer
        assert trainer is not None
        mine = slice(trainer.global_rank, None, trainer.world_size)
        inputs = network_input(
            self._judged.test_images[mine],
            size=self._network.image_size,
            margin=self._network.margin,
        )
        held = TensorDataset(inputs, self._judged.test_labels[mine])
        return DataLoader(held, batch_size=EVALUATION_BATCH)
