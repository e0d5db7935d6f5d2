"""Images of a data set: a training part beside a test part, as tensors.

Images are uint8 (image, channel, row, column), labels int64 (image), both on the CPU, as
published: scaling, averaging, augmentation come later and are other modules' matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from analog_model.errors import ConfigurationError, DataError


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images, split for training against testing.

    Label k stands for `class_names[k]`. `source` says where the content is from, without
    naming this machine. Raises DataError unless shapes, types, labels agree.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    name: str
    source: str

    def __post_init__(self) -> None:
        self._check_part("train", self.train_images, self.train_labels)
        self._check_part("test", self.test_images, self.test_labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"test images of {self.name}",
                expected=f"the training images' shape {tuple(self.train_images.shape[1:])}",
                got=str(tuple(self.test_images.shape[1:])),
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over shapes, pixels, labels, class names, in hex."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for part in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(repr(tuple(part.shape)).encode())
            digest.update(part.contiguous().numpy().data)
        return digest.hexdigest()

    def with_validation(self, *, per_class: int) -> Self:
        """The training part alone, its last `per_class` images of each class as the test part.

        For decisions during training, early stopping say, which must not see the test part.
        """
        held_out = last_of_each_class(self.train_labels, count=per_class)
        return replace(
            self,
            train_images=self.train_images[~held_out],
            train_labels=self.train_labels[~held_out],
            test_images=self.train_images[held_out],
            test_labels=self.train_labels[held_out],
            source=f"{self.source}; training part, last {per_class} of each class held out",
        )

    def _check_part(self, part: str, images: Tensor, labels: Tensor) -> None:
        where = f"{part} images of {self.name}"
        if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
            raise DataError(
                where,
                expected="uint8 of shape (image, channel, row, column), at least one",
                got=f"{images.dtype} of shape {tuple(images.shape)}",
            )
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"labels of the {where}",
                expected=f"{len(images)} of int64, one for each image",
                got=f"{labels.dtype} of shape {tuple(labels.shape)}",
            )
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest >= len(self.class_names):
            raise DataError(
                f"labels of the {where}",
                expected=f"0 to {len(self.class_names) - 1}, one for each class name",
                got=f"{lowest} to {highest}",
            )


def last_of_each_class(labels: Tensor, *, count: int) -> Tensor:
    """True for the last `count` of each label that occurs.

    Raises ConfigurationError where a class would keep nothing, or give nothing.
    """
    chosen = torch.zeros_like(labels, dtype=torch.bool)
    for label, total in zip(*labels.unique(return_counts=True), strict=True):
        if not 0 < count < int(total):
            raise ConfigurationError(
                f"images held out of class {int(label)}",
                expected=f"1 to {int(total) - 1}, as the class has {int(total)}",
                got=str(count),
            )
        chosen[(labels == label).nonzero()[-count:]] = True
    return chosen
