"""Fields of the devices of one layer: what manufacture left different from cell to cell."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from torch import Tensor, nn

BUFFER_PREFIX = "device_"


@dataclass(frozen=True)
class DeviceFields:
    """One layer's cells on one chip; None where an effect is off.

    Shape (2, out, ...) as the layer's currents, plus line before minus line:

    - `programming_offset`, in units of the full-scale current, `programming_gain`: the miss
      of every write;
    - `stuck_off`, `stuck_on`: boolean;
    - `drift_exponent`.

    `kappa_deviation` (K, 2, out, ...) is relative, for the K neighbours in the coupling's
    order. `specific_current` () is I_S at the reference temperature in units of the
    full-scale current, None for the weak-inversion limit.
    """

    programming_offset: Tensor | None = None
    programming_gain: Tensor | None = None
    stuck_off: Tensor | None = None
    stuck_on: Tensor | None = None
    drift_exponent: Tensor | None = None
    kappa_deviation: Tensor | None = None
    specific_current: Tensor | None = None

    def register(self, module: nn.Module) -> None:
        """Make the fields buffers of `module` that its state_dict leaves out.

        They follow from chip, effects and seed. Registering again replaces them.
        """
        for name in _NAMES:
            module.register_buffer(BUFFER_PREFIX + name, getattr(self, name), persistent=False)

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """The fields registered on `module`, on its device and in its dtype."""
        return cls(**{name: getattr(module, BUFFER_PREFIX + name) for name in _NAMES})


# torch.compile cannot trace `dataclasses.fields` of a class.
_NAMES = tuple(field.name for field in fields(DeviceFields))


def field_generator(seed: int, layer: str, field: str) -> np.random.Generator:
    """Random numbers that belong to one field of one layer of one chip.

    Keyed by a hash, so that they do not depend on which layer asks first. NumPy's Philox
    takes a key of 128 bits; torch's CPU generator keeps only 32 bits of its seed.
    """
    digest = hashlib.sha256(repr((seed, layer, field)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def derived_seed(seed: int, step: int) -> int:
    """Seed of the chip number `step` of the family that `seed` names."""
    digest = hashlib.sha256(repr((seed, "step", step)).encode()).digest()
    return int.from_bytes(digest[:8], "little")
