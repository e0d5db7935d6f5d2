"""Jacobian of the charge, held to finite differences, its charge to the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from analog_model import simulate
from analog_model.chip import EKV, BitLine, Chip, CouplingByCell, Layout, Pulse
from analog_model.physics.encoding import pulse_start
from analog_model.physics.jacobian import ChargeJacobian, LossyArray, charge_jacobian

N, M, OFFSETS = 5, 3, (-1, 1, 2)
SENSITIVITY, WIRE, LUMPED, FARADS = 0.3, 3e4, 2e4, 1e-11
NAMES = (
    "cell_current",
    "kappa",
    "specific_current",
    "wire_loss",
    "lumped_loss",
    "droop_loss",
    "dead_time",
)


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(np.array(values), dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A chip with every effect, strong ones, with the pulses it is asked about."""

    chip: Chip
    width: torch.Tensor
    start: torch.Tensor

    @property
    def parameters(self) -> dict[str, torch.Tensor]:
        return {
            "cell_current": tensor(self.chip.cell_current),
            "kappa": tensor(self.chip.coupling.kappa),  # type: ignore[union-attr]
            "specific_current": tensor(self.chip.cell_law.specific_current),  # type: ignore[union-attr]
            "wire_loss": tensor(SENSITIVITY * WIRE),
            "lumped_loss": tensor(SENSITIVITY * LUMPED),
            "droop_loss": tensor(SENSITIVITY / FARADS),
            "dead_time": tensor(self.chip.pulse.dead_time),
        }

    def jacobian(self, parameters: dict[str, torch.Tensor], **options: float) -> ChargeJacobian:
        coupling = self.chip.coupling
        assert coupling is not None
        array = LossyArray(
            aggressor=torch.tensor(coupling.aggressors(self.chip.layout)),
            pitches=tensor(self.chip.segments_to_sense),
            **parameters,
        )
        return charge_jacobian(array, self.width, self.start, **options)


@pytest.fixture(params=["leading", "trailing", "centred"])
def case(request: pytest.FixtureRequest) -> Case:
    rng = np.random.default_rng(0)
    line = np.arange(N) + np.array(OFFSETS)[:, None]
    kappa = rng.normal(0, 0.3, (len(OFFSETS), N, M))
    chip = Chip(
        name="every effect",
        cell_current=10 ** rng.uniform(-9, -6, (N, M)),
        layout=Layout.uniform(N, M),
        cell_law=EKV(specific_current=1e-7),
        coupling=CouplingByCell(
            offsets=OFFSETS,
            kappa=np.where(((line >= 0) & (line < N))[:, :, None], kappa, 0.0),
        ),
        bit_line=BitLine(
            wire_resistance=WIRE,
            lumped_resistance=LUMPED,
            capacitance=FARADS,
            drain_sensitivity=SENSITIVITY,
            segments_to_sense=np.array([2.0, 1.0, 4.0, 3.0, 5.0]),
        ),
        pulse=Pulse(alignment=request.param, dead_time=2e-8),
    )
    width = rng.uniform(5e-8, 1e-6, (7, N))
    width[0, 1] = 0.0
    widths = tensor(width)
    return Case(chip, widths, pulse_start(widths, request.param))


def test_its_charge_is_the_simulators(case: Case) -> None:
    found = case.jacobian(case.parameters).charge.numpy()
    assert found == pytest.approx(simulate(case.chip, case.width.numpy()), rel=1e-12)


def spread_out(name: str, analytic: torch.Tensor, index: int) -> torch.Tensor:
    """The Jacobian by one entry of a parameter as a derivative (V, M) of all charges."""
    if name not in ("cell_current", "kappa"):
        return analytic
    *place, i = np.unravel_index(index, (N, M) if name == "cell_current" else (len(OFFSETS), N, M))
    full = torch.zeros(analytic.shape[0], M, dtype=torch.float64)
    full[:, i] = analytic[(slice(None), *place, i)]
    return full


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_finite_differences(case: Case, name: str) -> None:
    analytic = getattr(case.jacobian(case.parameters), name)
    flat = case.parameters[name].reshape(-1)
    for index in range(flat.numel()):
        step = abs(float(flat[index])) * 1e-5
        if step == 0:
            continue
        charge = []
        for sign in (1, -1):
            moved = flat.clone()
            moved[index] += sign * step
            changed = case.parameters | {name: moved.reshape(case.parameters[name].shape)}
            charge.append(case.jacobian(changed).charge)
        difference = (charge[0] - charge[1]) / (2 * step)
        expected = spread_out(name, analytic, index)
        assert expected.abs().max() > 0
        error = (expected - difference).abs().max() / difference.abs().max()
        assert error < 1e-6, (name, index)


def test_chunks_change_nothing(case: Case) -> None:
    whole = case.jacobian(case.parameters)
    pieces = case.jacobian(case.parameters, memory_budget=1.0)
    for name in ("charge", *NAMES):
        assert torch.allclose(getattr(whole, name), getattr(pieces, name), rtol=1e-12, atol=0)


def test_small_droop_is_the_limit_of_none(case: Case) -> None:
    none = case.jacobian(case.parameters | {"droop_loss": tensor(0.0)})
    little = case.jacobian(case.parameters | {"droop_loss": tensor(1.0)})
    assert torch.allclose(none.charge, little.charge, rtol=1e-9)
    assert torch.allclose(none.droop_loss, -(none.charge**2) / 2, rtol=1e-12)
    assert torch.allclose(none.droop_loss, little.droop_loss, rtol=1e-9)
