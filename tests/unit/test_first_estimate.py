"""The first estimate finds what was planted in charges made by hand to first order."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.errors import DataError

T = 40e-9
N, M = 6, 4
CURRENT = np.random.default_rng(3).uniform(1e-8, 8e-7, (N, M))
LAYOUT = am.Layout.mirrored_columns_and_row_pairs(N, M)
# (class, offset -1 or +1): four classes, both directions, both signs.
KAPPA = np.array([[0.12, 0.03], [0.02, 0.09], [-0.01, 0.05], [0.07, -0.04]])


def first_order_charge(high: np.ndarray) -> np.ndarray:
    """T sum_j I_j (1 + sum of the active neighbours' kappa): the model made linear, by loops."""
    charge = np.zeros(M)
    for j in np.flatnonzero(high):
        for i in range(M):
            gain = 0.0
            for place, offset in enumerate((-1, 1)):
                if 0 <= j + offset < N and high[j + offset]:
                    gain += KAPPA[LAYOUT.layout_class[j, i], place]
            charge[i] += T * CURRENT[j, i] * (1 + gain)
    return charge


def measurement(patterns: list[np.ndarray], **variables: object) -> xr.Dataset:
    high = np.array(patterns, dtype=float)
    return xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), high * T),
            "charge": (("pattern", "bit_line"), np.array([first_order_charge(h) for h in high])),
            "layout_class": (("word_line", "bit_line"), LAYOUT.layout_class),
            **variables,
        },
        coords={"word_line": np.arange(N), "bit_line": np.arange(M)},
        attrs={
            "chip": "planted",
            "source": "loops",
            "v_word_line": 2.0,
            "v_bit_line": 1.0,
            "temperature_celsius": 40.0,
            "alignment": "leading",
            "pulse_lsb": 1e-9,
        },
    )


def lines(*active: int) -> np.ndarray:
    return np.isin(np.arange(N), active)


SINGLES = [lines(j) for j in range(N)]
PAIRS = [lines(j, j + 1) for j in range(N - 1)]
LEAVE_ONE_OUT = [lines(*range(N))] + [~lines(j) for j in range(N)]


@pytest.mark.parametrize(
    "patterns",
    [SINGLES + PAIRS, SINGLES + LEAVE_ONE_OUT, SINGLES + PAIRS + LEAVE_ONE_OUT],
    ids=["pairs", "leave one out", "both"],
)
def test_planted_coupling_is_found(patterns: list[np.ndarray]) -> None:
    chip = am.starting_chip(measurement(patterns))
    assert isinstance(chip.coupling, am.CouplingByClass)
    assert chip.coupling.offsets == (-1, 1)
    np.testing.assert_allclose(chip.coupling.kappa, KAPPA, atol=1e-10)
    np.testing.assert_allclose(chip.cell_current, CURRENT, rtol=1e-12)
    np.testing.assert_array_equal(chip.layout.layout_class, LAYOUT.layout_class)


def test_what_the_file_says_of_the_chip_is_kept() -> None:
    segments = np.arange(N, 0, -1.0)
    data = measurement(SINGLES, segments_to_sense=("word_line", segments))
    chip = am.starting_chip(data)
    assert chip.name == "planted"
    assert (chip.v_word_line, chip.v_bit_line, chip.temperature_celsius) == (2.0, 1.0, 40.0)
    assert (chip.pulse.alignment, chip.pulse.lsb) == ("leading", 1e-9)
    assert chip.bit_line.segments_to_sense.tolist() == segments.tolist()
    assert "first estimate" in chip.source
    # Neither pairs nor leave-one-out patterns: no coupling is claimed.
    assert chip.coupling is None


def test_static_reads_go_before_pulsed_ones() -> None:
    reads = ("weight_set", "word_line", "bit_line")
    data = measurement(SINGLES, cell_current=(reads, np.stack([2 * CURRENT, 3 * CURRENT])))
    np.testing.assert_array_equal(am.starting_chip(data).cell_current, 2 * CURRENT)
    np.testing.assert_array_equal(am.starting_chip(data, weight_set=1).cell_current, 3 * CURRENT)


def test_a_file_without_layout_has_one_class() -> None:
    chip = am.starting_chip(measurement(SINGLES).drop_vars("layout_class"))
    assert chip.layout == am.Layout.uniform(N, M)


def test_a_missing_one_hot_read_is_named() -> None:
    with pytest.raises(DataError) as raised:
        am.starting_chip(measurement(SINGLES[:4] + SINGLES[5:]))
    assert "got none for word line 4" in str(raised.value)


def test_the_bundled_chip_is_explained_better_than_by_the_ideal_product() -> None:
    measurement = am.example_chip("reference")
    chip = am.starting_chip(measurement)
    chosen = measurement.isel(
        pattern=(measurement["split"].values == "test")
        & (measurement["weight_set_of_pattern"].values == 0)
    )
    measured, width = chosen["charge"], chosen["pulse_width"]
    ideal = am.signal_to_error_ratio(measured, am.ideal_charge(chip, width).values)
    estimated = am.signal_to_error_ratio(measured, am.simulate(chip, width).values)
    assert estimated > 1.5 * ideal
