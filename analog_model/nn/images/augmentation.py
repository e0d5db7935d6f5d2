"""Augmentation of training images: every batch sees them moved, perhaps mirrored."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, *, padding: int, mirror: bool, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `padding` pixels each way, mirrored with probability 1/2.

    A random crop of the image in a black frame `padding` wide, left-right `mirror`ed where
    that is asked for: padding 4 with mirroring is usual for CIFAR-10, 1 or 2 without for
    digits. Any type, (image, channel, row, column). The draws are `generator`'s, made on
    its device, so that a CPU generator gives the same batch wherever the images are.
    """
    count, _, rows, columns = images.shape
    span = 2 * padding + 1
    shift = torch.randint(span, (count, 2), generator=generator, device=generator.device)
    flip = torch.randint(2, (count, 1), generator=generator, device=generator.device)
    shift, flip = shift.to(images.device), flip.to(images.device)
    row = shift[:, :1] + torch.arange(rows, device=images.device)
    column = shift[:, 1:] + torch.arange(columns, device=images.device)
    if mirror:
        column = torch.where(flip == 1, column.flip(1), column)
    padded = functional.pad(images, (padding, padding, padding, padding))
    image = torch.arange(count, device=images.device)[:, None, None]
    # Indexed dimensions come first where a slice stands between them: channels go last.
    cropped = padded[image, :, row[:, :, None], column[:, None, :]]
    return cropped.permute(0, 3, 1, 2).contiguous()
