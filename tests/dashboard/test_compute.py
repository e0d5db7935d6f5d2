"""Numbers for the views: block maxima that hide nothing, caches that keep nothing alive."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import analog_model as am
from dashboard import compute
from dashboard.compute import IdentityCache, reduce_blocks

signed = hnp.arrays(
    float,
    st.tuples(st.integers(1, 23), st.integers(1, 23)),
    elements=st.floats(-1e3, 1e3, allow_nan=False),
)


@given(signed, st.integers(1, 9))
def test_the_extreme_of_every_block_survives(values: np.ndarray, limit: int) -> None:
    small = reduce_blocks(values, limit)
    assert max(small.shape) <= limit
    rows, columns = (-(-size // limit) for size in values.shape)
    for (j, i), kept in np.ndenumerate(small):
        block = values[j * rows : (j + 1) * rows, i * columns : (i + 1) * columns]
        assert abs(kept) == np.abs(block).max()
        assert kept in block


def test_a_single_hot_cell_is_seen() -> None:
    values = np.zeros((1024, 1024))
    values[700, 3] = -1.0
    small = reduce_blocks(values)
    assert small.shape == (256, 256)
    assert small[175, 0] == -1.0
    assert np.count_nonzero(small) == 1


def test_an_array_that_fits_is_not_touched() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert reduce_blocks(values) is values


def test_cache_returns_the_same_result_until_it_is_full() -> None:
    cache = IdentityCache(2)
    keys = [object() for _ in range(3)]
    made: list[int] = []

    def get(k: int) -> int:
        return cache.get((keys[k],), "what", lambda: made.append(k) or k)

    assert [get(0), get(1), get(0), get(2), get(1)] == [0, 1, 0, 2, 1]
    assert made == [0, 1, 2, 1]


def test_cache_lets_go_of_what_it_dropped() -> None:
    class Thing:
        pass

    cache = IdentityCache(1)
    thing = Thing()
    gone = weakref.ref(thing)
    cache.get((thing,), "what", lambda: 1)
    cache.get((Thing(),), "what", lambda: 2)
    del thing
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("bit_line", [0, 2])
def test_one_bit_line_is_that_of_the_whole_array(bit_line: int) -> None:
    chip = am.synthetic_chip(5, 3, seed=1)
    width = np.array([1, 4, 0, 2, 3]) * 40e-9
    one = compute.slot_currents(chip, width, bit_line)["cell_current"]
    every = am.slot_currents(chip, width)["cell_current"]
    np.testing.assert_allclose(one.values[..., 0], every.values[..., bit_line])


def test_time_slots_are_those_of_the_whole_chip() -> None:
    chip = am.synthetic_chip(4, 3)
    chip = chip.replace(pulse=chip.pulse.replace(alignment="trailing", dead_time=2e-9))
    width = np.array([1, 4, 0, 2]) * 40e-9
    assert compute.time_slots(chip, width).identical(am.slot_timeline(chip, width))
