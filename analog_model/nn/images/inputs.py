"""Input of a network, made from images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from analog_model.errors import ConfigurationError

BRIGHTEST = 255.0


def network_input(images: Tensor, *, size: int, margin: int = 0) -> Tensor:
    """Images (image, channel, row, column) of uint8 as float32 in [0, 1], `size` pixels wide.

    Inputs become pulse widths, hence no mean is subtracted. A smaller size is the area
    average: each output pixel is the plain mean of one block, exact since blocks tile the
    image: 2 x 2 pixels for 28 -> 14, 7 x 7 for 28 -> 4. A `margin` in pixels is cut off each
    side first: digits of MNIST are drawn 20 pixels wide in a frame of 4, without which the
    blocks for 4 x 4 are 5 x 5 pixels, none of them nearly always dark.

    Raises ConfigurationError where the blocks do not tile what is left of the image.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise ConfigurationError(
            "network_input",
            expected="uint8 images (image, channel, row, column)",
            got=f"{images.dtype} of shape {tuple(images.shape)}",
        )
    rows, columns = (int(length) - 2 * margin for length in images.shape[2:])
    if margin < 0 or size < 1 or rows != columns or rows < size or rows % size:
        raise ConfigurationError(
            "network_input: size",
            expected=f"a divisor of the width of square images, here {rows} x {columns} within "
            f"a margin of {margin}",
            got=str(size),
        )
    inner = images[:, :, margin : margin + rows, margin : margin + columns]
    scaled = inner.to(torch.float32) / BRIGHTEST
    return scaled if rows == size else functional.avg_pool2d(scaled, rows // size)
