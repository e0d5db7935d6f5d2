"""The crosstalk page: what its figures hold, what gestures do, a real browser driving it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import analog_model as am
from analog_model import vocabulary as v
from analog_model.chip import Chip, CouplingByClass, CouplingMap
from dashboard import CrosstalkView, State
from dashboard.compute import MAX_SIDE
from dashboard.views import crosstalk_numbers as numbers
from dashboard.views.crosstalk_cell import steps
from dashboard.views.crosstalk_figures import CrosstalkFigures
from dashboard.views.crosstalk_timeline import MOST_EDGES, slot_at, slot_edges
from dashboard.views.crosstalk_window import FULL_SIDE, Window

Visit = Callable[..., Page]
MOST_BYTES = 300_000


def shift_by_hand(chip: Chip, active: np.ndarray) -> np.ndarray:
    """I'/I - 1 straight from u(I) = 2 ln(e^sqrt(I/I_S) - 1), one word line at a time."""
    coupling = chip.coupling
    assert isinstance(coupling, CouplingByClass)
    lift = np.zeros_like(chip.cell_current)
    for j in range(chip.n_word_lines):
        for number, offset in enumerate(coupling.offsets):
            if 0 <= j + offset < chip.n_word_lines and active[j + offset]:
                lift[j] += coupling.kappa[chip.layout.layout_class[j], number]
    specific = chip.cell_law.specific_current
    u = 2 * np.log(np.expm1(np.sqrt(chip.cell_current / specific)))
    return specific * np.log1p(np.exp((u + lift) / 2)) ** 2 / chip.cell_current - 1


@pytest.fixture
def synthetic() -> CrosstalkView:
    return CrosstalkView(State(source="synthetic", n_word_lines=12, n_bit_lines=7))


def image(view: CrosstalkView, column: str = "image") -> np.ndarray:
    return np.asarray(view.heatmap.image.data[column][0])


def test_the_heatmap_follows_the_slot(synthetic: CrosstalkView) -> None:
    state = synthetic.state
    for slot in (0, 4, state.slots.sizes[v.TIME_SLOT] - 1):
        state.time_slot = slot
        active = state.slots[v.ACTIVATION_PATTERN].values[slot]
        by_hand = shift_by_hand(state.chip, active)
        assert slot or np.ptp(by_hand) > 0.02
        np.testing.assert_allclose(image(synthetic), by_hand, atol=2e-6)
        states = synthetic.timeline.states.data["image"][0][:, 0]
        np.testing.assert_array_equal(states == 2, active)
        np.testing.assert_array_equal(states == 0, state.pulse_width == 0)


def test_the_hover_has_every_field_of_the_cell(synthetic: CrosstalkView) -> None:
    state = synthetic.state
    state.quantity = "drop"
    found = am.current_shift(state.chip, state.activation_pattern)
    np.testing.assert_allclose(image(synthetic), found[v.DROP], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(image(synthetic, "shift"), found[v.CURRENT_SHIFT], atol=2e-6)
    np.testing.assert_allclose(image(synthetic, "kappa"), found["kappa"], atol=1e-6)
    np.testing.assert_allclose(image(synthetic, "weight"), state.chip.cell_current, rtol=1e-6)
    classes = image(synthetic, "layout_class")
    np.testing.assert_array_equal(classes, state.chip.layout.layout_class)
    said = " ".join(text for _, text in synthetic.heatmap.hover.tooltips)
    assert all(f"@{name}" in said for name in ("layout_class", "weight", "shift", "kappa"))


def test_a_moved_scrubber_sends_only_what_changed(synthetic: CrosstalkView) -> None:
    before = synthetic.heatmap.image.data
    weight, ends = before["weight"], synthetic.timeline.pulses.data["end"]
    synthetic.state.time_slot = 3
    assert synthetic.heatmap.image.data["weight"] is weight
    assert synthetic.timeline.pulses.data["end"] is ends


def test_the_colour_range_holds_for_every_pattern_and_stays() -> None:
    chip = am.synthetic_chip(20, 9, seed=3)
    negative = np.array([[0.08, -0.11], [-0.02, 0.05], [0.1, 0.03], [-0.12, -0.04]])
    chip = chip.replace(coupling=CouplingByClass(offsets=(-1, 1), kappa=negative))
    generator = np.random.default_rng(1)
    patterns = [generator.random(20) < share for share in np.linspace(0, 1, 30)]
    maps = [numbers.cell_map(chip, pattern, "shift") for pattern in patterns]
    assert len({(found.low, found.high) for found in maps}) == 1
    assert maps[0].low == -maps[0].high
    largest = max(float(np.abs(found.values).max()) for found in maps)
    assert largest <= maps[0].high < 2.5 * largest


def test_large_arrays_are_reduced_to_their_hottest_cells() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(700, 300)).astype(np.float32)
    window = Window.whole(values.shape)
    drawn = window.reduced(values)
    assert max(drawn.shape) <= MAX_SIDE
    assert window.block == (3, 2)
    for row, column in ((0, 0), (100, 77), (233, 149)):
        block = values[3 * row : 3 * row + 3, 2 * column : 2 * column + 2]
        assert abs(drawn[row, column]) == np.abs(block).max()
        cell = window.cell_at(2 * column + 0.9, 3 * row + 0.3, values)
        assert cell is not None
        assert values[cell] == drawn[row, column]
    assert window.cell_at(300.2, 5, values) is None
    close = Window.covering(values.shape, (40, 80), (100.0, 60.0))
    assert close.is_exact
    assert close.cell_at(53.848, 70.2, values) == (70, 54)


@pytest.mark.parametrize("size", [FULL_SIDE, 300])
def test_an_update_stays_below_300_kilobytes(size: int) -> None:
    view = CrosstalkView(State(source="synthetic", n_word_lines=size, n_bit_lines=size))
    sent = {name: column[0].nbytes for name, column in view.heatmap.image.data.items()}
    assert sum(sent.values()) < MOST_BYTES - 30_000, sent
    timeline = [*view.timeline.pulses.data.values(), *view.timeline.edges.data.values()]
    assert sum(np.asarray(column).nbytes for column in timeline) < 30_000


def test_zooming_in_brings_every_field_of_the_cells_in_view() -> None:
    view = CrosstalkView(State(source="synthetic", n_word_lines=300, n_bit_lines=280))
    assert "weight" not in view.heatmap.image.data
    assert "largest of 2 × 2 cells" in view.key.object
    send(view, kind="view", x=[100, 140], y=[239.5, 199.5])
    window = view.heatmap.window
    assert window.is_full
    assert window.left <= 100
    assert window.bottom >= 240
    part = view.state.chip.cell_current[window.top : window.bottom, window.left : window.right]
    np.testing.assert_allclose(image(view, "weight"), part, rtol=1e-6)
    glyph = view.heatmap.renderer.glyph
    assert (glyph.x, glyph.y) == (window.left - 0.5, window.top - 0.5)
    view.state.n_bit_lines = 20
    assert view.heatmap.window == Window.whole((300, 20))
    assert view.heatmap.figure.x_range.end == 19.5


def send(view: CrosstalkView, **message: object) -> None:
    view.channel.source.data = {"message": [json.dumps(message)]}


def test_keys_and_taps_move_selection_and_switch_word_lines(synthetic: CrosstalkView) -> None:
    state, actions = synthetic.state, synthetic.actions
    actions.choose_cell(2.4, 6.6)
    assert (state.word_line, state.bit_line) == (7, 2)
    send(synthetic, kind="move", by=[1, -1])
    assert (state.word_line, state.bit_line) == (8, 1)
    assert synthetic.heatmap.selection.data == {"x": [1], "y": [8]}
    assert synthetic.heatmap.aggressors.data["y"] == [7, 9]
    before = state.codes()
    assert before[8] > 0
    send(synthetic, kind="toggle")
    assert state.codes() == (*before[:8], 0, *before[9:])
    send(synthetic, kind="widen", by=1)
    send(synthetic, kind="widen", by=9)
    assert state.codes()[8] == 2
    send(synthetic, kind="toggle")
    actions.toggle(8.3)
    assert state.codes()[8] == 31
    actions.drag_pulse(90e-9, 3.2, begins=True)
    actions.drag_pulse(410e-9, 11.0, begins=False)
    assert state.codes()[3] == round(410 / 40)
    assert state.codes()[11] == before[11]
    actions.choose_time(1.0)
    assert state.time_slot == state.slots.sizes[v.TIME_SLOT] - 1


@pytest.mark.parametrize(
    ("alignment", "time"), [("leading", 410e-9), ("trailing", -410e-9), ("centred", -205e-9)]
)
def test_a_drag_moves_the_free_edge_of_the_pulse(
    synthetic: CrosstalkView, alignment: str, time: float
) -> None:
    state = synthetic.state
    state.alignment = alignment
    axis, pulses = synthetic.timeline.time, synthetic.timeline.pulses.data
    assert axis.start <= pulses["start"].min() < pulses["end"].max() <= axis.end
    synthetic.actions.drag_pulse(time, 3.0, begins=True)
    assert state.codes()[3] == 10
    width = synthetic.timeline.pulses.data["width"][3]
    assert width == pytest.approx(400e-9)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "{",
        "[]",
        '{"kind": "erase"}',
        '{"kind": "move", "by": [1]}',
        '{"kind": "move", "by": "ab"}',
        '{"kind": "view", "x": [0, 1e999], "y": [0, 1]}',
        '{"kind": "view", "x": null, "y": [0, 1]}',
        '{"kind": "widen", "by": null}',
    ],
)
def test_nonsense_from_the_browser_changes_nothing(synthetic: CrosstalkView, nonsense: str) -> None:
    before = synthetic.state.param.values()
    synthetic.channel.source.data = {"message": [nonsense]}
    assert synthetic.state.param.values() == before


def test_the_cell_panel_says_what_acts_on_the_cell(synthetic: CrosstalkView) -> None:
    state = synthetic.state
    state.param.update(word_line=5, bit_line=3, time_slot=1)
    chip, kappa = state.chip, state.chip.coupling.kappa[state.chip.layout.layout_class[5, 3]]
    coupled = numbers.aggressors(chip, 5, 3, state.activation_pattern)
    assert [(item.word_line, item.offset, item.kappa) for item in coupled] == [
        (4, -1, kappa[0]),
        (6, 1, kappa[1]),
    ]
    facts = synthetic.cell.facts.object
    assert f"{chip.cell_current[5, 3] * 1e9:.4g} nA" in facts
    assert all(f"{item.kappa:+.4f}" in facts for item in coupled)
    whole = am.slot_currents(chip, state.pulse_width)[v.CELL_CURRENT].values[:, 5, 3]
    time, level = synthetic.cell.course.data["time"], synthetic.cell.course.data["current"]
    np.testing.assert_allclose(level[:-1:2], whole, rtol=1e-12)
    charge = np.sum(np.diff(time)[::2] * level[:-1:2])
    duration = state.slots[v.SLOT_DURATION].values
    assert charge == pytest.approx(float(whole @ duration))


def test_aggressors_of_a_sparse_map_are_found() -> None:
    chip = am.synthetic_chip(6, 2)
    kappa = np.array([[0.01, 0.02], [0.03, 0.0]])
    sparse = CouplingMap(victim=[2, 2], aggressor=[5, 0], kappa=kappa)
    chip = chip.replace(coupling=sparse)
    high = np.array([True] + [False] * 5)
    found = numbers.aggressors(chip, 2, 0, high)
    assert [(item.word_line, item.offset, item.active) for item in found] == [
        (0, -2, True),
        (5, 3, False),
    ]
    assert [item.word_line for item in numbers.aggressors(chip, 2, 1, high)] == [5]


def test_every_layout_class_has_a_colour_of_its_own() -> None:
    classes = np.arange(24).reshape(12, 2)
    names = tuple(f"k{number}" for number in range(24))
    chip = am.synthetic_chip(12, 2, layout_rule="uniform")
    chip = chip.replace(
        layout=am.Layout(layout_class=classes, class_names=names),
        coupling=CouplingByClass(offsets=(1,), kappa=np.full((24, 1), 0.05)),
    )
    view = CrosstalkView(State.from_chip(chip, quantity="layout_class"))
    palette = view.heatmap.mapper.palette
    assert len(set(palette)) == 24
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in palette)
    np.testing.assert_array_equal(image(view), classes)
    assert "and 16 more" in view.key.object


def test_timeline_draws_pulses_and_a_bounded_number_of_edges(synthetic: CrosstalkView) -> None:
    state = synthetic.state
    data = synthetic.timeline.pulses.data
    np.testing.assert_allclose(data["end"], state.pulse_width, rtol=1e-6)
    edges = slot_edges(state.slots)
    np.testing.assert_allclose(edges[1:], np.unique(state.pulse_width[state.pulse_width > 0]))
    middle = 0.5 * (edges[2] + edges[3])
    assert slot_at(state.slots, float(middle)) == 2
    state.param.update(n_word_lines=700, alignment="staggered", stagger_step=3e-9)
    many = slot_edges(state.slots)
    assert len(many) > MOST_EDGES >= len(synthetic.timeline.edges.data["x"])
    assert f"one slot edge of {synthetic.timeline.edge_step} drawn" in synthetic.slot.slider.label


def test_an_operation_without_pulses_is_shown_as_such(synthetic: CrosstalkView) -> None:
    synthetic.state.set_pattern([0] * 12)
    assert np.abs(image(synthetic)).max() == 0
    assert synthetic.slot.slider.disabled
    assert "No pulse" in synthetic.slot.slider.label
    synthetic.actions.choose_time(1e-7)
    assert len(steps(synthetic.state.slots, np.empty(0))[0]) == 0


@pytest.mark.parametrize("kind", ["pair", "leave_one_out"])
def test_the_comparison_shows_the_same_observable_twice(kind: str) -> None:
    state = State(comparison_kind=kind, coupling_scale=1.5)
    panel = CrosstalkView(state).comparison
    assert panel is not None
    measured = am.crosstalk_map(state.measurement, kind=kind)["crosstalk_current"].values
    # Every pattern of the file is simulated here; the page simulates only those it needs.
    whole = am.simulated_measurement(state.chip, state.measurement)
    simulated = am.crosstalk_map(whole, kind=kind)["crosstalk_current"].values
    shown = [part.image.data["image"][0] for part in panel.parts]
    largest = np.abs(measured).max()
    for found, expected in zip(shown, (measured, simulated, measured - simulated), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6 * largest)
    ratio = np.sqrt(np.mean(measured**2) / np.mean((measured - simulated) ** 2))
    assert f"{ratio:.3g}" in panel.heading.object
    scales = [(part.mapper.low, part.mapper.high) for part in panel.parts]
    assert scales[0] == scales[1]
    assert scales[2][1] >= np.abs(measured - simulated).max()


def test_without_a_comparison_the_page_says_why(synthetic: CrosstalkView) -> None:
    panel = synthetic.comparison
    assert panel is not None
    assert not panel.maps.visible
    assert "No measurement" in panel.heading.object
    # The second set of weights was measured without pairs.
    state = State(weight_set=1)
    panel = CrosstalkView(state).comparison
    assert panel is not None
    assert "not measured" in panel.heading.object
    state.comparison_kind = "leave_one_out"
    assert panel.maps.visible


def test_a_chip_of_short_pulses_says_that_it_cannot_take_the_patterns() -> None:
    """Its input code ends below the pulses of the measurement that it is shown beside."""
    state = State()
    pulse = state.chip.pulse.replace(lsb=10e-9, bits=5)
    state.use_calibrated(state.chip.replace(pulse=pulse))
    assert state.source == "calibrated"
    assert state.measurement is not None
    view = CrosstalkView(state)
    panel = view.comparison
    assert panel is not None
    assert not panel.maps.visible
    assert "cannot take these patterns" in panel.heading.object
    assert "at most 3.1e-07 s" in panel.heading.object
    # What there is can be saved.
    offered = CrosstalkFigures(state)
    assert "Measured beside simulated" not in offered.figures()
    assert "simulated_crosstalk_current" not in offered.data()
    state.lsb = 40e-9
    assert panel.maps.visible
    assert "Measured beside simulated" in offered.figures()
    assert "simulated_crosstalk_current" in offered.data()


FIND = """name => {
  for (const view of Bokeh.index.all_views()) {
    if (view.model.name === name && view.frame) {
      const box = view.el.getBoundingClientRect()
      return {view, box}
    }
  }
}"""
POINT = f"""([name, x, y]) => {{
  const {{view, box}} = ({FIND})(name)
  const at = {{x: view.frame.x_scale.compute(x), y: view.frame.y_scale.compute(y)}}
  return [box.left + at.x, box.top + at.y]
}}"""
READY = f"""name => {{
  const found = window.Bokeh && Bokeh.index && ({FIND})(name)
  return !!found && found.box.width > 0 && found.view.frame.bbox.width > 0
}}"""


def point(page: Page, name: str, x: float, y: float) -> tuple[float, float]:
    """Where data coordinates of a figure lie on the page."""
    left, top = page.evaluate(POINT, [name, x, y])
    return left, top


def wait_for_query(page: Page, pattern: str) -> None:
    page.wait_for_function("pattern => new RegExp(pattern).test(location.search)", arg=pattern)


def test_the_page_in_a_browser(visit: Visit) -> None:
    page = visit()
    page.wait_for_function(READY, arg="heatmap")
    page.mouse.click(*point(page, "heatmap", 4.2, 9.3))
    wait_for_query(page, "wl=9&bl=4")
    expect(page.get_by_role("heading", name="Word line 9, bit line 4")).to_be_visible()

    page.mouse.move(*point(page, "heatmap", 6.3, 10.4))
    for text in ("word line 10, bit line 6", "class 0", "nA", "%"):
        expect(page.locator(".bk-Tooltip").filter(has_text=text).first).to_be_visible()

    figure = page.get_by_role("application", name=re.compile("Heatmap of the array"))
    figure.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    wait_for_query(page, "wl=8&bl=5")

    page.mouse.click(*point(page, "strip", 0, 2))
    wait_for_query(page, r"pat=drawn&codes=\d+,\d+,0,")
    start, end = point(page, "timeline", 200e-9, 4), point(page, "timeline", 800e-9, 4)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()
    wait_for_query(page, r"codes=\d+,\d+,0,\d+,20,")

    page.mouse.click(*point(page, "timeline", 500e-9, 7))
    wait_for_query(page, r"slot=\d")
    slider = page.get_by_role("slider", name=re.compile("^Time slot"))
    # The slider follows what the click chose a moment after the URL does.
    chosen = re.search(r"slot=(\d+)", page.url)
    assert chosen is not None
    expect(slider).to_have_attribute("aria-valuenow", re.compile(rf"^{chosen[1]}(\.0+)?$"))
    slider.press("Home")
    page.wait_for_function("!/slot=/.test(location.search)")
    page.get_by_role("button", name="Play").click()
    wait_for_query(page, "slot=2")
    page.get_by_role("button", name="Pause").click()

    page.get_by_role("button", name="Weight", exact=True).click()
    wait_for_query(page, "show=weight")
    expect(page.get_by_text("Weight (nA)")).to_be_visible()
    page.get_by_role("button", name="Leave one out").click()
    wait_for_query(page, "cmp=leave_one_out")


def test_a_large_array_zooms_to_single_cells_in_a_browser(visit: Visit) -> None:
    page = visit("?src=synthetic&n=300&m=300&wl=150&bl=150&theme=dark")
    page.wait_for_function(READY, arg="heatmap")
    expect(page.get_by_text("each colour the largest of 2 × 2 cells")).to_be_visible()
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    expect(page.get_by_text("each colour the largest")).to_have_count(0)
    page.mouse.click(*point(page, "heatmap", 153.848, 149.2))
    wait_for_query(page, "wl=149&bl=154")
    page.get_by_role("button", name="All cells").click()
    expect(page.get_by_text("each colour the largest of 2 × 2 cells")).to_be_visible()
    # What is still on its way to a page that closes would count as a server error.
    page.wait_for_timeout(600)
