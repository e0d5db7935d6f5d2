"""Layouts: the usual floor plans by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import analog_model as am
from analog_model.chip.layout import LAYOUT_RULES
from analog_model.errors import ConfigurationError

# Three word lines by three bit lines, classes written as the layout looks.
FLOOR_PLANS = {
    "uniform": (["000", "000", "000"], ("cell",)),
    "mirrored_columns": (["010", "010", "010"], ("plain", "mirrored")),
    "mirrored_row_pairs": (["000", "111", "000"], ("lower of pair", "upper of pair")),
    "mirrored_columns_and_row_pairs": (
        ["020", "131", "020"],
        ("lower plain", "upper plain", "lower mirrored", "upper mirrored"),
    ),
    "routed_feeders": (["100", "100", "100"], ("clear", "under feeder")),
}


@pytest.mark.parametrize("rule", FLOOR_PLANS)
def test_floor_plan(rule: str) -> None:
    layout = LAYOUT_RULES[rule](3, 3)
    rows, names = FLOOR_PLANS[rule]
    assert layout.layout_class.tolist() == [[int(c) for c in row] for row in rows]
    assert layout.class_names == names
    assert (layout.n_word_lines, layout.n_bit_lines, layout.n_classes) == (3, 3, len(names))


def test_every_rule_has_its_floor_plan_here() -> None:
    assert set(FLOOR_PLANS) == set(LAYOUT_RULES)


@pytest.mark.parametrize(
    ("options", "row"),
    [
        ({}, "100000"),
        ({"feeder_bit_line": 4}, "000010"),
        ({"feeder_bit_line": 1, "period": 2}, "010101"),
        ({"feeder_bit_line": 2, "period": 3}, "001001"),
        ({"period": 1}, "111111"),
    ],
)
def test_feeders_pass_over_bit_lines(options: dict[str, int], row: str) -> None:
    layout = am.Layout.routed_feeders(2, 6, **options)
    assert layout.layout_class.tolist() == [[int(c) for c in row]] * 2


def test_any_map_will_do() -> None:
    layout = am.Layout(layout_class=[[2, 0]], class_names=("a", "unused", "c"), cell_pitch=1.2e-6)
    assert layout.n_classes == 3
    assert layout.layout_class.dtype == np.int64


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: am.Layout(layout_class=[[0, 2]], class_names=("a", "b")),
            "Layout.layout_class: expected classes 0 to 1, one name each, got classes 0 to 2",
        ),
        (lambda: am.Layout(layout_class=[[-1]], class_names=("a",)), "got classes -1 to -1"),
        (lambda: am.Layout(layout_class=[0, 1], class_names=("a", "b")), "got shape (2,)"),
        (lambda: am.Layout(layout_class=[[]], class_names=()), "a filled array of word lines"),
        (
            lambda: am.Layout(layout_class=[[0.5]], class_names=("a",)),
            "an array of whole numbers is needed",
        ),
        (
            lambda: am.Layout(layout_class=[[0]], class_names=("a", "a")),
            "Layout.class_names: expected distinct names",
        ),
        (
            lambda: am.Layout(layout_class=[[0]], class_names=("a",), cell_pitch=0.0),
            "Layout.cell_pitch: expected greater than 0",
        ),
        (
            lambda: am.Layout.routed_feeders(2, 4, feeder_bit_line=4),
            "expected a bit line from 0 to 3, got 4",
        ),
        (lambda: am.Layout.routed_feeders(2, 4, period=0), "a period of at least 1, got 0"),
        (lambda: am.Layout.uniform(0, 4), "a filled array of word lines by bit lines"),
    ],
)
def test_an_impossible_layout_is_refused(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build()
    assert message in str(raised.value)
