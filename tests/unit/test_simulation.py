"""The labelled face of the simulator: kinds, labels, errors; slot data for one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import analog_model as am
from analog_model.errors import SimulationError

NS = 1e-9
CURRENT = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) * 1e-7


def chip(**parts: Any) -> am.Chip:
    parts.setdefault(
        "coupling", am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.0], [0.0, 0.2]])
    )
    return am.Chip(
        name="3x2", cell_current=CURRENT, layout=am.Layout.mirrored_columns(3, 2), **parts
    )


def labelled() -> xr.DataArray:
    return xr.DataArray(
        np.arange(12.0).reshape(2, 3, 2) * NS,
        dims=["pattern", "word_line", "repeat"],
        coords={
            "pattern": ["a", "b"],
            "split": ("pattern", ["calibration", "test"]),
            "word_line": [10, 11, 12],
            "operator": "me",
        },
        name="pulse_width",
    )


@pytest.mark.parametrize("method", ["slots", "reference", "closed_form"])
def test_labels_in_labels_out(method: str) -> None:
    width = labelled()
    charge = am.simulate(chip(), width, method=method)
    assert charge.dims == ("pattern", "repeat", "bit_line")
    assert charge.name == "charge"
    assert charge.attrs["units"] == "C"
    assert charge.attrs["chip"] == "3x2"
    assert charge.attrs["method"] == method
    assert charge["pattern"].values.tolist() == ["a", "b"]
    assert charge["split"].values.tolist() == ["calibration", "test"]
    assert charge["operator"].item() == "me"
    assert "word_line" not in charge.coords
    plain = am.simulate(chip(), width.values.transpose(0, 2, 1), method=method)
    np.testing.assert_array_equal(charge.values, plain)


def test_the_order_of_dimensions_does_not_matter() -> None:
    width, start = labelled(), labelled() * 2
    expected = am.simulate(chip(), width, pulse_start=start)
    turned = am.simulate(
        chip(),
        width.transpose("word_line", "repeat", "pattern"),
        pulse_start=start.transpose("pattern", "word_line", "repeat"),
    )
    assert turned.dims == ("repeat", "pattern", "bit_line")
    np.testing.assert_array_equal(turned.transpose(*expected.dims).values, expected.values)


def test_number_of_slots_and_bound_are_reported() -> None:
    width = labelled().isel(repeat=0)
    charge = am.simulate(chip(), width)
    # Pattern a: widths 0, 2, 4 ns, two slots; pattern b: 6, 8, 10 ns, three.
    assert charge.attrs["n_slots"] == 5
    assert "merge_bound" not in charge.attrs
    merged = am.simulate(chip(), width, merge_tolerance=4.1 * NS)
    # a: one pooled slot; b: 6 ns apart, 2 + 2 pooled.
    assert merged.attrs["n_slots"] == 3
    error = np.abs(merged.values - charge.values).max()
    assert 0 < error <= merged.attrs["merge_bound"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensor_in_tensor_out(dtype: torch.dtype) -> None:
    width = torch.tensor([[10.0, 30.0, 20.0]], dtype=dtype) * NS
    charge = am.simulate(chip(), width.requires_grad_())
    assert charge.dtype == dtype
    assert charge.device == width.device
    assert charge.requires_grad
    tolerance = 1e-14 if dtype == torch.float64 else 1e-6
    expected = [[213.672219349834191e-16, 282.140275816016983e-16]]  # see test_known_answers
    np.testing.assert_allclose(charge.detach().numpy(), expected, rtol=tolerance)
    charge.sum().backward()
    assert width.grad is not None
    assert (width.grad > 0).all()


def test_numpy_in_numpy_out_without_gradient() -> None:
    charge = am.simulate(chip(), np.array([10, 30, 20]) * NS)
    assert isinstance(charge, np.ndarray)
    assert charge.shape == (2,)


def test_ideal_charge_is_the_product() -> None:
    width = np.array([[10.0, 30.0, 20.0]]) * NS
    np.testing.assert_allclose(am.ideal_charge(chip(), width), width @ CURRENT, rtol=1e-15)
    assert am.ideal_charge(chip(), labelled()).dims == ("pattern", "repeat", "bit_line")


GOOD = np.array([10.0, 30.0, 20.0]) * NS
CODED = chip(pulse=am.Pulse(lsb=NS, bits=4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pulse_width": GOOD[:2]}, "pulse_width: expected 3 word lines last, got shape (2,)"),
        ({"pulse_width": -GOOD}, "pulse_width[0]: expected a width of 0 s or more, got -1e-08 s"),
        (
            {"pulse_width": np.array([GOOD, [0.0, np.nan, 0.0]])},
            "pulse_width[1, 1]: expected a width of 0 s or more, got nan s",
        ),
        ({"pulse_width": torch.tensor(GOOD) * torch.inf}, "pulse_width[0]: expected a width"),
        ({"pulse_width": torch.tensor([1, 2, 3])}, "a floating-point tensor in s, got torch.int64"),
        ({"pulse_width": GOOD, "method": "slot"}, "got 'slot'. Did you mean 'slots'?"),
        (
            {"pulse_width": GOOD, "method": "reference", "merge_tolerance": 1.0},
            "method 'reference': expected no merging, got merge_tolerance 1 s. Use method='slots'.",
        ),
        (
            {"pulse_width": torch.tensor(GOOD), "method": "reference"},
            "method 'reference': expected NumPy or labelled input, got Tensor",
        ),
        ({"pulse_width": torch.tensor(GOOD), "method": "reference"}, "Use method='slots'."),
        ({"pulse_width": GOOD, "merge_tolerance": -1e-9}, "merge_tolerance: expected 0 s or more"),
        ({"pulse_width": GOOD, "merge_tolerance": np.nan}, "merge_tolerance: expected 0 s or more"),
        (
            {"pulse_width": GOOD, "pulse_start": GOOD[:2]},
            "pulse_start: expected one start per pulse, shape (3,), got shape (2,)",
        ),
        (
            {"pulse_width": GOOD, "pulse_start": np.array([0.0, np.inf, 0.0])},
            "pulse_start[1]: expected a finite time, got inf s",
        ),
        (
            {"pulse_width": torch.tensor(GOOD), "pulse_start": GOOD},
            "pulse_start: expected a tensor, as the widths, got ndarray",
        ),
        (
            {"pulse_width": labelled(), "pulse_start": labelled().isel(repeat=0)},
            "pulse_start: expected the dimensions of pulse_width",
        ),
        (
            {"pulse_width": labelled().rename(word_line="wordline")},
            "expected a dimension 'word_line' of 3, got dimensions "
            "('pattern', 'wordline', 'repeat'). Did you mean 'wordline'?",
        ),
        (
            {"pulse_width": labelled().isel(word_line=[0, 1])},
            "pulse_width: expected 3 along 'word_line', the chip's, got 2",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError) as raised:
        am.simulate(chip(), **arguments)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_widths_beyond_the_widest_code_are_refused() -> None:
    with pytest.raises(SimulationError) as raised:
        am.simulate(CODED, np.array([10.0, 15.6, 20.0]) * NS)
    assert "pulse_width[1]: expected at most 1.5e-08 s" in str(raised.value)
    am.simulate(CODED, np.array([10.0, 15.4, 0.0]) * NS)  # rounds to the widest code


# One vector, slot by slot -----------------------------------------------------------------------

# Widths 10, 30, 20 ns. Starts, slot starts, slot durations [ns], who is high in each slot.
TIMELINES = {
    "leading": ([0, 0, 0], [0, 10, 20], [10, 10, 10], ["111", "011", "010"]),
    "trailing": ([-10, -30, -20], [-30, -20, -10], [10, 10, 10], ["010", "011", "111"]),
    "centred": (
        [-5, -15, -10],
        [-15, -10, -5, 5, 10],
        [5, 5, 10, 5, 5],
        ["010", "011", "111", "011", "010"],
    ),
    # [0, 10], [50, 80], [60, 80]: nothing is high from 10 to 50 ns.
    "staggered": ([0, 50, 60], [0, 50, 60], [10, 10, 20], ["100", "010", "011"]),
}


@pytest.mark.parametrize("alignment", TIMELINES)
def test_timeline(alignment: str) -> None:
    stagger = np.array([0.0, 50.0, 60.0]) * NS if alignment == "staggered" else None
    placed = chip(pulse=am.Pulse(alignment=alignment, stagger=stagger))
    start, slot_start, slot_duration, high = TIMELINES[alignment]
    timeline = am.slot_timeline(placed, GOOD)
    for name, expected in (
        ("pulse_start", start),
        ("pulse_width", [10, 30, 20]),
        ("slot_start", slot_start),
        ("slot_duration", slot_duration),
    ):
        np.testing.assert_allclose(timeline[name].values / NS, expected, rtol=1e-12)
        assert timeline[name].attrs["units"] == "s"
    pattern = timeline["activation_pattern"]
    assert pattern.dims == ("time_slot", "word_line")
    assert ["".join(str(int(on)) for on in row) for row in pattern.values] == high


def test_timeline_shows_pulses_as_the_cells_see_them() -> None:
    coded = chip(pulse=am.Pulse(lsb=4 * NS, bits=4, dead_time=2 * NS))
    timeline = am.slot_timeline(coded, GOOD)
    # 10 -> 8 (half to even), 30 -> 32 (half to even), 20; 2 ns of each are lost.
    np.testing.assert_allclose(timeline["pulse_width"].values / NS, [6, 30, 18], rtol=1e-12)
    np.testing.assert_allclose(timeline["pulse_start"].values / NS, [1, 1, 1], rtol=1e-12)


def test_slot_currents_add_up_to_the_charge() -> None:
    line = am.BitLine(wire_resistance=1e4, lumped_resistance=2e4, drain_sensitivity=0.3)
    dropping = chip(bit_line=line, cell_law=am.EKV(specific_current=2e-7))
    slots = am.slot_currents(dropping, GOOD)
    assert slots["cell_current"].dims == ("time_slot", "word_line", "bit_line")
    charge = (slots["cell_current"] * slots["slot_duration"]).sum(["time_slot", "word_line"])
    expected = am.simulate(dropping, GOOD, method="reference")
    np.testing.assert_allclose(charge.values, expected, rtol=1e-12)
    assert slots.attrs["drop_residual"] < 1e-14
    # Word lines that are low draw nothing; the drop is that of R I of what flows.
    off = ~slots["activation_pattern"].values
    assert (slots["cell_current"].values[off] == 0).all()
    distance = np.arange(1.0, 4.0)
    resistance = 2e4 + 1e4 * np.minimum.outer(distance, distance)
    drop = np.einsum("jk,skm->sjm", resistance, slots["cell_current"].values)
    np.testing.assert_allclose(slots["drop"].values, drop, rtol=1e-12)
    one = am.slot_currents(dropping, GOOD, bit_line=1)
    assert one["bit_line"].values.tolist() == [1]
    np.testing.assert_allclose(
        one["cell_current"].values[..., 0], slots["cell_current"].values[..., 1], rtol=1e-14
    )


def test_slot_data_of_no_pulse_at_all() -> None:
    assert am.slot_currents(chip(), np.zeros(3)).sizes["time_slot"] == 0
    np.testing.assert_array_equal(am.simulate(chip(), np.zeros((2, 3))), np.zeros((2, 2)))


@pytest.mark.parametrize("function", [am.slot_timeline, am.slot_currents])
def test_slot_data_is_for_one_vector(function: Any) -> None:
    with pytest.raises(SimulationError, match="expected one vector of pulses"):
        function(chip(), np.zeros((2, 3)))


def test_current_shift_by_hand() -> None:
    # Line 0 and line 2 on; plain cells feel the line below (0.1), mirrored the one above (0.2).
    shift = am.current_shift(chip(), [1, 0, 1])
    kappa = [[0.0, 0.0], [0.1, 0.2], [0.0, 0.0]]
    np.testing.assert_allclose(shift["kappa"].values, kappa, rtol=1e-15)
    np.testing.assert_allclose(shift["current_shift"].values, np.expm1(kappa), rtol=1e-14)
    assert (shift["drop"].values == 0).all()


def test_current_shift_drop_is_that_of_the_pattern() -> None:
    line = am.BitLine(wire_resistance=1e5, drain_sensitivity=0.1, solution="first_order")
    shift = am.current_shift(chip(bit_line=line, coupling=None), [1, 0, 1])
    # Column 0, 1 and 5 x 1e-7 A at 1 and 3 pitches of 100 kohm: segments 6, 5, 5.
    np.testing.assert_allclose(shift["drop"].values[:, 0], [0.06, 0.11, 0.16], rtol=1e-14)


@pytest.mark.parametrize("pattern", [[1, 0], [0.5, 1, 0], [np.nan, 1, 0]])
def test_an_activation_pattern_is_on_or_off(pattern: list[float]) -> None:
    with pytest.raises(SimulationError, match="expected 3 values of 0 or 1"):
        am.current_shift(chip(), pattern)
