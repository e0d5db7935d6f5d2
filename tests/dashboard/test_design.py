"""Design page: what is asked, what is kept, what a tap takes; once in a browser, live."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import analog_model as am
from analog_model.chip import CouplingByCell
from analog_model.chip.changes import modified_chip
from analog_model.errors import ConfigurationError
from analog_model.sweeps.plan import SweepPoint
from dashboard import links
from dashboard.design_question import question_of
from dashboard.design_run import run_sweep
from dashboard.design_store import ENVIRONMENT_VARIABLE, sweep_store
from dashboard.stage import Stage
from dashboard.state import State
from dashboard.views.design import DesignView
from dashboard.views.design_numbers import Readings, position

EFFECTS = am.vocabulary.EFFECTS


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty folder of sweeps."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "sweeps"))
    sweep_store.cache_clear()
    yield sweep_store()
    sweep_store.cache_clear()


def small_state(**params: Any) -> State:
    """Twelve points on a small chip."""
    values = {"sweep_x_span": "0:2:4", "sweep_y": "wire_resistance", "sweep_y_span": "0:100:3"}
    return State.from_chip(am.synthetic_chip(6, 4), **{**values, **params})


def test_the_question_leaves_out_what_is_swept() -> None:
    """The base chip stays the same while a swept parameter moves, so that the map stays."""
    state = small_state()
    asked = question_of(state)
    assert asked.over["coupling_scale"] == pytest.approx((0, 2 / 3, 4 / 3, 2))
    assert asked.over["wire_resistance"] == (0.0, 50.0, 100.0)
    state.param.update(coupling_scale=3.0, wire_resistance=70.0)
    assert question_of(state).key() == asked.key()
    state.lumped_resistance = 1e4
    other = question_of(state)
    assert other.key() != asked.key()
    expected = modified_chip(am.synthetic_chip(6, 4), {"lumped_resistance": 1e4}, EFFECTS)
    assert other.chip == expected
    state.effects = ["wire"]
    with pytest.raises(ConfigurationError, match="coupling"):
        question_of(state)
    view = DesignView(state)
    assert "cannot be swept" in view.empty.object
    assert view.run.start_button.disabled
    view.start()
    assert not view.run.busy


@pytest.mark.parametrize(
    "text", ["0:1", "1:0:3", "0:nan:3", "0:1:1", "0:1:999", "a:b:c", "0:9e9:3"]
)
def test_a_range_of_a_link_is_checked(text: str) -> None:
    state = small_state(sweep_x="bits", sweep_x_span=text)
    with pytest.raises(ConfigurationError, match="range of input code"):
        question_of(state)
    assert "alert" in DesignView(state).empty.object


def test_an_array_without_a_rule_is_refused_before_the_sweep() -> None:
    """A calibrated chip uploaded as YAML states its coupling cell by cell."""
    chip = am.synthetic_chip(6, 4)
    assert chip.coupling is not None
    by_cell = CouplingByCell(
        offsets=chip.coupling.offsets, kappa=chip.coupling.kappa_of_cells(chip.layout)
    )
    state = State.from_chip(chip.replace(coupling=by_cell))
    view = DesignView(state)
    assert "cannot be swept" in view.empty.object
    assert "layout class" in view.empty.object
    assert view.run.start_button.disabled
    state.sweep_y = "wire_resistance"
    state.param.update(drain_sensitivity=0.1)
    assert view.question is not None
    state.sweep_x = "layout_rule"
    assert view.question is None
    assert "known by class" in view.empty.object


def test_the_usual_range_holds_the_chip_whose_points_can_be_taken() -> None:
    """A calibrated chip has nine times the usual wire resistance; a large array more lines."""
    strong = {"wire_resistance": 1829.554, "drain_sensitivity": 0.1}
    chip = modified_chip(am.synthetic_chip(100, 4), strong, EFFECTS)
    state = State.from_chip(chip, page="design", sweep_x="wire_resistance")
    view = DesignView(state)
    assert view.question is not None
    over = view.question.over
    for name, own in (("wire_resistance", 1829.554), ("n_word_lines", 100)):
        assert over[name][0] < own < over[name][-1]
        assert position(over[name], own) is not None
    assert view.controls.x.upper.value == over["wire_resistance"][-1]
    assert state.sweep_x_span == ""
    # What can be swept can be taken, up to the end of the range.
    state.param.update(sweep_x_span="0:90000:4", sweep_y="bits", sweep_y_span="2:16:3")
    view.readings = Readings.of(view.question)
    view.take((3, 2))
    assert (state.chip.bit_line.wire_resistance, state.chip.pulse.bits) == (90_000.0, 16)
    state.sweep_x_span = "0:200000:4"
    assert "from 0 to 100000" in view.empty.object
    state.param.update(sweep_x_span="", wire_resistance=None, bits=None)
    state.show(am.synthetic_chip(6, 4))
    assert view.controls.x.upper.value == 200.0


def test_a_link_holds_the_sweep() -> None:
    state = State(
        source="synthetic",
        sweep_x_span="0:2:4",
        sweep_y="wire_resistance",
        sweep_measure="retrained",
        sweep_epochs=3,
        sweep_network="mlp_14x14",
    )
    values, problems = links.read_query(links.query_of(state))
    assert not problems
    again = State(**links.with_defaults(values))
    assert question_of(again).over == question_of(state).over
    assert (again.sweep_measure, again.sweep_epochs, again.sweep_network) == (
        "retrained",
        3,
        "mlp_14x14",
    )
    _, problems = links.read_query("sx=nonsense&swep=99")
    assert len(problems) == 2


def test_a_finished_sweep_appears_at_once_with_the_numbers_of_the_library(store: Any) -> None:
    state = small_state()
    heard: list[Any] = []
    asked = question_of(state)
    run_sweep(heard.append, question=asked, folder=store.folder)
    assert sum(isinstance(message, SweepPoint) for message in heard) == 12
    stages = [message.fraction for message in heard if isinstance(message, Stage)]
    assert stages == sorted(stages)
    assert stages[-1] == 1.0
    expected = am.sweep(state.source_chip, over=asked.over, workers=1)
    view = DesignView(state)
    assert view.found is not None
    np.testing.assert_array_equal(view.found["decibel"], expected["decibel"])
    assert view.figures()["Sweep"]() is not None
    # Again: no point is computed twice, whatever the process that asks.
    heard.clear()
    run_sweep(heard.append, question=asked, folder=store.folder)
    assert all(message.known for message in heard if isinstance(message, SweepPoint))


def filled(view: DesignView) -> DesignView:
    """A view with made-up readings, as if its sweep were done."""
    assert view.question is not None
    view.readings = Readings.of(view.question)
    for index in np.ndindex(*view.readings.shape):
        reading = {"decibel": 10.0 + sum(index), "signal_to_error_ratio": 3.0}
        view.readings.add(SweepPoint(index, view.readings.values_at(index), reading, known=False))
    view._show()
    return view


def test_a_tapped_point_becomes_the_chip_of_every_page() -> None:
    state = small_state()
    view = filled(DesignView(state))
    assert view.map.here.data == {"x": [pytest.approx(1.5)], "y": [pytest.approx(0.1)]}
    assert view.map.source.data["text"][0] == "10.0"
    view.map.source.selected.indices = [view.map.source.data["hover"].index(_hover(view, (3, 1)))]
    assert (state.coupling_scale, state.wire_resistance) == (2.0, 50.0)
    assert state.chip.bit_line.wire_resistance == 50.0
    assert view.readings is not None
    assert view.map.here.data == {"x": [3.0], "y": [1.0]}
    # By keyboard: the list has every point, the best first.
    assert next(iter(view.point.options)).startswith("15.0 dB")
    view.point.value = (0, 0)
    view._take_listed()
    assert state.coupling_scale == 0.0
    assert view.readings.n_points == 12


def _hover(view: DesignView, index: tuple[int, ...]) -> str:
    from dashboard.views.design_map import hover_text

    assert view.readings is not None
    return hover_text(view.readings, index)


def test_a_point_of_another_array_becomes_a_chip_of_its_own() -> None:
    """A synthetic chip is made anew; any other array comes as a chip file, its link included."""
    over = {"sweep_x": "n_word_lines", "sweep_x_span": "4:12:3", "sweep_y": "coupling_scale"}
    given = small_state(**over, sweep_y_span="1:2:2")
    view = filled(DesignView(given))
    view.take((2, 1))
    assert given.chip.n_word_lines == 12
    assert given.coupling_scale == 2.0
    assert np.array_equal(given.chip.cell_current[:6], am.synthetic_chip(6, 4).cell_current)
    assert given.source == "upload"
    assert view.readings is not None
    made = State(source="synthetic", n_word_lines=8, lumped_resistance=1e4, **over)
    view = filled(DesignView(made))
    view.take((0, 8))
    assert (made.source, made.n_word_lines, made.coupling_scale) == ("synthetic", 4, 4.0)
    assert made.lumped_resistance == 1e4


def test_positions_between_values() -> None:
    assert position((0.0, 1.0, 4.0), 2.5) == 1.5
    assert position((0.0, 1.0), 3.0) is None
    assert position(("leading", "centred"), "centred") == 1.0
    assert position((1.0, 2.0), None) is None


def test_a_sweep_in_the_browser(visit: Callable[..., Page], store: Any) -> None:
    """Run, watch, tap, take by keyboard, come back by the link; then a curve of layouts."""
    page = visit("?src=synthetic&n=6&m=4&page=design&sxr=0:2:3&sy=wire_resistance&syr=0:100:3")
    expect(page.get_by_text("A sweep of 9 chips")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_text(re.compile("Done in"))).to_be_visible(timeout=60_000)
    expect(page.get_by_text("9 points.")).to_be_visible()
    assert len(list((store.folder / "finished").iterdir())) == 1
    assert len(list(store.points.iterdir())) == 9
    record = json.loads(next(iter(store.points.iterdir())).read_text())
    assert record["measure"] == {"measure": "product_error", "n_patterns": 64, "seed": 0}
    # The square at the upper right: the strongest coupling, the largest resistance.
    canvas = page.locator(".bk-Canvas").first.bounding_box()
    assert canvas is not None
    page.mouse.click(canvas["x"] + 0.8 * canvas["width"], canvas["y"] + 0.2 * canvas["height"])
    page.wait_for_function("() => /[?&]k=2(&|$)/.test(location.search)")
    assert "rw=100" in page.evaluate("location.search")
    listed = page.get_by_label("Point, the best first")
    expect(listed).to_have_value(re.compile("relative 2 ×, wire resistance 100"))
    listed.select_option(index=0)
    page.get_by_role("button", name="Take its values").press("Enter")
    page.wait_for_function("() => /[?&]k=0(&|$)/.test(location.search)")
    again = visit(page.evaluate("location.search"))
    expect(again.get_by_text("Computed before.")).to_be_visible()
    again.get_by_label("Horizontal").select_option("Layout rule")
    again.get_by_label("Vertical").select_option("None")
    expect(again.get_by_text("A sweep of 5 chips")).to_be_visible()
    for width in (1280, 820):
        again.set_viewport_size({"width": width, "height": 720})
        again.wait_for_timeout(300)
        wider = "(m => m.scrollWidth - m.clientWidth)(document.getElementById('main'))"
        assert again.evaluate(wider) == 0
