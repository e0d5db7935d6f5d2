"""Layouts proposed from measured coupling, held to the planted or the bundled truth."""

from __future__ import annotations

import numpy as np
import pytest

import analog_model as am
from analog_model import vocabulary as v
from analog_model.calibration.clustering import cluster
from analog_model.calibration.layout_proposal import propose_layout
from analog_model.chip import Layout
from tests.planted import measured, planted_chip


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two maps agree up to the numbers of their classes."""
    pairs = set(zip(first.ravel().tolist(), second.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))


@pytest.mark.slow
@pytest.mark.parametrize("weight_set", [0, 1])
def test_the_bundled_chip_shows_its_four_classes(weight_set: int) -> None:
    measurement = am.example_chip()
    word_line, bit_line = np.indices((16, 16))
    truth = word_line % 2 + 2 * (bit_line % 2)
    assert same_partition(truth, measurement[v.LAYOUT_CLASS].values)
    blind = measurement.drop_vars(v.LAYOUT_CLASS)
    layout = propose_layout(blind, weight_set=weight_set)
    assert same_partition(layout.layout_class, truth)


# The coupling of each class by offset -2, -1, +1, +2: classes differ as layouts do.
KAPPA = np.array(
    [
        [0.004, 0.10, 0.03, 0.004],
        [0.004, 0.03, 0.09, 0.004],
        [0.004, 0.05, 0.05, 0.004],
        [0.004, -0.02, 0.06, 0.004],
    ]
)


@pytest.mark.parametrize(
    "rule",
    [
        "uniform",
        "mirrored_columns",
        "mirrored_row_pairs",
        "mirrored_columns_and_row_pairs",
        "routed_feeders",
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_layout_rules_are_found_through_noise_mismatch_drop(rule: str, seed: int) -> None:
    layout = getattr(Layout, rule)(12, 8)
    chip = planted_chip(12, 8, seed, layout=layout, kappa=KAPPA[: layout.n_classes], mismatch=0.05)
    measurement = measured(chip, seed, reads_error=0.003, test=0)
    found = propose_layout(measurement)
    assert same_partition(found.layout_class, layout.layout_class), found.layout_class


def test_a_feeder_in_the_middle_is_found_at_its_bit_line() -> None:
    layout = Layout.routed_feeders(12, 8, feeder_bit_line=5)
    chip = planted_chip(12, 8, 3, layout=layout, kappa=KAPPA[:2], mismatch=0.05)
    found = propose_layout(measured(chip, 3, test=0))
    assert np.unique(found.layout_class[:, 5]).size == 1
    assert same_partition(found.layout_class, layout.layout_class)


def test_classes_are_named_by_what_they_show() -> None:
    chip = planted_chip(12, 8, 0, layout="mirrored_columns", kappa=KAPPA[:2])
    layout = propose_layout(measured(chip, 0, test=0))
    shown = [float(text.split(" before")[0]) for text in layout.class_names]
    assert shown == pytest.approx(KAPPA[:2, 1], rel=0.1)
    after = [float(text.split("/ ")[1].split(" after")[0]) for text in layout.class_names]
    assert after == pytest.approx(KAPPA[:2, 2], rel=0.1)


def test_reads_alone_show_one_class() -> None:
    chip = planted_chip(8, 6, 0, layout="mirrored_columns", kappa=KAPPA[:2])
    measurement = measured(chip, 0, random=0, mixed=0, test=0)
    singles = measurement.isel({v.PATTERN: measurement[v.KIND].values == "single"})
    assert propose_layout(singles).n_classes == 1


def test_clusters_of_known_points_with_known_errors() -> None:
    # Three groups ten standard deviations apart; the points of a group scatter by one.
    generator = np.random.default_rng(0)
    truth = np.array([0, 1, 2, 0, 1, 2, 0, 0, 1])
    sigma = 0.01
    point = 0.1 * truth[:, None] * np.array([1.0, -1.0]) + sigma * generator.standard_normal((9, 2))
    information = np.zeros((9, 2, 9, 2))
    for k in range(9):
        information[k, :, k, :] = np.eye(2) / sigma**2
    found = cluster(information, point / sigma**2, prior=1.0, n_data=18)
    assert np.array_equal(found, truth)


def test_noise_alone_is_one_cluster() -> None:
    generator = np.random.default_rng(1)
    sigma = 0.01
    information = np.zeros((30, 2, 30, 2))
    for k in range(30):
        information[k, :, k, :] = np.eye(2) / sigma**2
    counts = []
    for _ in range(20):
        point = sigma * generator.standard_normal((30, 2))
        found = cluster(information, point / sigma**2, prior=1.0, n_data=60)
        counts.append(int(found.max()) + 1)
    assert counts == [1] * 20


def test_what_no_data_see_joins_what_they_do() -> None:
    # The second thing was not measured at all.
    information = np.zeros((3, 1, 3, 1))
    information[0, 0, 0, 0] = information[2, 0, 2, 0] = 1e6
    score = np.array([[1e5], [0.0], [-1e5]])
    found = cluster(information, score, prior=1.0, n_data=3)
    assert found[0] != found[2]
    assert found[1] in (found[0], found[2])
