"""Random numbers of a run: each from the run's seed with the place where it is drawn.

Nothing is carried from one batch to the next, so that a run goes on from any batch as if it
had never stopped.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(seed: int, *place: str | int) -> int:
    """Seed for a place, such as "order", epoch."""
    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    # torch's CPU generator keeps 32 bits of its seed.
    return int.from_bytes(digest[:4], "little")


def generator_of(seed: int, *place: str | int) -> torch.Generator:
    """CPU generator for a place."""
    return torch.Generator().manual_seed(seed_of(seed, *place))


def seed_torch(seed: int) -> None:
    """Seed torch's own generators.

    `torch.manual_seed` takes a millisecond longer where there is no accelerator: it notes, with
    a traceback, to seed those that may come.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
