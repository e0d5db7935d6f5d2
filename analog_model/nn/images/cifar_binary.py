"""The binary format of CIFAR-10.

A file is a row of records of 3073 bytes: the label, then 1024 bytes each of red, green,
blue, row by row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from analog_model.errors import DataError

IMAGE_SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32
N_CLASSES = 10


def decode_cifar(content: bytes, *, source: str) -> tuple[Tensor, Tensor]:
    """Images, uint8 (image, channel, row, column), with labels, int64 (image).

    Raises DataError, naming `source`, for a torn record or an impossible label.
    """
    if not content or len(content) % RECORD_BYTES:
        raise DataError(
            source,
            expected=f"whole records of {RECORD_BYTES} bytes",
            got=f"{len(content)} bytes",
        )
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).reshape(-1, RECORD_BYTES)
    labels = records[:, 0].to(torch.int64)
    if int(labels.max()) >= N_CLASSES:
        wrong = int((labels >= N_CLASSES).nonzero()[0])
        raise DataError(
            f"label of image {wrong} in {source}",
            expected=f"0 to {N_CLASSES - 1}",
            got=str(int(labels[wrong])),
        )
    return records[:, 1:].reshape(-1, *IMAGE_SHAPE), labels
