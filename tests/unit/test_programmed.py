"""A programmed chip: the same seed is the same chip, its effects compose."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import analog_model as am
from analog_model.errors import ConfigurationError
from analog_model.nn.device_fields import DeviceFields
from analog_model.nn.effects import Effects
from analog_model.nn.programmed import ProgrammedChip
from analog_model.physics.drift import drifted_current
from analog_model.physics.programming import misprogrammed_current, resolved_current, stuck_current
from analog_model.physics.temperature import current_at_temperature

# A statistic of n Gaussian draws lies outside this many standard errors once in two million.
SURE = 5.0
FULL_SCALE = 4e-7
SPECIFIC = 1e-7

# In the order in which they act.
PARTS: dict[str, Any] = {
    "weight_bits": 4,
    "programming_error": {"full_scale": 0.02, "proportional": 0.05},
    "stuck": {"off": 0.1, "on": 0.05},
    "drift": {"time": 1e5, "exponent": 0.03, "exponent_spread": 0.01, "reference_time": 1.0},
    "temperature": {"celsius": 60.0, "threshold_slope": 5e-4},
}


def chip(**changes: Any) -> am.Chip:
    fields: dict[str, Any] = {
        "name": "small",
        "cell_current": [[1e-7, 2e-7], [3e-7, 0.0], [1e-12, FULL_SCALE]],
        "layout": am.Layout.mirrored_columns(3, 2),
        "cell_law": am.EKV(specific_current=SPECIFIC),
        "coupling": am.CouplingByClass(offsets=(-1, 1), kappa=[[0.1, 0.2], [-0.1, 0.3]]),
    }
    return am.Chip(**{**fields, **changes})


def programmed(seed: int = 1, **effects: Any) -> ProgrammedChip:
    return ProgrammedChip(chip(), Effects(**effects), seed)


def drawn(
    instance: ProgrammedChip, layer: str = "fc", shape: tuple[int, ...] = (2, 30, 20), **how: Any
) -> DeviceFields:
    how = {"dtype": torch.float64, **how}
    return instance.fields(layer, shape, full_scale_current=FULL_SCALE, **how)


def targets(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def same(first: DeviceFields, second: DeviceFields) -> bool:
    pairs = [(value, vars(second)[name]) for name, value in vars(first).items()]
    assert all((a is None) == (b is None) for a, b in pairs)
    return all(torch.equal(a, b) for a, b in pairs if a is not None)


# Identity of a chip -----------------------------------------------------------------------------


def test_the_order_in_which_layers_ask_does_not_matter() -> None:
    effects = {**PARTS, "kappa_mismatch": 0.1}
    one, other = programmed(**effects), programmed(**effects)
    names = ["conv1", "conv2", "fc"]
    forward = {name: drawn(one, name) for name in names}
    backward = {name: drawn(other, name) for name in reversed(names)}
    assert all(same(forward[name], backward[name]) for name in names)
    assert same(drawn(one, "fc"), forward["fc"])


PINNED_OFFSET = [
    3.5559403418841797,
    -0.4797402698089121,
    -0.614064562546315,
    0.049396904239306774,
    -1.8475831424583145,
    -0.16349817231384328,
    -0.09723117652601423,
    -0.02521784048159305,
]
PINNED_EXPONENT = [
    0.6823263796426674,
    -0.10052350917612635,
    -0.6106092094546738,
    0.2948583145625343,
    0.494425435921634,
    -0.2676713147904637,
    0.07959791773663005,
    0.2544722732311844,
]
PINNED_OFF = [True, True, True, False, True, False, False, False]


def test_every_number_is_pinned() -> None:
    """Known draws, so that a stored seed means the same chip in another process or release."""
    drift = {"time": 1.0, "exponent": 0.1, "exponent_spread": 0.5, "reference_time": 1.0}
    instance = programmed(
        42, programming_error={"full_scale": 1.0}, stuck={"off": 0.5}, drift=drift
    )
    fields = drawn(instance, "features.0", (2, 2, 2))
    assert fields.programming_offset is not None
    assert fields.stuck_off is not None
    assert fields.programming_offset.flatten().tolist() == pytest.approx(PINNED_OFFSET, abs=1e-12)
    assert fields.stuck_off.flatten().tolist() == PINNED_OFF
    assert fields.drift_exponent is not None
    assert fields.drift_exponent.flatten().tolist() == pytest.approx(PINNED_EXPONENT, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_dtype_rounds_the_same_chip(dtype: torch.dtype) -> None:
    instance = programmed(**PARTS, kappa_mismatch=0.1)
    exact, rounded = drawn(instance), drawn(instance, dtype=dtype)
    for name, value in vars(exact).items():
        there = vars(rounded)[name]
        assert there.dtype == (torch.bool if value.dtype == torch.bool else dtype)
        assert torch.equal(there, value.to(there.dtype))


def test_another_seed_layer_or_field_is_independent() -> None:
    effects = {"programming_error": {"full_scale": 1.0, "proportional": 1.0}}
    first = drawn(programmed(1, **effects), shape=(2, 100, 100))
    others = [
        drawn(programmed(2, **effects), shape=(2, 100, 100)).programming_offset,
        drawn(programmed(1 + 2**32, **effects), shape=(2, 100, 100)).programming_offset,
        drawn(programmed(1, **effects), "fc2", (2, 100, 100)).programming_offset,
        drawn(programmed(1, **effects).fresh(3), shape=(2, 100, 100)).programming_offset,
        drawn(programmed(1, **effects).resampled(0), shape=(2, 100, 100)).programming_offset,
        drawn(programmed(1, **effects).resampled(1), shape=(2, 100, 100)).programming_offset,
        first.programming_gain,
    ]
    draws = torch.stack([first.programming_offset, *others]).flatten(1)
    n = draws.shape[1]
    correlation = torch.corrcoef(draws) - torch.eye(len(draws), dtype=torch.float64)
    # 28 pairs, each beyond 6 standard errors once in 5e8.
    assert correlation.abs().max() < 6 / n**0.5


def test_resampling_repeats() -> None:
    effects = {"programming_error": {"full_scale": 1.0}}
    assert programmed(7, **effects).resampled(3) == programmed(7, **effects).resampled(3)
    assert programmed(7, **effects).resampled(3) != programmed(8, **effects).resampled(3)


def test_strengths_scale_a_chip_and_do_not_redraw_it() -> None:
    weak = drawn(programmed(programming_error={"full_scale": 0.01}, stuck={"off": 0.01}))
    strong = drawn(
        programmed(programming_error={"full_scale": 0.03}, stuck={"off": 0.2, "on": 0.1})
    )
    assert weak.programming_offset is not None
    assert strong.programming_offset is not None
    torch.testing.assert_close(3 * weak.programming_offset, strong.programming_offset)
    assert weak.stuck_off is not None
    assert strong.stuck_off is not None
    assert (strong.stuck_off | ~weak.stuck_off).all()
    assert strong.stuck_on is not None
    assert not (strong.stuck_off & strong.stuck_on).any()


@pytest.mark.parametrize("seed", [1.0, True, "1", None])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"ProgrammedChip\.seed"):
        ProgrammedChip(chip(), Effects(), seed)


# Statistics -------------------------------------------------------------------------------------


def test_the_draws_have_the_configured_moments() -> None:
    shape = (2, 250, 400)
    instance = programmed(**PARTS, kappa_mismatch=0.08)
    fields = drawn(instance, shape=shape)
    for field, mean, deviation in (
        (fields.programming_offset, 0.0, 0.02),
        (fields.programming_gain, 0.0, 0.05),
        (fields.drift_exponent, 0.03, 0.01),
        (fields.kappa_deviation, 0.0, 0.08),
    ):
        assert field is not None
        n = field.numel()
        assert abs(field.mean() - mean) < SURE * deviation / n**0.5
        assert field.std().item() == pytest.approx(deviation, rel=SURE / (2 * n) ** 0.5)
        # Gaussian: 4.55 % lie beyond two deviations.
        beyond = ((field - mean).abs() > 2 * deviation).double().mean()
        assert abs(beyond - 0.0455) < SURE * (0.0455 * 0.9545 / n) ** 0.5
    assert fields.kappa_deviation is not None
    assert fields.kappa_deviation.shape == (2, *shape)
    for mask, share in ((fields.stuck_off, 0.1), (fields.stuck_on, 0.05)):
        assert mask is not None
        n = mask.numel()
        assert abs(mask.double().mean() - share) < SURE * (share * (1 - share) / n) ** 0.5


def test_the_programmed_currents_spread_as_configured() -> None:
    """At target I the variance is full_scale^2 + (proportional I)^2."""
    instance = programmed(programming_error={"full_scale": 0.02, "proportional": 0.05})
    shape = (2, 500, 200)
    fields = drawn(instance, shape=shape)
    n = 2 * 500 * 200
    for target in (0.3, 1.0):
        current = instance.programmed_current(
            torch.full(shape, target, dtype=torch.float64), fields
        )
        expected = (0.02**2 + (0.05 * target) ** 2) ** 0.5
        assert abs(current.mean() - target) < SURE * expected / n**0.5
        assert current.std().item() == pytest.approx(expected, rel=SURE / (2 * n) ** 0.5)


# Composition ------------------------------------------------------------------------------------


def test_a_chip_without_effects_programs_its_targets() -> None:
    instance = programmed()
    fields, target = drawn(instance), targets(2, 30, 20)
    assert instance.programmed_current(target, fields) is target
    assert instance.operating_chip is instance.chip
    drawn_fields = {name for name, value in vars(fields).items() if value is not None}
    assert drawn_fields == {"specific_current"}


@pytest.mark.parametrize("pair", list(combinations(PARTS, 2)), ids="+".join)
def test_two_effects_are_one_after_the_other(pair: tuple[str, str]) -> None:
    target = targets(2, 30, 20)
    both = programmed(**{name: PARTS[name] for name in pair})
    one_by_one = target
    for name in pair:
        alone = programmed(**{name: PARTS[name]})
        before = one_by_one
        one_by_one = alone.programmed_current(before, drawn(alone))
        assert not torch.equal(one_by_one, before)
    assert torch.equal(both.programmed_current(target, drawn(both)), one_by_one)


def test_all_effects_act_in_the_documented_order() -> None:
    instance, target = programmed(**PARTS), targets(2, 30, 20)
    fields = drawn(instance)
    assert fields.drift_exponent is not None
    assert fields.specific_current is not None
    assert fields.specific_current.item() == pytest.approx(SPECIFIC / FULL_SCALE)
    current = resolved_current(target, bits=4)
    current = misprogrammed_current(
        current, offset=fields.programming_offset, gain=fields.programming_gain
    )
    current = stuck_current(current, off=fields.stuck_off, on=fields.stuck_on)
    current = drifted_current(
        current, fields.drift_exponent, fields.specific_current, time=1e5, reference_time=1.0
    )
    current = current_at_temperature(
        current, fields.specific_current, celsius=60, reference_celsius=27, threshold_slope=5e-4
    )
    torch.testing.assert_close(instance.programmed_current(target, fields), current)


def test_each_effect_pushes_the_way_its_sign_says() -> None:
    """Flipping the sign of any strength that has one turns the push round."""
    target = torch.full((2, 30, 20), 0.01, dtype=torch.float64)

    def push(**effects: Any) -> float:
        instance = programmed(**effects)
        return float((instance.programmed_current(target, drawn(instance)) - target).mean())

    aging = {"time": 1e4, "reference_time": 1.0}
    assert push(drift={**aging, "exponent": 0.05}) < -1e-3
    assert push(drift={**aging, "exponent": -0.05}) > 1e-3
    assert push(temperature={"celsius": 67.0}) > 1e-3
    assert push(temperature={"celsius": -13.0}) < -1e-3
    slope = {"celsius": 67.0, "mobility_exponent": -1.5}
    assert push(temperature={**slope, "threshold_slope": 1e-3}) > push(temperature=slope) + 1e-3
    assert push(temperature={**slope, "threshold_slope": -1e-3}) < push(temperature=slope) - 1e-3
    assert push(stuck={"off": 0.5}) < -1e-3
    assert push(stuck={"on": 0.5}) > 1e-3


# Temperature of the chip ------------------------------------------------------------------------


def test_the_operating_chip_is_at_its_temperature() -> None:
    reference = chip()
    hot = programmed(temperature={"celsius": 87.0}).operating_chip
    ratio = 360.15 / 300.15
    assert hot.temperature_celsius == 87.0
    assert isinstance(hot.cell_law, am.EKV)
    assert hot.cell_law.specific_current == pytest.approx(SPECIFIC * ratio**0.5, rel=1e-12, abs=0)
    assert isinstance(hot.coupling, am.CouplingByClass)
    assert isinstance(reference.coupling, am.CouplingByClass)
    np.testing.assert_allclose(hot.coupling.kappa, reference.coupling.kappa / ratio, rtol=1e-14)
    u = 2 * np.log(np.expm1(np.sqrt(3e-7 / SPECIFIC)))
    expected = SPECIFIC * ratio**0.5 * np.log1p(np.exp(u / ratio / 2)) ** 2
    assert hot.cell_current[1, 0] == pytest.approx(expected, rel=1e-12, abs=0)
    assert hot.cell_current[1, 1] == 0


def test_a_lifted_cell_does_not_care_when_it_is_heated() -> None:
    """One-hot current and coupling of the hot chip reproduce the hot current of a lifted gate."""
    reference, hot = chip(), programmed(temperature={"celsius": 87.0}).operating_chip
    width = np.array([[50e-9, 50e-9, 0.0]])
    charge_hot = am.simulate(hot, width)
    # Word line 0 of bit line 0, class 0, feels its neighbour at +1 by 0.2; line 1 that at -1, 0.1.
    lifted = 0.0
    for current, kappa in ((1e-7, 0.2), (3e-7, 0.1)):
        u = 2 * np.log(np.expm1(np.sqrt(current / SPECIFIC))) + kappa
        lifted += np.log1p(np.exp(u * 300.15 / 360.15 / 2)) ** 2
    expected = lifted * SPECIFIC * (360.15 / 300.15) ** 0.5 * 50e-9
    assert float(np.asarray(charge_hot)[0, 0]) == pytest.approx(expected, rel=1e-10, abs=0)
    assert float(np.asarray(am.simulate(reference, width))[0, 0]) != pytest.approx(
        expected, rel=0.01, abs=0
    )


def test_the_weak_inversion_limit_has_no_temperature() -> None:
    weak = chip(cell_law=am.WeakInversion())
    with pytest.raises(ConfigurationError, match=r"Effects\.temperature.*weak_inversion.*EKV"):
        ProgrammedChip(weak, Effects(temperature={"celsius": 60.0}), 1)
    drifting = ProgrammedChip(weak, Effects(drift=PARTS["drift"]), 1)
    fields = drawn(drifting)
    assert fields.specific_current is None
    assert fields.drift_exponent is not None
    target = targets(2, 30, 20)
    expected = target * (1 + 1e5) ** -fields.drift_exponent
    torch.testing.assert_close(drifting.programmed_current(target, fields), expected)


def test_without_coupling_nothing_can_be_mismatched() -> None:
    bare = ProgrammedChip(chip(coupling=None), Effects(kappa_mismatch=0.1), 1)
    assert drawn(bare).kappa_deviation is None


# In a module ------------------------------------------------------------------------------------


class Cells(nn.Module):
    """Programs its weight; the smallest user of a programmed chip."""

    def __init__(self, instance: ProgrammedChip) -> None:
        super().__init__()
        self.weight = nn.Parameter(targets(2, 6, 5).float())
        self.instance = instance
        shape = tuple(self.weight.shape)
        instance.fields("cells", shape, full_scale_current=FULL_SCALE).register(self)

    def forward(self, width: Tensor) -> Tensor:
        current = self.instance.programmed_current(self.weight, DeviceFields.of(self))
        return nn.functional.linear(width, current[0] - current[1])


@pytest.fixture
def cells() -> Cells:
    return Cells(programmed(**PARTS, kappa_mismatch=0.1))


def test_fields_stay_out_of_the_state_dict(cells: Cells) -> None:
    assert set(cells.state_dict()) == {"weight"}
    assert len(dict(cells.named_buffers())) == len(vars(DeviceFields()))
    assert same(DeviceFields.of(copy.deepcopy(cells)), DeviceFields.of(cells))
    width = torch.rand(4, 5)
    assert torch.equal(cells.train()(width), cells.eval()(width))


def test_registering_again_is_another_chip(cells: Cells) -> None:
    before = DeviceFields.of(cells)
    another = cells.instance.fresh(9).fields("cells", (2, 6, 5), full_scale_current=FULL_SCALE)
    another.register(cells)
    assert same(DeviceFields.of(cells), another)
    assert not same(DeviceFields.of(cells), before)


def test_one_graph_holds_every_effect(cells: Cells) -> None:
    width = torch.rand(4, 5)
    expected = cells(width)
    compiled = torch.compile(cells, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(width), expected)
    gradient = torch.autograd.grad(expected.sum(), cells.weight)[0]
    again = torch.autograd.grad(compiled(width).sum(), cells.weight)[0]
    torch.testing.assert_close(again, gradient)
    exported = torch.export.export(cells, (width,)).module()
    torch.testing.assert_close(exported(width), expected)


def test_function_transforms_pass_through(cells: Cells) -> None:
    fields = DeviceFields.of(cells)

    def total(weight: Tensor) -> Tensor:
        return cells.instance.programmed_current(weight, fields).square().sum()

    many = torch.stack([cells.weight.detach(), cells.weight.detach() / 2])
    gradients = torch.func.vmap(torch.func.grad(total))(many)
    for weight, gradient in zip(many, gradients, strict=True):
        alone = weight.clone().requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(total(alone), alone)[0], gradient)
