"""Lightning's view of a run: one step of training, one of evaluation, the optimizer."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from analog_model.nn.training.checkpoint import Checkpoint
from analog_model.nn.training.configuration import TrainingConfiguration
from analog_model.nn.training.distillation import Teacher, teacher_loss
from analog_model.nn.training.image_stream import Batch
from analog_model.nn.training.randomness import seed_of, seed_torch
from analog_model.nn.training.trainee import Trainee


class Task(LightningModule):
    """Cross entropy, minimised by a trainee; its network is judged in float32.

    With a `teacher` the share `distillation` of what is minimised is the distance to it.
    `checkpoint` is where the run goes on from; its weights are in the network already.
    """

    def __init__(
        self,
        trainee: Trainee,
        *,
        configuration: TrainingConfiguration,
        n_steps: int,
        checkpoint: Checkpoint | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.trainee = trainee
        self._configuration, self._n_steps = configuration, n_steps
        self._checkpoint, self._teacher = checkpoint, teacher
        self._sums = torch.zeros(3)

    def training_step(self, batch: Batch, _index: int) -> dict[str, Tensor | float]:
        """Loss, number of images that got their own class, learning rate."""
        images = self._arranged(batch.images)
        # Noise of the layers comes from torch's own generator.
        seed_torch(seed_of(self._configuration.seed, "noise", int(batch.step), self.global_rank))
        scores = self.trainee(images, int(batch.step)).float()
        loss = functional.cross_entropy(scores, batch.labels)
        if self._teacher is not None:
            share = self._configuration.distillation
            loss = torch.lerp(loss, teacher_loss(scores, self._teacher.scores(images)), share)
        correct = (scores.detach().argmax(1) == batch.labels).sum()
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        return {"loss": loss, "correct": correct, "learning_rate": rate}

    def on_validation_epoch_start(self) -> None:
        """Forget the previous evaluation."""
        self._sums = torch.zeros(3, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Count what the network gets right, without autocast."""
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            scores = self.trainee.network(self._arranged(images))
        loss = functional.cross_entropy(scores, labels, reduction="sum")
        correct = (scores.argmax(1) == labels).sum()
        self._sums += torch.stack(
            [loss.double(), correct.double(), correct.new_tensor(len(labels))]
        )

    def evaluated(self) -> tuple[float, float]:
        """Loss per image, accuracy of the last evaluation over all processes."""
        gathered = self.all_gather(self._sums)
        assert isinstance(gathered, Tensor)
        sums = gathered.reshape(-1, 3).sum(0)
        return float(sums[0] / sums[2]), float(sums[1] / sums[2])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Optimizer with its one-cycle schedule, both as the checkpoint left them."""
        optimizer = self._optimizer()
        schedule = OneCycleLR(
            optimizer, self._configuration.learning_rate, total_steps=self._n_steps
        )
        if self._checkpoint is not None:
            optimizer.load_state_dict(self._checkpoint.optimizer)
            schedule.load_state_dict(self._checkpoint.schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _optimizer(self) -> Optimizer:
        one = self._configuration
        parameters = self.trainee.network.parameters()
        if one.optimizer == "sgd":
            return SGD(
                parameters,
                lr=one.learning_rate,
                momentum=one.momentum,
                nesterov=True,
                weight_decay=one.weight_decay,
            )
        return AdamW(parameters, lr=one.learning_rate, weight_decay=one.weight_decay)

    def _arranged(self, images: Tensor) -> Tensor:
        if not self._configuration.channels_last:
            return images
        return images.contiguous(memory_format=torch.channels_last)
