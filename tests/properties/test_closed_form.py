"""The closed form is the slot simulation, exactly where it can be, else within its account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import analog_model as am
from analog_model.errors import SimulationError
from analog_model.physics import closed_form, drop_modes, interpolation, overlap, slots
from analog_model.physics.array import ArrayTensors
from analog_model.physics.closed_form import Expansion
from analog_model.tensors import array_tensors
from tests.properties.chips import as_map, charge_scale, chips, widths
from tests.properties.test_flipped_signs import full_chip as chip_of_signs
from tests.properties.test_flipped_signs import negated
from tests.properties.test_slots_equal_reference import away_from_half_codes

# As far as any array of `chips` can need; the drop's modes are never complete.
FULL = Expansion(
    n_nodes=5, overlap_order=8, n_space=8, n_time=16, n_modal_nodes=3, lifted_modes=True
)


@st.composite
def nested(draw: Any, *, most_lift: float = 4.0, **options: Any) -> tuple[am.Chip, np.ndarray]:
    """A chip without drop whose pulses share an edge or centre, with widths.

    No cell is lifted by more than `most_lift` in sum.
    """
    chip = draw(chips(**options))
    if chip.pulse.alignment == "staggered":
        alignment = draw(st.sampled_from(closed_form.NESTED))
        chip = chip.replace(pulse=chip.pulse.replace(alignment=alignment, stagger=None))
    coupling = chip.coupling
    if coupling is not None:
        top = float(np.abs(coupling.kappa_of_cells(chip.layout)).sum(axis=0).max())
        if top > most_lift:
            scaled = coupling.kappa * (most_lift / top)
            chip = chip.replace(coupling=coupling.replace(kappa=scaled))
    chip = chip.with_effects(set(chip.effects) - {"wire", "lumped"})
    return chip, draw(widths(chip))


def by_closed_form(chip: am.Chip, width: np.ndarray, expansion: Expansion = FULL) -> np.ndarray:
    return closed_form.charge(array_tensors(chip), torch.tensor(width), expansion).numpy()


@given(nested())
@settings(max_examples=200)
def test_weak_inversion_without_drop_is_exact(operation: tuple[am.Chip, np.ndarray]) -> None:
    chip, width = operation
    chip = chip.replace(cell_law=am.WeakInversion())
    assume(away_from_half_codes(chip, width, None))
    # Terms of both signs add up to less than their sum: at most e^(2 x 4 kappa) apart.
    atol = 1e-12 * charge_scale(chip)
    np.testing.assert_allclose(
        by_closed_form(chip, width), am.simulate(chip, width), rtol=1e-12, atol=atol
    )


@given(nested(most_lift=0.3, readout=False))
@settings(max_examples=200)
def test_five_nodes_are_nearly_exact(operation: tuple[am.Chip, np.ndarray]) -> None:
    chip, width = operation
    atol = 1e-6 * charge_scale(chip)
    np.testing.assert_allclose(
        by_closed_form(chip, width), am.simulate(chip, width), rtol=0, atol=atol
    )


@given(nested(readout=False, quantised=False))
def test_neither_coupling_nor_drop_is_the_product(operation: tuple[am.Chip, np.ndarray]) -> None:
    chip, width = operation
    found = by_closed_form(chip.with_effects(()), width)
    np.testing.assert_allclose(found, width @ chip.cell_current, rtol=1e-13, atol=1e-30)


@given(chips(readout=False), st.data())
@settings(max_examples=150)
def test_any_chip_is_met_or_refused(chip: am.Chip, data: st.DataObject) -> None:
    """Few vectors on few bit lines are their own probe: the account must be the error itself."""
    width = data.draw(widths(chip))
    within_reach = (
        chip.pulse.alignment != "staggered"
        and not {"wire", "lumped"} & set(chip.effects)
        and (isinstance(chip.cell_law, am.WeakInversion) or chip.coupling is None)
    )
    exact = slots.simulate(array_tensors(chip), torch.tensor(width)).charge.numpy()
    try:
        charge = am.simulate(chip, width, method="closed_form", tolerance=1e-2)
    except SimulationError:
        assert not within_reach
        return
    assert chip.pulse.alignment != "staggered"
    assert np.sqrt(np.mean((charge - exact) ** 2)) <= 1e-2 * np.sqrt(np.mean(exact**2))


def small_drop(chip: am.Chip, fraction: float) -> am.Chip:
    """The chip with wire and series resistance that cost each of them `fraction` at most."""
    top = charge_scale(chip) / (100 * 2.0**-30)
    g = 0.5
    farthest = max(float(chip.segments_to_sense.max()), 1.0)
    line = chip.bit_line.replace(
        wire_resistance=fraction / (g * top * farthest),
        lumped_resistance=fraction / (g * top),
        drain_sensitivity=g,
        capacitance=None,
    )
    return chip.replace(bit_line=line)


@given(nested(most_lift=0.3, readout=False), st.sampled_from([1e-3, 1e-2]))
def test_many_modes_hold_the_drop(operation: tuple[am.Chip, np.ndarray], fraction: float) -> None:
    chip = small_drop(operation[0], fraction)
    width = operation[1]
    exact = am.simulate(chip, width)
    # Of 2 x fraction at most, the modes in time leave out less than a fiftieth.
    expansion = replace(FULL, own_apart=True)
    atol = 2 * fraction / 50 * charge_scale(chip)
    np.testing.assert_allclose(by_closed_form(chip, width, expansion), exact, rtol=0, atol=atol)


@given(nested(most_lift=0.3, readout=False, quantised=False), st.data())
def test_permuting_word_lines_permutes_nothing_else(
    operation: tuple[am.Chip, np.ndarray], data: st.DataObject
) -> None:
    chip, width = operation
    order = np.array(data.draw(st.permutations(range(chip.n_word_lines))))
    place = np.argsort(order)
    coupling = as_map(chip)
    if coupling is not None:
        coupling = coupling.replace(
            victim=place[coupling.victim], aggressor=place[coupling.aggressor]
        )
    permuted = chip.replace(
        cell_current=chip.cell_current[order],
        layout=chip.layout.replace(layout_class=chip.layout.layout_class[order]),
        coupling=coupling,
        bit_line=chip.bit_line.replace(segments_to_sense=chip.segments_to_sense[order]),
    )
    np.testing.assert_allclose(
        by_closed_form(permuted, width[:, order]),
        by_closed_form(chip, width),
        rtol=1e-11,
        atol=1e-12 * charge_scale(chip),
    )


@given(nested(readout=False), st.sampled_from([0.125, 0.5, 4.0]))
def test_charge_scales_with_time(operation: tuple[am.Chip, np.ndarray], factor: float) -> None:
    chip, width = operation
    chip = chip.with_effects(set(chip.effects) - {"droop"})
    pulse = chip.pulse.replace(dead_time=chip.pulse.dead_time * factor, lsb=None, bits=None)
    slower = chip.replace(pulse=pulse)
    chip = chip.replace(pulse=chip.pulse.replace(lsb=None, bits=None))
    np.testing.assert_allclose(
        by_closed_form(slower, width * factor),
        factor * by_closed_form(chip, width),
        rtol=1e-12,
        atol=1e-14 * factor * charge_scale(chip),
    )


# Sign mutants ---------------------------------------------------------------------------------

MUTANTS = {
    "kappa negated": negated("kappa"),
    "capacitance negated": negated("bit_line_capacitance"),
    "dead time negated": negated("dead_time"),
    "victim and aggressor swapped": lambda array: replace(array, kappa=array.kappa.flip(0)),
    "bit lines' kappa swapped": lambda array: replace(array, kappa=array.kappa.flip(2)),
    "ladder reversed": lambda array: replace(array, ladder_order=array.ladder_order.flip(0)),
    "no coupling": lambda array: replace(array, kappa=None, aggressor=None),
    "no drop": lambda array: replace(array, drain_sensitivity=None),
    "weak inversion": lambda array: replace(array, specific_current=None),
    "other solution": lambda array: replace(array, self_consistent=not array.self_consistent),
}
WIDTH = torch.tensor([[90.0, 40.0, 70.0], [20.0, 60.0, 50.0]], dtype=torch.float64) * 2.0**-30
MANY = replace(FULL, n_time=32, own_apart=True)


def departure(array: ArrayTensors, exact: torch.Tensor, expansion: Expansion = MANY) -> float:
    return float((closed_form.charge(array, WIDTH, expansion) / exact - 1).abs().max())


@pytest.mark.parametrize("solution", ["self_consistent", "first_order"])
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_array_leaves_the_slots(mutant: str, solution: str) -> None:
    array = array_tensors(chip_of_signs("leading", solution))
    exact = slots.simulate(array, WIDTH).charge
    healthy = departure(array, exact)
    # These drops are some 5 %, on three cells: the modes' worst case.
    assert healthy < 4e-4
    assert departure(MUTANTS[mutant](array), exact) > 4 * healthy


def _other_modes(**signs: int) -> Any:
    def made(*arguments: Any, **options: Any) -> Any:
        modes = drop_modes.drop_modes(*arguments, **options)
        return replace(modes, **{name: sign * getattr(modes, name) for name, sign in signs.items()})

    return made


def _lost_gained(*arguments: Any) -> torch.Tensor:
    return -closed_form_lost_charge(*arguments)


def _lifts_lowered(factor: Any, kappa: torch.Tensor, sets: Any) -> torch.Tensor:
    weight = overlap_coefficients(factor, kappa, sets)
    return torch.cat([weight[:1], -weight[1:]])


def _pairs_added(factor: Any, kappa: torch.Tensor, sets: Any) -> torch.Tensor:
    """Moebius inversion without its signs."""
    weight = overlap_coefficients(factor, kappa, sets)
    return torch.stack([w * (-1) ** (len(s) // 2) for w, s in zip(weight, sets, strict=True)])


closed_form_lost_charge = closed_form.lost_charge
overlap_coefficients = overlap.coefficients
lagrange_parts = interpolation.lagrange
STEPS: dict[str, tuple[Any, str, Any, Expansion]] = {
    "loss gained": (closed_form, "lost_charge", _lost_gained, MANY),
    "feedback negated": (closed_form, "drop_modes", _other_modes(feedback=-1), MANY),
    "own loss gained": (closed_form, "drop_modes", _other_modes(diagonal=-1), MANY),
    "mean own loss gained": (closed_form, "drop_modes", _other_modes(own=-1), FULL),
    "lifts lowered": (overlap, "coefficients", _lifts_lowered, MANY),
    "pairs of the wrong sign": (overlap, "coefficients", _pairs_added, MANY),
    "strong cells taken for weak": (
        interpolation,
        "lagrange",
        lambda *given: lagrange_parts(*given)[::-1],
        MANY,
    ),
}


@pytest.mark.parametrize("mutant", STEPS)
def test_mutant_step_leaves_the_slots(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    array = array_tensors(chip_of_signs("leading"))
    module, name, changed, expansion = STEPS[mutant]
    if module is not closed_form:  # crosstalk alone, not to hide behind the drop's modes
        array = replace(array, segment_resistance=None)
    exact = slots.simulate(array, WIDTH).charge
    healthy = departure(array, exact, expansion)
    assert healthy < 6e-4
    monkeypatch.setattr(module, name, changed)
    assert departure(array, exact, expansion) > 3 * healthy
