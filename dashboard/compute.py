"""Numbers that the views show, computed by the library.

Every function is pure: what it returns depends on its arguments only. Results are cached
by the identity of chip and measurement, because hashing a large chip costs as much as
simulating it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import xarray as xr

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import AnyCoupling, Chip, CouplingByCell, CouplingMap, Layout

Result = TypeVar("Result")

# One heatmap never shows more than this many cells a side: 256 x 256 floats are 256 KiB.
MAX_SIDE = 256


class IdentityCache:
    """The last results, by the identity of some objects plus plain keys.

    Entries hold their objects, so an address cannot be reused while its entry lives.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Hashable, tuple[tuple[Any, ...], Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, objects: tuple[Any, ...], key: Hashable, make: Callable[[], Result]) -> Result:
        """The cached result, or what `make` returns."""
        address = (tuple(map(id, objects)), key)
        with self._lock:
            if address in self._entries:
                self._entries.move_to_end(address)
                result: Result = self._entries[address][1]
                return result
        result = make()
        with self._lock:
            self._entries[address] = (objects, result)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)
        return result


_cache = IdentityCache(48)


def _bytes(values: np.ndarray) -> tuple[bytes, str]:
    array = np.ascontiguousarray(values)
    return array.tobytes(), array.dtype.str


def current_shift(chip: Chip, activation_pattern: np.ndarray) -> xr.Dataset:
    """Relative current shift of every cell under an activation pattern (word_line,)."""
    active = np.asarray(activation_pattern, dtype=bool)
    return _cache.get(
        (chip,), ("current_shift", _bytes(active)), lambda: am.current_shift(chip, active)
    )


def time_slots(chip: Chip, pulse_width: np.ndarray) -> xr.Dataset:
    """Slots of one operation: start, duration, activation pattern; pulses per word line."""
    width = np.asarray(pulse_width, dtype=float)
    return _cache.get(
        (chip.pulse,),
        ("time_slots", _bytes(width)),
        lambda: am.slot_timeline(_lines_of(chip), width),
    )


def _lines_of(chip: Chip) -> Chip:
    """The chip's word lines with one empty cell each: all that cutting the slots looks at."""
    return Chip(
        name=chip.name,
        cell_current=np.zeros((chip.n_word_lines, 1)),
        layout=Layout.uniform(chip.n_word_lines, 1),
        pulse=chip.pulse,
    )


def slot_currents(chip: Chip, pulse_width: np.ndarray, bit_line: int) -> xr.Dataset:
    """Cell current and drop of one bit line in every slot; `bit_line` has size 1."""
    width = np.asarray(pulse_width, dtype=float)
    return _cache.get(
        (chip,),
        ("slot_currents", bit_line, _bytes(width)),
        lambda: am.slot_currents(single_bit_line(chip, bit_line), width).assign_coords(
            {v.BIT_LINE: [bit_line]}
        ),
    )


def single_bit_line(chip: Chip, bit_line: int) -> Chip:
    """The chip cut down to one bit line: bit lines do not see each other."""
    column = slice(bit_line, bit_line + 1)
    coupling: AnyCoupling | None = chip.coupling
    if isinstance(coupling, CouplingByCell | CouplingMap):
        coupling = coupling.replace(kappa=coupling.kappa[..., column])
    return chip.replace(
        cell_current=chip.cell_current[:, column],
        layout=chip.layout.replace(layout_class=chip.layout.layout_class[:, column]),
        coupling=coupling,
    )


def ideal_charge(chip: Chip, pulse_width: np.ndarray) -> np.ndarray:
    """Charge (pattern, bit_line) [C] of the ideal vector-matrix multiplier."""
    return np.asarray(am.ideal_charge(chip, pulse_width))


def reduce_blocks(values: np.ndarray, limit: int = MAX_SIDE) -> np.ndarray:
    """At most `limit` x `limit` values: the one of largest magnitude of every block.

    A mean would hide single hot cells. Sign is kept; of equal magnitudes the positive one
    stays. An array that fits comes back as it is.
    """
    rows, columns = (-(-size // limit) for size in values.shape)
    if rows == columns == 1:
        return values
    pad = [(0, -values.shape[0] % rows), (0, -values.shape[1] % columns)]
    padded = np.pad(values, pad, mode="edge") if any(after for _, after in pad) else values
    highest, lowest = (_of_blocks(pick, padded, rows, columns) for pick in (np.maximum, np.minimum))
    return np.where(highest >= -lowest, highest, lowest)


def _of_blocks(pick: np.ufunc, values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    # One axis at a time along whole lines of memory is forty times faster than both at once.
    strips = pick.reduce(values.reshape(-1, rows, values.shape[1]), axis=1)
    reduced: np.ndarray = reduce(pick, (strips[:, k::columns] for k in range(columns)))
    return reduced
