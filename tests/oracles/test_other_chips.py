"""Calibration of chips that our simulator cannot make, judged on patterns it has not seen.

Their transistor, source lines, feeder have no term in our model. The limits are halves of
what was reached: they hold what must not be lost, not a number of one seed.
"""

from __future__ import annotations

import numpy as np
import pytest

from analog_model import vocabulary as v
from analog_model.calibration.calibrate import calibrate
from analog_model.calibration.result import Calibration
from tests.source_line_array import KAPPA, OFFSETS, SourceLineArray

pytestmark = pytest.mark.slow
SETTING = {"random": 100, "mixed": 30, "test": 40, "reads_error": 0.003}


def ratio(found: Calibration, model: str, kind: str) -> float:
    report = found.report()["signal_to_error_ratio"]
    return float(report.sel(model=model, kind=kind, split=v.TEST))


def test_a_lone_cell_draws_what_its_law_says() -> None:
    """The oracle's own check: one cell, its voltages eliminated by hand.

    The cell is at word line 1 of 2, so a pitch of source wire and two of bit wire carry it.
    """
    array = SourceLineArray(2, 4, 5, source_wire=30.0)
    current = array.current(np.array([[0.0, 1.0]]))[0]
    gate = array.gate[1]
    drain = 1 - current * (array.bit_switch + 2 * array.bit_wire)
    assert array.law(gate, current * 30.0, drain) == pytest.approx(current, rel=1e-9)


def test_a_moderate_source_line_is_explained_to_near_the_noise() -> None:
    array = SourceLineArray(16, 12, 1, source_wire=5.0)
    found = calibrate(array.measured(**SETTING))
    report = found.report().sel(model="full", split=v.TEST)
    for kind in ("random", "sparse", "binary"):
        assert float(report["chi_square"].sel(kind=kind)) < 1.5
    assert ratio(found, "full", "random") > 10 * ratio(found, "ideal", "random")
    # The model takes the source line for something else, yet the coupling stays what it is.
    names = [
        f"kappa[class {k}, {offset:+d}]" for k in range(3) for offset in OFFSETS if offset**2 == 1
    ]
    value = found.parameters["value"].sel(parameter=names).values
    assert value == pytest.approx(0.1 * KAPPA[:, 1:3].ravel(), rel=0.25)


def test_what_the_model_lacks_costs_but_does_not_break_it() -> None:
    array = SourceLineArray(16, 12, 2, source_wire=50.0, near=0.2)
    found = calibrate(array.measured(**SETTING))
    for kind in ("random", "sparse", "binary"):
        assert ratio(found, "full", kind) > 4 * ratio(found, "ideal", kind)
        assert ratio(found, "full", kind) > ratio(found, "ideal_refit", kind)
    assert found.outlier_patterns == ()


def test_a_feeder_is_found_without_a_layout_map() -> None:
    array = SourceLineArray(16, 12, 3, source_wire=5.0, near=0.15)
    measurement = array.measured(**SETTING).drop_vars(v.LAYOUT_CLASS)
    found = calibrate(measurement)
    layout, truth = found.chip.layout.layout_class, array.layout_class
    assert (layout == layout[0]).all()
    assert np.array_equal(layout[0][:, None] == layout[0], truth[0][:, None] == truth[0])
