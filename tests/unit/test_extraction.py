"""Extraction of weights, against weights that were planted and plain least squares."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import analog_model as am
from analog_model.calibration.observations import ReadNoise
from analog_model.errors import ConfigurationError, DataError
from analog_model.extraction import ridge

N, M = 6, 4
T = 1e-6  # [s]


def weights(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05e-6, 0.8e-6, (N, M))


def measured(
    width: np.ndarray,
    current: np.ndarray,
    *,
    sigma: float = 0.0,
    split: list[str] | None = None,
    reads: np.ndarray | None = None,
    seed: int = 1,
) -> xr.Dataset:
    """Charges of an ideal array with noise `sigma` [C]; independent of the package's model."""
    charge = width @ current
    charge = charge + sigma * np.random.default_rng(seed).standard_normal(charge.shape)
    dataset = xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), width, {"units": "s"}),
            "charge": (("pattern", "bit_line"), charge, {"units": "C"}),
        },
        coords={
            "pattern": np.arange(len(width)),
            "split": ("pattern", split or ["calibration"] * len(width)),
        },
        attrs={"schema": "analog-model/measurement/1", "chip": "planted"},
    )
    if reads is not None:
        dims = ("weight_set", "word_line", "bit_line")
        dataset["cell_current"] = (dims, reads[None], {"units": "A"})
    return dataset


SINGLES = T * np.eye(N)
ALL_BUT_ONE = np.concatenate([np.full((1, N), T), T * (1 - np.eye(N))])


def random_patterns(count: int, seed: int = 2) -> np.ndarray:
    return T * np.random.default_rng(seed).integers(1, 32, (count, N)) / 31


@pytest.mark.parametrize(
    ("method", "width", "n_measurements"),
    [
        ("single", SINGLES, N),
        ("leave_one_out", ALL_BUT_ONE, N + 1),
        ("regression", random_patterns(20), 20),
    ],
)
def test_planted_weights_are_found(method: str, width: np.ndarray, n_measurements: int) -> None:
    found = am.extract_weights(measured(width, weights()), method)
    np.testing.assert_allclose(found["cell_current"].values, weights(), rtol=1e-6)
    assert found.attrs["n_measurements"] == n_measurements
    assert found.attrs["method"] == method
    assert found["cell_current"].attrs["units"] == "A"


@pytest.mark.parametrize(
    ("method", "width"),
    [
        ("single", np.concatenate([SINGLES, 0.5 * SINGLES])),
        ("leave_one_out", np.concatenate([ALL_BUT_ONE, 0.5 * ALL_BUT_ONE])),
        ("regression", random_patterns(60)),
    ],
)
def test_standard_errors_are_those_of_repeats(method: str, width: np.ndarray) -> None:
    """The scatter over 200 noisy repeats of a measurement is what the error says."""
    charge = width @ weights()
    part = 0.01
    sigma = part * charge.max()
    runs = []
    for seed in range(200):
        dataset = measured(width, weights(), sigma=sigma, seed=seed)
        # Noise that adds to the charge moves its maximum, on which the stated noise rests.
        noise = ReadNoise(sigma / float(dataset["charge"].max()), 0.0)
        runs.append(am.extract_weights(dataset, method, read_noise=noise))
    scatter = np.std([run["cell_current"].values for run in runs], axis=0)
    stated = np.mean([run["standard_error"].values for run in runs], axis=0)
    # 200 repeats know a standard deviation to 5 %; the ridge without reads is weak.
    np.testing.assert_allclose(scatter, stated, rtol=0.25)
    assert scatter.mean() == pytest.approx(stated.mean(), rel=0.06)


def test_the_ridge_is_the_minimum_of_its_equation() -> None:
    """Solved as one stacked least-squares problem for every strength, strength by hand."""
    width, current = random_patterns(9), weights()
    charge = width @ current + 2e-15 * np.random.default_rng(3).standard_normal((9, M))
    anchor = 1.2 * current
    found, _ = ridge(width, charge, anchor)
    scale = np.hypot(anchor, 0.01 * anchor.max())
    largest = max(np.linalg.norm(width * scale[:, i], 2) for i in range(M)) ** 2
    scores, solutions = [], []
    for part in np.geomspace(1e-10, 1e2, 73):
        strength, missed, trace = part * largest, 0.0, 0.0
        solution = np.empty((N, M))
        for i in range(M):
            stacked = np.concatenate([width, np.diag(np.sqrt(strength) / scale[:, i])])
            right = np.concatenate([charge[:, i], np.sqrt(strength) * anchor[:, i] / scale[:, i]])
            solution[:, i] = np.linalg.lstsq(stacked, right, rcond=None)[0]
            missed += ((charge[:, i] - width @ solution[:, i]) ** 2).sum()
            hat = width @ np.linalg.solve(stacked.T @ stacked, width.T)
            trace += np.trace(hat)
        scores.append(missed / (charge.size - trace) ** 2)
        solutions.append(solution)
    np.testing.assert_allclose(found, solutions[int(np.argmin(scores))], rtol=1e-5)


def test_without_patterns_enough_the_ridge_keeps_to_the_reads() -> None:
    """One pattern cannot say which cell is off; none departs more than the sum demands."""
    reads = weights()
    true = reads * 1.1
    found = am.extract_weights(measured(np.full((1, N), T), true, reads=reads), "regression")[
        "cell_current"
    ].values
    np.testing.assert_allclose(found.sum(axis=0), true.sum(axis=0), rtol=1e-6)
    assert (found >= reads * (1 - 1e-9)).all()
    assert (found <= reads * 1.1**2).all()


def test_static_reads_come_first_and_their_error_is_not_invented() -> None:
    reads = 1.05 * weights()
    found = am.extract_weights(measured(SINGLES, weights(), reads=reads), "single")
    np.testing.assert_array_equal(found["cell_current"].values, reads)
    assert "standard_error" not in found
    assert (found.attrs["n_reads"], found.attrs["n_patterns"]) == (N, 0)
    assert "does not state" in found.attrs["note"]


def test_test_patterns_and_other_weights_are_never_used() -> None:
    width = random_patterns(40)
    split = ["calibration"] * 30 + ["test"] * 10
    clean = measured(width, weights(), split=split)
    spoilt = clean.copy(deep=True)
    spoilt["charge"].values[30:] *= 3.0
    one, other = (am.extract_weights(data, "regression") for data in (clean, spoilt))
    np.testing.assert_array_equal(one["cell_current"].values, other["cell_current"].values)


def test_a_current_below_zero_is_counted_not_hidden() -> None:
    current = weights()
    current[2, 1] = 0.0
    dataset = measured(SINGLES, current)
    dataset["charge"].values[2, 1] = -1e-16
    found = am.extract_weights(measured(random_patterns(12), current), "regression")
    assert (found["cell_current"].values >= 0).all()
    all_but = measured(ALL_BUT_ONE, current)
    all_but["charge"].values[3, 1] += 1e-15
    found = am.extract_weights(all_but, "leave_one_out")
    assert found["cell_current"].values[2, 1] == 0.0
    assert found.attrs["n_negative"] == 1


@pytest.mark.parametrize(
    ("method", "width", "said"),
    [
        ("single", random_patterns(5), "a single active line per word line"),
        ("leave_one_out", ALL_BUT_ONE[:-1], f"none for word line {N - 1}"),
        ("leave_one_out", random_patterns(5), "none for word line 0"),
        ("regression", SINGLES, "several active word lines"),
    ],
)
def test_missing_patterns_are_named(method: str, width: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        am.extract_weights(measured(width, weights()), method)


def test_a_misspelt_method_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'leave_one_out'"):
        am.extract_weights(measured(SINGLES, weights()), "leave_one_ot")


def test_effort_counts_measurements_against_a_hand_made_gain() -> None:
    """A chip that draws 10 % more whenever lines are on together: the reads see SER 11."""
    width = np.concatenate([random_patterns(40), random_patterns(20, seed=5)])
    split = ["calibration"] * 40 + ["test"] * 20
    effort = am.extraction_effort(
        measured(width, 1.1 * weights(), split=split, reads=weights()),
        counts=(1, 3, 8),
        n_draws=3,
    )
    assert effort["one_hot_ratio"].sel(kind="all").item() == pytest.approx(11.0)
    assert effort["n_measurements"].sel(held_to="one_hot").values.tolist() == [7, 9, 14]
    # With fewer than six patterns and no reads the weights are not even determined.
    plain = effort["signal_to_error_ratio"].sel(held_to="nothing", kind="all").values
    assert (plain[:2] < 22).all()
    assert plain[2] > 1e3
    assert effort["fewest_measurements"].sel(held_to="nothing", kind="all").item() == 8
    held = effort["signal_to_error_ratio"].sel(held_to="one_hot", kind="all").values
    assert (np.diff(held) > 0).all()
    assert effort["fewest_measurements"].sel(held_to="one_hot", kind="all").item() == 7
    assert (effort["lowest"] <= effort["signal_to_error_ratio"]).all()


def test_judging_needs_test_patterns() -> None:
    with pytest.raises(DataError, match="split 'test'"):
        am.extraction_effort(measured(SINGLES, weights()))


@pytest.fixture(scope="module")
def effort() -> xr.Dataset:
    return am.extraction_effort(am.example_chip("reference"), counts=(1, 8, 64))


def test_one_pattern_beside_the_reads_doubles_the_ratio_but_not_on_sparse(
    effort: xr.Dataset,
) -> None:
    """The bundled chip's result, with the inputs on which it holds."""
    ratio = effort["signal_to_error_ratio"].sel(held_to="one_hot")
    one_hot = effort["one_hot_ratio"]
    for kind in ("random", "binary"):
        assert effort["fewest_measurements"].sel(held_to="one_hot", kind=kind).item() == 17
        assert effort["fewest_in_every_draw"].sel(held_to="one_hot", kind=kind).item() == 24
        assert ratio.sel(kind=kind, n_patterns=64).item() > 3 * one_hot.sel(kind=kind).item()
    assert (ratio.sel(kind="sparse") < one_hot.sel(kind="sparse")).all()
    assert np.isnan(effort["fewest_measurements"].sel(kind="sparse")).all()


def simulated(chip: am.Chip) -> xr.Dataset:
    """Random patterns for calibration; random, sparse ones for testing; noise as of a lab."""
    generator = np.random.default_rng(0)
    n = chip.n_word_lines
    width = 1.24e-6 * generator.integers(0, 32, (90, n)) / 31
    few = generator.random((30, n)) < 3 / n
    width[60:] = 1.24e-6 * generator.integers(1, 32, (30, n)) / 31 * few
    charge = am.simulate(chip, width)
    charge = charge + 2e-4 * charge.max() * generator.standard_normal(charge.shape)
    cells = ("weight_set", "word_line", "bit_line")
    return xr.Dataset(
        {
            "pulse_width": (("pattern", "word_line"), width, {"units": "s"}),
            "charge": (("pattern", "bit_line"), charge, {"units": "C"}),
            "cell_current": (cells, chip.cell_current[None], {"units": "A"}),
        },
        coords={
            "pattern": np.arange(90),
            "kind": ("pattern", ["random"] * 60 + ["sparse"] * 30),
            "split": ("pattern", ["calibration"] * 20 + ["test"] * 70),
        },
        attrs={"schema": "analog-model/measurement/1"},
    )


@pytest.mark.parametrize("chip", ["crosstalk three times as strong", "32 lines, routed feeders"])
def test_the_gain_is_not_one_chips_luck(chip: str) -> None:
    if chip.startswith("32"):
        made = am.synthetic_chip(32, 8, layout_rule="routed_feeders", seed=1)
    else:
        made = am.synthetic_chip(16, 8, seed=0)
        assert made.coupling is not None
        made = made.replace(coupling=made.coupling.replace(kappa=3 * made.coupling.kappa))
    effort = am.extraction_effort(simulated(made), counts=(1, 2, 4), n_draws=9)
    fewest = effort["fewest_measurements"].sel(held_to="one_hot")
    assert fewest.sel(kind="random").item() <= made.n_word_lines + 2
    ratio = effort["signal_to_error_ratio"].sel(held_to="one_hot", kind="sparse")
    assert (ratio < effort["one_hot_ratio"].sel(kind="sparse")).all()
