"""Accelerator on which a network is judged, where the machine has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def on_accelerator(network: nn.Module) -> Iterator[None]:
    """Within, the network is on the machine's accelerator; afterwards on the CPU."""
    if torch.cuda.is_available():
        network.to("cuda")
    try:
        yield
    finally:
        network.to("cpu")
