"""The closed form on arrays where its answer is known, on what it refuses, on its account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import analog_model as am
from analog_model.errors import SimulationError
from analog_model.physics import closed_form, probe, slots
from analog_model.physics.closed_form import Expansion
from analog_model.physics.tolerance import relative_error
from analog_model.tensors import array_tensors

NS = 1e-9
WHOLE = Expansion(n_nodes=5, overlap_order=9, n_space=4, n_time=8, n_modal_nodes=3)


def wide_chip(n: int = 12, m: int = 6, **parts: Any) -> am.Chip:
    """Some 10 % crosstalk from two neighbours on each side, some 3 % of drop."""
    generator = np.random.default_rng(n)
    fields: dict[str, Any] = {
        "cell_current": generator.uniform(0, 1e-7, (n, m)),
        "layout": am.Layout.mirrored_columns(n, m),
        "cell_law": am.EKV(specific_current=1e-7),
        "coupling": am.CouplingByClass(
            offsets=(-2, -1, 1, 2), kappa=[[0.01, 0.05, 0.04, 0.01], [0.02, 0.03, 0.06, 0.0]]
        ),
        "bit_line": am.BitLine(wire_resistance=2e4, drain_sensitivity=0.5),
    }
    return am.Chip(name="wide", **{**fields, **parts})


def widths(n: int = 12, patterns: int = 20) -> np.ndarray:
    return np.random.default_rng(7).uniform(0, 100 * NS, (patterns, n))


def missed(found: Any, exact: Any) -> float:
    return float(np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2)))


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-5])
def test_tolerance_is_met_and_the_estimate_is_honest(tolerance: float) -> None:
    # Some 3 % of drop, 1 % for the tightest.
    wire = 2e4 if tolerance > 1e-5 else 5e3
    chip = wide_chip(bit_line=am.BitLine(wire_resistance=wire, drain_sensitivity=0.5))
    width = widths()
    found = am.simulate(
        chip,
        xr.DataArray(width, dims=["pattern", "word_line"]),
        method="closed_form",
        tolerance=tolerance,
    )
    error = missed(found.values, am.simulate(chip, width))
    assert error <= tolerance
    assert found.attrs["error_estimate"] == pytest.approx(error, rel=0.5)
    assert found.attrs["method"] == "closed_form"
    for name in ("n_nodes", "overlap_order", "n_space", "n_time", "n_modal_nodes"):
        assert name in found.attrs["expansion"]


def test_default_tolerance_is_a_thousandth() -> None:
    chip, width = wide_chip(), widths()
    default = am.simulate(chip, width, method="closed_form")
    np.testing.assert_array_equal(
        default, am.simulate(chip, width, method="closed_form", tolerance=1e-3)
    )


def test_a_tighter_tolerance_costs_more() -> None:
    array, width = array_tensors(wide_chip()), torch.tensor(widths())
    loose, tight = (probe.simulate(array, width, tolerance=t).expansion for t in (1e-2, 1e-4))
    for name in ("n_nodes", "overlap_order", "n_space", "n_time", "n_modal_nodes"):
        assert getattr(loose, name) <= getattr(tight, name)
    assert loose != tight


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_keep_dtype_and_gradient(dtype: torch.dtype) -> None:
    width = torch.tensor(widths(), dtype=dtype, requires_grad=True)
    charge = am.simulate(wide_chip(), width, method="closed_form")
    assert charge.dtype == dtype
    charge.sum().backward()
    exact = torch.tensor(widths(), requires_grad=True)
    am.simulate(wide_chip(), exact).sum().backward()
    assert width.grad is not None
    assert exact.grad is not None
    # Single cells' gradients err by more than their sum, the charge.
    assert relative_error(width.grad.double(), exact.grad) < 1e-2


@pytest.mark.parametrize(
    ("chip", "arguments", "message"),
    [
        (
            wide_chip(pulse=am.Pulse(alignment="staggered", stagger=np.zeros(12))),
            {},
            "pulses nested in each other: leading, trailing, centred, got staggered. "
            "Use method='slots'.",
        ),
        (wide_chip(), {"pulse_start": widths()}, "expected no pulse_start"),
        (wide_chip(), {"merge_tolerance": NS}, "expected no merge_tolerance"),
        (wide_chip(), {"tolerance": 0.0}, "tolerance: expected a relative error between 0 and 1"),
        (wide_chip(), {"tolerance": np.nan}, "tolerance: expected a relative error"),
        (
            wide_chip(bit_line=am.BitLine(wire_resistance=1e6, drain_sensitivity=0.5)),
            {"tolerance": 1e-6},
            "expected a relative rms error of at most 1e-06, got ",
        ),
        (wide_chip(), {"method": "slots", "tolerance": 1e-3}, "method 'slots': expected no tol"),
        (wide_chip(), {"method": "reference", "tolerance": 1e-3}, "Use method='closed_form'"),
        (wide_chip(), {"method": "closed"}, "Did you mean 'closed_form'?"),
    ],
)
def test_what_it_cannot_do_is_refused(
    chip: am.Chip, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SimulationError) as raised:
        am.simulate(chip, widths(), **{"method": "closed_form", **arguments})
    assert message in str(raised.value)
    if arguments.get("method") is None and "tolerance: " not in message:
        assert "Use method='slots'" in str(raised.value)


def test_the_physics_refuses_staggered_pulses_too() -> None:
    array = replace(array_tensors(wide_chip()), alignment="staggered")
    with pytest.raises(SimulationError, match="nested"):
        closed_form.charge(array, torch.tensor(widths()), WHOLE)


@pytest.mark.parametrize("shape", [(0, 12), (2, 0, 12)])
def test_no_vectors_give_no_charges(shape: tuple[int, ...]) -> None:
    charge = am.simulate(wide_chip(), np.zeros(shape), method="closed_form")
    assert charge.shape == (*shape[:-1], 6)


@pytest.mark.parametrize("width", [np.zeros((3, 12)), np.eye(12) * 50 * NS])
def test_few_pulses_or_none(width: np.ndarray) -> None:
    # Alone, a pulse meets no crosstalk, only its own drop.
    charge = am.simulate(wide_chip(), width, method="closed_form")
    np.testing.assert_allclose(charge, am.simulate(wide_chip(), width), rtol=2e-3)


def test_an_empty_chip_gives_no_charge_and_a_finite_gradient() -> None:
    chip = wide_chip(cell_current=np.zeros((12, 6)))
    width = torch.tensor(widths(), requires_grad=True)
    charge = am.simulate(chip, width, method="closed_form")
    assert (charge == 0).all()
    charge.sum().backward()
    assert width.grad is not None
    assert (width.grad == 0).all()


def test_any_batch_shape() -> None:
    width = widths(patterns=12)
    flat = am.simulate(wide_chip(), width, method="closed_form")
    shaped = am.simulate(wide_chip(), width.reshape(2, 3, 2, 12), method="closed_form")
    np.testing.assert_allclose(shaped.reshape(flat.shape), flat, rtol=1e-12)


def test_a_vector_does_not_ask_who_is_beside_it_under_a_fixed_sample() -> None:
    array, width = array_tensors(wide_chip()), torch.tensor(widths())
    together = closed_form.charge(array, width, WHOLE, sample=width)
    for p in (0, 7, 19):
        alone = closed_form.charge(array, width[p], WHOLE, sample=width)
        torch.testing.assert_close(alone, together[p], rtol=1e-12, atol=0)
    # Without one the modes are the batch's own, and the charge moves, if by little.
    moved = closed_form.charge(array, width[:3], WHOLE)
    assert 0 < relative_error(moved, together[:3]) < 1e-3


def test_bit_lines_do_not_know_each_other() -> None:
    width = widths()
    generator = np.random.default_rng(0)
    kappa = generator.uniform(-0.05, 0.05, (2, 12, 6))  # one of a kind on every bit line
    chip = wide_chip(coupling=am.CouplingByCell(offsets=(-1, 1), kappa=kappa))
    array, given = array_tensors(chip), torch.tensor(width)
    whole = closed_form.charge(array, given, WHOLE)
    order = generator.permutation(6)
    shuffled = replace(
        array, cell_current=array.cell_current[:, order], kappa=array.kappa[:, :, order]
    )
    found = closed_form.charge(shuffled, given, WHOLE)
    torch.testing.assert_close(found, whole[:, order], rtol=1e-12, atol=0)


def test_groups_of_bit_lines_share_their_kappas() -> None:
    kappa = torch.tensor([[[1.0, 2.0, 1.0, 3.0], [1.0, 2.0, 1.0, 2.0]]])
    groups = [set(group.tolist()) for group in closed_form.column_groups(kappa, 4)]
    assert sorted(groups, key=min) == [{0, 2}, {1}, {3}]
    assert closed_form.column_groups(None, 3)[0].tolist() == [0, 1, 2]


def test_a_neighbour_beyond_the_array_has_no_gradient() -> None:
    # Word line 0 without pulse: its charge per time is its own current, nothing of what the
    # class would feel from a word line -1 that does not exist.
    chip = am.Chip(
        name="edge",
        cell_current=[[1e-7], [1e-7]],
        layout=am.Layout.uniform(2, 1),
        coupling=am.CouplingByClass(offsets=(-1,), kappa=[[0.4]]),
    )
    width = torch.tensor([[0.0, 50 * NS]], dtype=torch.float64, requires_grad=True)
    charge = closed_form.charge(array_tensors(chip), width, Expansion())
    charge.sum().backward()
    assert width.grad is not None
    # Its pulse also lifts word line 1, by e^0.4 - 1.
    assert float(width.grad[0, 0]) == pytest.approx(1e-7 * np.exp(0.4), rel=1e-12)


def test_own_apart_is_exact_for_single_pulses() -> None:
    # One cell at a time: the drop is R_jj I_j^2 t_j, whatever the modes.
    line = am.BitLine(wire_resistance=2e4, drain_sensitivity=0.5, solution="first_order")
    chip = wide_chip(bit_line=line)
    width = torch.tensor(np.diag(np.linspace(1, 100, 12)) * NS)
    exact = slots.simulate(array_tensors(chip), width).charge
    coarse = Expansion(n_nodes=1, overlap_order=1, n_space=1, n_time=1)
    apart = replace(coarse, own_apart=True)
    array = array_tensors(chip)
    assert relative_error(closed_form.charge(array, width, coarse), exact) > 1e-5
    assert relative_error(closed_form.charge(array, width, apart), exact) < 1e-13


@pytest.mark.parametrize("n", [16, 64])
@pytest.mark.parametrize("inputs", ["uniform", "relu"])
@pytest.mark.parametrize(("crosstalk", "drop"), [(0.04, 0.01), (0.2, 0.1)])
def test_heavy_effects_stay_within_the_default_tolerance(
    n: int, inputs: str, crosstalk: float, drop: float
) -> None:
    generator = np.random.default_rng(n)
    current = generator.uniform(0, 1e-7, (n, 4))
    mean_drop = 1e-7 / 4 * n * (n + 1) / 3  # 0.25e-7 per cell at half its time, 1 ohm a pitch
    chip = wide_chip(
        n,
        4,
        cell_current=current,
        coupling=am.CouplingByClass(
            offsets=(-1, 1), kappa=np.array([[0.9, 1.0], [1.1, 0.8]]) * crosstalk
        ),
        bit_line=am.BitLine(wire_resistance=drop / (0.5 * mean_drop), drain_sensitivity=0.5),
    )
    drawn = generator.normal(0, 0.4, (24, n))
    width = np.clip(drawn, 0, 1) if inputs == "relu" else generator.uniform(0, 1, (24, n))
    width = width * 100 * NS
    exact = am.simulate(chip, width)
    without = am.simulate(chip.with_effects(["crosstalk"]), width)
    ideal = am.ideal_charge(chip, width)
    assert missed(without, ideal) > crosstalk / 3
    assert missed(without, exact) > drop / 3
    found = am.simulate(chip, width, method="closed_form")
    assert missed(found, exact) < 1e-3
