"""Effects on cells, one at a time, against values worked out without the package."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from analog_model.errors import ConfigurationError
from analog_model.nn.effects import Drift, Effects, ProgrammingError, StuckCells, Temperature
from analog_model.physics.drift import drifted_current
from analog_model.physics.mismatch import mismatched_kappa
from analog_model.physics.noise import jittered_width, noisy_charge
from analog_model.physics.programming import misprogrammed_current, resolved_current, stuck_current
from analog_model.physics.temperature import (
    current_at_temperature,
    specific_current_factor,
    temperature_ratio,
)

# A statistic of n Gaussian draws lies outside this many standard errors once in two million.
SURE = 5.0


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Resolution -------------------------------------------------------------------------------------


def test_two_bits_have_four_levels() -> None:
    target = tensor(0.0, 0.16, 0.17, 0.49, 0.51, 0.84, 1.0)
    expected = tensor(0, 0, 1, 1, 2, 3, 3) / 3
    torch.testing.assert_close(resolved_current(target, bits=2), expected)


@pytest.mark.parametrize("bits", [1, 3, 4, 7, 11])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resolution_passes_the_gradient_through_up_to_both_ends(
    bits: int, dtype: torch.dtype
) -> None:
    target = torch.tensor([0.0, 0.3, 1.0, 1.01, -0.01], dtype=dtype, requires_grad=True)
    resolved = resolved_current(target, bits=bits)
    resolved.sum().backward()
    assert target.grad is not None
    # 1.0 is the weight that sets the scale of its layer.
    assert target.grad.tolist() == pytest.approx([1, 1, 1, 0, 0])
    assert resolved.detach()[[0, 2, 3, 4]].tolist() == [0, 1, 1, 0]


# Programming error ------------------------------------------------------------------------------


def test_a_miss_has_a_part_of_full_scale_beside_a_part_of_the_target() -> None:
    missed = misprogrammed_current(
        tensor(0.5, 0.5, 0.0, 0.01), offset=tensor(0.1, 0.0, 0.2, -0.02), gain=tensor(0, 0.1, 9, 0)
    )
    torch.testing.assert_close(missed, tensor(0.6, 0.55, 0.2, 0.0))


def test_a_miss_keeps_the_gradient_of_cells_that_carry_current() -> None:
    target = tensor(0.5, 0.01).requires_grad_()
    misprogrammed_current(target, offset=tensor(0.1, -0.02), gain=tensor(0.2, 0.0)).sum().backward()
    assert target.grad is not None
    assert target.grad.tolist() == pytest.approx([1.2, 0.0])


# Stuck cells ------------------------------------------------------------------------------------


def test_stuck_cells_forget_their_target() -> None:
    target = tensor(0.3, 0.4, 0.5).requires_grad_()
    off, on = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    current = stuck_current(target, off=off, on=on)
    assert current.tolist() == [0.0, 1.0, 0.5]
    current.sum().backward()
    assert target.grad is not None
    assert target.grad.tolist() == [0.0, 0.0, 1.0]


# Drift ------------------------------------------------------------------------------------------


def test_weak_inversion_drifts_by_a_power_law() -> None:
    drifted = drifted_current(
        tensor(1e-3, 1e-3, 1.0), tensor(0.1, -0.1, 0.5), None, time=999.0, reference_time=1.0
    )
    # (1 + 999)^-nu: 10^-0.3, 10^+0.3, 10^-1.5.
    expected = tensor(1e-3 * 10**-0.3, 1e-3 * 10**0.3, 10**-1.5)
    torch.testing.assert_close(drifted, expected, rtol=1e-12, atol=0)


def test_drift_follows_the_charge_through_the_cell_law() -> None:
    specific, exponent, time, onset = 0.2, 0.04, 5e4, 20.0
    for current in (1e-6, 0.05, 0.2, 1.0):
        u = 2 * math.log(math.exp(math.sqrt(current / specific)) - 1)
        u -= exponent * math.log(1 + time / onset)
        expected = specific * math.log(1 + math.exp(u / 2)) ** 2
        drifted = drifted_current(
            tensor(current), tensor(exponent), tensor(specific), time=time, reference_time=onset
        )
        assert drifted.item() == pytest.approx(expected, rel=1e-9, abs=0)


# Temperature ------------------------------------------------------------------------------------


def transistor(
    pinch_off: float, kelvin: float, *, tcv: float, bex: float, n: float = 1.4
) -> tuple[float, float]:
    """(I, I_S) [A] of EKV 2.6 from voltages, for a pinch-off voltage [V] given at 300.15 K."""
    thermal = 1.380649e-23 * kelvin / 1.602176634e-19
    beta = 1e-4 * (kelvin / 300.15) ** bex
    specific = 2 * n * beta * thermal**2
    pinch_off = pinch_off + tcv / n * (kelvin - 300.15)
    return specific * math.log(1 + math.exp(pinch_off / (2 * thermal))) ** 2, specific


@pytest.mark.parametrize("celsius", [-40.0, 27.0, 85.0, 125.0])
@pytest.mark.parametrize(("tcv", "bex"), [(0.0, -1.5), (1e-3, -1.5), (0.0, 0.0), (2e-3, -1.2)])
def test_temperature_acts_as_on_a_transistor_whose_gate_voltage_stays(
    celsius: float, tcv: float, bex: float
) -> None:
    for pinch_off in (-0.4, -0.1, 0.0, 0.1, 0.5):
        current, specific = transistor(pinch_off, 300.15, tcv=tcv, bex=bex)
        expected, specific_there = transistor(pinch_off, celsius + 273.15, tcv=tcv, bex=bex)
        found = current_at_temperature(
            tensor(current),
            tensor(specific),
            celsius=celsius,
            reference_celsius=27.0,
            mobility_exponent=bex,
            threshold_slope=tcv / 1.4,
        )
        assert found.item() == pytest.approx(expected, rel=1e-10, abs=0)
        ratio = temperature_ratio(celsius, reference_celsius=27.0)
        factor = specific_current_factor(ratio, mobility_exponent=bex)
        assert specific * factor == pytest.approx(specific_there, rel=1e-12, abs=0)


def test_heat_lifts_weak_cells_the_more_the_weaker() -> None:
    """Deep in weak inversion I/I_S = e^u, so I(T)/I_S(T) = (I/I_S)^(T_ref/T)."""
    current = tensor(1e-16, 1e-13)
    hot = current_at_temperature(
        current, tensor(1.0), celsius=127.0, reference_celsius=27.0, mobility_exponent=-2.0
    )
    torch.testing.assert_close(hot, current ** (300.15 / 400.15), rtol=1e-4, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("celsius", [-55.0, 27.0, 150.0])
def test_temperature_stays_finite_from_no_current_to_a_strong_cell(
    dtype: torch.dtype, celsius: float
) -> None:
    current = torch.tensor([0.0, 1e-30, 1e-9, 1.0, 1e4], dtype=dtype, requires_grad=True)
    there = current_at_temperature(
        current, torch.tensor(0.1, dtype=dtype), celsius=celsius, reference_celsius=27.0
    )
    there.sum().backward()
    assert current.grad is not None
    assert there[0] == 0
    assert current.grad[0] == 1
    assert torch.isfinite(there).all()
    assert (there[1:] > 0).all()
    assert torch.isfinite(current.grad).all()
    assert (current.grad > 0).all()


def test_drift_before_temperature_is_temperature_before_a_colder_drift() -> None:
    """Both move u: u -> u + lift -> (u + lift) / rho, or u -> u / rho -> u / rho + lift / rho."""
    current, exponent, specific = tensor(1e-5, 0.1, 1.0), tensor(0.1, 0.05, -0.2), tensor(0.3)
    aging = {"time": 1e6, "reference_time": 1.0}
    place = {"celsius": 90.0, "reference_celsius": 20.0}
    ratio = 363.15 / 293.15
    first = current_at_temperature(
        drifted_current(current, exponent, specific, **aging), specific, **place
    )
    second = drifted_current(
        current_at_temperature(current, specific, **place),
        exponent / ratio,
        specific * ratio**0.5,
        **aging,
    )
    torch.testing.assert_close(first, second, rtol=1e-11, atol=0)


# Mismatch ---------------------------------------------------------------------------------------


def test_mismatch_is_relative() -> None:
    kappa = tensor(0.2, -0.1, 0.0)
    found = mismatched_kappa(kappa, tensor(0.1, 0.1, 0.1))
    torch.testing.assert_close(found, tensor(0.22, -0.11, 0.0))
    assert mismatched_kappa(kappa, None) is kappa


# Noise ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_reads", [1, 8])
def test_the_noise_powers_of_reads_add(n_reads: int) -> None:
    n, deviation = 200_000, 0.02
    charge = torch.full((n,), 3.0, dtype=torch.float64)
    noise = (
        noisy_charge(charge, deviation=deviation, n_reads=n_reads, generator=generator()) - charge
    )
    expected = deviation * n_reads**0.5
    assert abs(noise.mean()) < SURE * expected / n**0.5
    assert noise.std().item() == pytest.approx(expected, rel=SURE / (2 * n) ** 0.5)


def test_jitter_leaves_silent_word_lines_silent() -> None:
    n, deviation = 200_000, 0.01
    width = tensor(0.0, 0.5, 1.0).repeat(n, 1)
    found = jittered_width(width, deviation=deviation, window=1.0, generator=generator())
    assert (found[:, 0] == 0).all()
    error = found[:, 1] - 0.5
    assert abs(error.mean()) < SURE * deviation / n**0.5
    assert error.std().item() == pytest.approx(deviation, rel=SURE / (2 * n) ** 0.5)
    # A pulse that fills the window can only lose: on average E max(x, 0) = sigma / sqrt(2 pi),
    # with variance sigma^2 (1/2 - 1/2pi).
    lost = 1.0 - found[:, 2]
    assert (lost >= 0).all()
    spread = deviation * (0.5 - 0.5 / math.pi) ** 0.5
    assert abs(lost.mean() - deviation / (2 * math.pi) ** 0.5) < SURE * spread / n**0.5


def test_jitter_cannot_make_a_pulse_of_negative_width() -> None:
    width = torch.full((1000,), 1e-3, dtype=torch.float64)
    found = jittered_width(width, deviation=0.1, window=1.0, generator=generator())
    assert found.min() == 0
    assert 0.4 < (found == 0).double().mean() < 0.6


@pytest.mark.parametrize("seed", [3, None])
def test_noise_repeats_with_its_generator(seed: int | None) -> None:
    """None stands for torch's own generator."""

    def draw() -> tuple[Tensor, Tensor]:
        torch.manual_seed(7)
        own = None if seed is None else generator(seed)
        charge = noisy_charge(tensor(1, 2, 3), deviation=0.1, n_reads=2, generator=own)
        return charge, jittered_width(tensor(0.1, 0.2), deviation=0.01, window=1, generator=own)

    for first, second in zip(draw(), draw(), strict=True):
        assert torch.equal(first, second)


def test_noise_from_torch_s_own_generator_compiles_to_one_graph() -> None:
    def noisy(charge: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
        return (
            noisy_charge(charge, deviation=0.1, n_reads=2, generator=None),
            jittered_width(width, deviation=0.01, window=1.0, generator=None),
        )

    compiled = torch.compile(noisy, fullgraph=True, backend="aot_eager")
    torch.manual_seed(1)
    expected = noisy(tensor(1, 2, 3), tensor(0.1, 0.2))
    torch.manual_seed(1)
    for found, value in zip(compiled(tensor(1, 2, 3), tensor(0.1, 0.2)), expected, strict=True):
        torch.testing.assert_close(found, value)


# All --------------------------------------------------------------------------------------------

CURRENT = (0.02, 0.3, 0.9)
SMOOTH: dict[str, Callable[[Tensor], Tensor]] = {
    "programming error": lambda current: misprogrammed_current(
        current, offset=tensor(0.01, -0.01, 0.1), gain=tensor(0.1, -0.2, 0.3)
    ),
    "drift": lambda current: drifted_current(
        current, tensor(0.1, 0.2, -0.1), tensor(0.1), time=1e3, reference_time=1.0
    ),
    "heat": lambda current: current_at_temperature(
        current, tensor(0.1), celsius=90, reference_celsius=27, threshold_slope=7e-4
    ),
    "cold": lambda current: current_at_temperature(
        current, tensor(0.1), celsius=-40, reference_celsius=27
    ),
    "read noise": lambda charge: noisy_charge(
        charge, deviation=0.1, n_reads=2, generator=generator()
    ),
    "jitter": lambda width: jittered_width(
        width, deviation=1e-3, window=1.0, generator=generator()
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    assert torch.autograd.gradcheck(SMOOTH[name], tensor(*CURRENT).requires_grad_())


def test_the_gradient_by_a_cell_s_own_fields() -> None:
    def programmed(offset: Tensor, gain: Tensor, exponent: Tensor, specific: Tensor) -> Tensor:
        current = misprogrammed_current(tensor(*CURRENT), offset=offset, gain=gain)
        current = drifted_current(current, exponent, specific, time=1e3, reference_time=1.0)
        return current_at_temperature(current, specific, celsius=50, reference_celsius=27)

    inputs = (tensor(0.1, 0.0, 0.2), tensor(0.1, 0.1, 0.0), tensor(0.1, 0.2, -0.1), tensor(0.3))
    assert torch.autograd.gradcheck(programmed, tuple(x.requires_grad_() for x in inputs))


def off_is_off(current: Tensor) -> list[Tensor]:
    specific, exponent = torch.tensor(0.1), torch.tensor(0.3)
    return [
        misprogrammed_current(current, offset=None, gain=None),
        misprogrammed_current(current, offset=0 * current, gain=0 * current),
        stuck_current(current, off=None, on=None),
        stuck_current(current, off=current < 0, on=current < 0),
        drifted_current(current, exponent, specific, time=0.0, reference_time=1.0),
        drifted_current(current, exponent, None, time=0.0, reference_time=1.0),
        drifted_current(current, 0 * current, specific, time=1e9, reference_time=1.0),
        current_at_temperature(current, specific, celsius=85.0, reference_celsius=85.0),
        noisy_charge(current, deviation=0.0, n_reads=4, generator=None),
        jittered_width(current, deviation=0.0, window=1.0, generator=None),
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_an_effect_that_is_off_is_the_identity(dtype: torch.dtype) -> None:
    current = torch.rand(1000, generator=generator()).to(dtype)
    current[:2] = torch.tensor([0.0, 1.0], dtype=dtype)
    before = torch.get_rng_state()
    for result in off_is_off(current):
        assert result.dtype == dtype
        assert torch.equal(result, current)
    assert torch.equal(torch.get_rng_state(), before)


# Configuration ----------------------------------------------------------------------------------


def test_a_misspelt_effect_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"Effects\.weight_bit.*'weight_bits'"):
        Effects(weight_bit=4)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"read_noise": -0.1}, "Effects.read_noise"),
        ({"weight_bits": 0}, "Effects.weight_bits"),
        ({"stuck": {"off": 0.6, "on": 0.5}}, "StuckCells.on"),
        ({"drift": {"time": 1.0, "exponent": 0.1}}, "Drift.reference_time"),
        ({"drift": {"time": 1.0, "exponent": 0.1, "reference_time": 0.0}}, "reference_time"),
        ({"temperature": {"celsius": -300.0}}, "Temperature.celsius"),
        ({"programming_error": {"full_scale": float("nan")}}, "ProgrammingError.full_scale"),
    ],
)
def test_impossible_strengths_are_refused(wrong: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Effects(**wrong)  # type: ignore[arg-type]
    assert where in str(error.value)


def test_parts_may_be_given_as_plain_data() -> None:
    built = Effects(
        programming_error=ProgrammingError(full_scale=0.01),
        stuck=StuckCells(off=0.1),
        drift=Drift(time=1.0, exponent=0.1, reference_time=1.0),
        temperature=Temperature(celsius=50.0),
    )
    assert Effects(**built.model_dump()) == built
