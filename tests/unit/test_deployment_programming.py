"""Programming of arrays: the law of a write, the loop, the ways of reading."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import analog_model as am
from analog_model.deployment.placed_layers import placed_layers
from analog_model.deployment.programming import program_network
from analog_model.deployment.reading import READINGS, Bench, with_departures
from analog_model.deployment.write_pulse import written_current
from analog_model.deployment.write_verify import StuckPlaces, write_array
from analog_model.errors import ConfigurationError
from analog_model.nn.device_fields import DeviceFields
from tests.analog_chips import FULL_SCALE, ideal_chip
from tests.deployed import deployable_chip, deployed, exact, perceptron

ERROR = am.nn.ProgrammingError(proportional=0.1, full_scale=0.01)
WINDOW = 1e-6


def random_source(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def bench(chip: am.Chip, *, noise: float = 0.0, n_rounds: int = 4, model: Any = None) -> Bench:
    return Bench(
        chip=chip,
        model=model or chip,
        word_lines=np.arange(chip.n_word_lines),
        bit_lines=np.arange(chip.n_bit_lines),
        window=WINDOW,
        read_noise=noise * FULL_SCALE,
        n_rounds=n_rounds,
    )


def nowhere(chip: am.Chip) -> StuckPlaces:
    off, on = np.zeros((2, *chip.cell_current.shape), dtype=bool)
    return StuckPlaces(off, on)


def test_a_write_misses_by_a_part_of_its_step_beside_a_floor() -> None:
    """Standard deviation of I' - I - D: hypot(0.1 D, 0.01), whatever I; never below 0."""
    for start, step in ((0.0, 0.5), (0.6, -0.2), (0.5, 0.0)):
        current = np.full(40_000, start)
        left = written_current(
            current, np.full_like(current, step), error=ERROR, generator=random_source()
        )
        assert left.mean() == pytest.approx(start + step, abs=2e-3)
        assert left.std() == pytest.approx(np.hypot(0.1 * step, 0.01), rel=0.03)
    erased = np.zeros(40_000)
    left = written_current(erased, erased, error=ERROR, generator=random_source())
    assert left.min() == 0
    assert (left == 0).mean() == pytest.approx(0.5, abs=0.01)


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    drawn = random_source(3).uniform(0, 1, (16, 8))
    return np.where(drawn < 0.3, 0.0, drawn)


def test_exact_reads_bring_every_cell_within_the_tolerance(target: np.ndarray) -> None:
    chip = ideal_chip()
    stuck = nowhere(chip)
    stuck.off[2, 3] = stuck.on[5, 1] = True
    goal = target.copy()
    goal[2, 3], goal[5, 1] = 0.8, 0.2
    settings = am.WriteVerify(tolerance=0.02, most_iterations=30)
    left = write_array(
        bench(chip),
        goal,
        full_scale_current=FULL_SCALE,
        writing=settings,
        error=ERROR,
        stuck=stuck,
        generator=random_source(),
    )
    missed = np.abs(left.share - goal)
    assert left.unreached.nonzero()[0].tolist() == [2, 5]
    assert left.unreached.nonzero()[1].tolist() == [3, 1]
    assert (missed[~left.unreached] <= 0.02).all()
    assert (left.share[2, 3], left.share[5, 1]) == (0.0, 1.0)
    assert left.n_iterations == 30
    assert left.n_reads == 30 * 4 * 16
    # The two stuck cells are tried every time, cells at their target of 0 never.
    assert left.n_writes >= 2 * 30 + (goal > 0).sum() - 2
    assert (left.share[goal == 0] == 0).all()


def test_a_cell_once_accepted_is_left_alone(target: np.ndarray) -> None:
    """Reads that err by half the tolerance would turn one of twenty good cells back each time."""
    chip = ideal_chip()
    left = write_array(
        bench(chip, noise=0.02),
        target,
        full_scale_current=FULL_SCALE,
        writing=am.WriteVerify(tolerance=0.02, most_iterations=30),
        error=ERROR,
        stuck=nowhere(chip),
        generator=random_source(),
    )
    assert left.n_iterations < 20
    assert not left.unreached.any()
    # Beyond the tolerance by what the accepting read missed.
    assert 0.02 < np.abs(left.share - target).max() < 0.05


def test_a_single_write_leaves_the_programming_error_of_a_chip() -> None:
    """What the loop starts from is what `ProgrammedChip` draws: its error in one go."""
    chip = ideal_chip(128, 128)
    goal = np.full((128, 128), 0.5)
    left = write_array(
        bench(chip),
        goal,
        full_scale_current=FULL_SCALE,
        writing=am.WriteVerify(most_iterations=1),
        error=ERROR,
        stuck=nowhere(chip),
        generator=random_source(),
    )
    programmed = am.nn.ProgrammedChip(chip, am.nn.Effects(programming_error=ERROR), 0)
    fields = programmed.fields("one", (2, 128, 64), full_scale_current=FULL_SCALE)
    drawn = programmed.programmed_current(torch.full((2, 128, 64), 0.5), fields)
    assert (left.share - goal).std() == pytest.approx(float(drawn.std()), rel=0.03)
    np.testing.assert_array_equal(left.share, left.first)


def test_reads_of_an_ideal_array_show_their_noise() -> None:
    """Static reads: sigma / sqrt(rounds). In context, the noise of N/4 times the reads."""
    chip = ideal_chip(64, 8)
    current = FULL_SCALE * random_source(1).uniform(0.2, 1, (64, 8))
    found = {
        name: (READINGS[name](bench(chip, noise=0.01), current, random_source()) - current)
        / FULL_SCALE
        for name in ("single", "in_context", "regression", "patterns_only")
    }
    assert found["single"].std() == pytest.approx(0.01 / 2, rel=0.1)
    # P patterns of random halves of 64 lines: least squares has 0.01 sqrt(4 / (P - 64)). The
    # ridge may only be better.
    for name, n_patterns in (("in_context", 192), ("regression", 192), ("patterns_only", 256)):
        expected = 0.01 * np.sqrt(4 / (n_patterns - 64))
        assert 0.3 * expected < found[name].std() < 1.1 * expected


def test_leaving_one_out_books_what_a_cell_does_to_its_neighbours() -> None:
    """Weak inversion, kappa k from either neighbour, all currents I.

    All on, an inner cell draws I e^2k; without cell j its neighbours lose a factor e^k each:
    the difference is I e^2k + 2 I (e^2k - e^k), for cells with two inner neighbours.
    """
    k = 0.05
    chip = ideal_chip(
        8,
        2,
        coupling=am.CouplingByClass(offsets=(-1, 1), kappa=[[k, k], [k, k]]),
        layout=am.Layout.mirrored_columns(8, 2),
    )
    current = np.full((8, 2), FULL_SCALE)
    found = READINGS["leave_one_out"](bench(chip), current, random_source()) / FULL_SCALE
    expected = np.exp(2 * k) + 2 * (np.exp(2 * k) - np.exp(k))
    np.testing.assert_allclose(found[2:6], expected, rtol=1e-12)
    np.testing.assert_allclose(READINGS["single"](bench(chip), current, random_source()), current)


def test_what_a_reading_is_good_for() -> None:
    """With crosstalk, and kappas of single cells that no model knows.

    Static reads win without noise. With noise those in context do; without the chip model,
    patterns are worse than either, leaving one out worst.
    """
    model = deployable_chip(32, 8)
    departure = 0.05 * random_source(2).standard_normal((4, 32, 8))
    chip = with_departures(model, departure)
    current = FULL_SCALE * random_source(1).uniform(0, 1, (32, 8))

    def error(name: str, noise: float) -> float:
        seen = READINGS[name](bench(chip, noise=noise, model=model), current, random_source(7))
        return float(np.sqrt(np.mean((seen - current) ** 2))) / FULL_SCALE

    quiet = {name: error(name, 1e-5) for name in READINGS}
    noisy = {name: error(name, 0.02) for name in READINGS}
    assert quiet["single"] < 0.1 * quiet["in_context"]
    assert quiet["regression"] < 0.5 * quiet["leave_one_out"]
    for name in ("in_context", "patterns_only"):
        assert quiet[name] < 0.2 * quiet["regression"]
        assert noisy[name] < 0.6 * noisy["single"]


@pytest.mark.parametrize("scheme", ["differential", "offset"])
def test_the_network_computes_with_what_was_written(scheme: Any) -> None:
    network, inputs = perceptron()
    chip = deployable_chip()
    settings = exact(signed_weights=scheme)
    analog = am.nn.convert(network, chip, configuration=settings, calibration_data=inputs)
    effects = am.nn.Effects(
        weight_bits=5,
        programming_error=ERROR,
        stuck=am.nn.StuckCells(off=0.02, on=0.02),
        kappa_mismatch=0.05,
    )
    layers = placed_layers(analog, chip, weight_bits=5)
    # Targets are levels of the writer.
    np.testing.assert_allclose(layers[0].target_share * 31 % 1, 0, atol=1e-9)
    outcomes = program_network(
        analog,
        layers,
        am.nn.ProgrammedChip(chip, effects, 4),
        writing=am.WriteVerify(tolerance=0.02, most_iterations=3),
    )
    for placed in layers:
        own = outcomes[placed.arrays]
        current = placed.layer.cell_currents().detach().numpy()
        written = np.stack([outcome.written.share for outcome in own])
        np.testing.assert_allclose(placed.places.on_arrays(current), written, atol=1e-9)
        fields = DeviceFields.of(placed.layer)
        assert fields.kappa_deviation is not None
        for field, level in ((fields.stuck_off, 0.0), (fields.stuck_on, 1.0)):
            assert field is not None
            assert field.any()
            assert (current[field.numpy()] == level).all()
    assert any(outcome.written.unreached.any() for outcome in outcomes)


def test_verification_brings_the_outputs_back() -> None:
    network, inputs = perceptron()
    chip = deployable_chip()
    options = {"configuration": exact(), "calibration_data": inputs, "seeds": (0, 1)}
    effects = am.nn.Effects(programming_error=ERROR)
    once, often = (
        deployed(
            network,
            inputs,
            chip,
            effects=effects,
            writing=am.WriteVerify(most_iterations=n),
            **options,
        ).programming
        for n in (1, 30)
    )
    np.testing.assert_array_equal(once["residual"], once["first_residual"])
    np.testing.assert_array_equal(once["residual"], often["first_residual"])
    assert (often["residual"] < 0.006 * FULL_SCALE).all()
    assert (once["residual"] > 0.02 * FULL_SCALE).all()
    assert int(often["n_unreached"].sum()) == int(often["n_outside"].sum()) == 0
    assert (once["n_iterations"] == 1).all()
    assert not np.array_equal(often["n_writes"][0], often["n_writes"][1])


def test_readings_are_compared_on_one_array() -> None:
    network, inputs = perceptron()
    found = deployed(
        network, inputs, deployable_chip(), configuration=exact(), calibration_data=inputs
    )
    compared = am.compare_readings(found, read_noises=(1e-4, 0.02))
    error = compared["reading_error"]
    assert list(compared["reading"].values) == list(READINGS)
    assert error.sel(reading="single", read_noise=1e-4) < error.sel(
        reading="in_context", read_noise=1e-4
    )
    assert (compared["residual"].sel(reading="leave_one_out") > 0.01).all()
    assert compared["n_outside"].sel(reading="single", read_noise=1e-4) == 0
    with pytest.raises(ConfigurationError, match="0 to 6"):
        am.compare_readings(found, array=7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reading": "in_context", "n_rounds": 1}, "one of static reads"),
        ({"reading": "one_hot"}, "WriteVerify.reading"),
        ({"tolerence": 0.1}, "Did you mean 'tolerance'"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        am.WriteVerify(**options)


def test_kappas_of_cells_depart_only_where_they_can() -> None:
    chip = deployable_chip(2, 2)
    assert chip.coupling is not None
    coupled = chip.replace(
        coupling=am.CouplingMap(victim=[0], aggressor=[1], kappa=np.ones((1, 2)) / 10)
    )
    with pytest.raises(ConfigurationError, match="by layout class"):
        with_departures(coupled, np.zeros((1, 2, 2)))
    plain = chip.replace(coupling=None)
    assert with_departures(plain, np.zeros((1, 2, 2))) is plain
    assert replace(bench(plain), n_rounds=2).n_reads == 4
