"""Undo, redo: back to the very chip, one step for one act of a user."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dashboard.history import MOST_STEPS, History
from dashboard.state import State


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_every_step_comes_back_and_goes_again(clock: Clock) -> None:
    state = State()
    history = History(state, clock=clock)
    seen = [state.chip]

    def step(**values: object) -> None:
        clock.now += 10
        state.param.update(**values)
        seen.append(state.chip)

    step(coupling_scale=2.0)
    step(effects=["crosstalk"])
    step(source="synthetic", n_word_lines=8)
    step(bits=4, wire_resistance=7.0)
    step(n_word_lines=6)
    assert state.bits is None, "another chip starts from its own parameters"
    assert not history.can_redo
    for chip in seen[-2::-1]:
        history.undo()
        assert state.chip == chip
    assert not history.can_undo
    history.undo()
    assert state.chip == seen[0]
    for chip in seen[1:]:
        history.redo()
        assert state.chip == chip
    history.undo()
    step(coupling_scale=3.0)
    assert not history.can_redo, "a new step forgets what was undone"


def test_a_drag_is_one_step_and_looking_is_none(clock: Clock) -> None:
    state = State()
    history = History(state, clock=clock)
    for k in range(20):
        clock.now += 0.3
        state.coupling_scale = 1 + 0.1 * k
    clock.now += 10
    state.param.update(word_line=3, page="error", pattern_seed=4, theme="dark")
    clock.now += 10
    state.coupling_scale = 4.0
    history.undo()
    assert state.coupling_scale == pytest.approx(2.9)
    history.undo()
    assert state.coupling_scale == 1.0
    assert (state.word_line, state.page) == (3, "error")
    assert not history.can_undo
    for k in range(MOST_STEPS + 20):
        clock.now += 10
        state.coupling_scale = 1.0 + (k % 2 + 1) / 2
    for _ in range(MOST_STEPS):
        assert history.can_undo
        history.undo()
    assert not history.can_undo


def test_reset_is_a_step_too(clock: Clock) -> None:
    state = State(coupling_scale=2.0, bits=3)
    history = History(state, clock=clock)
    state.reset_parameters()
    assert state.chip == state.source_chip
    history.undo()
    assert (state.coupling_scale, state.bits) == (2.0, 3)


def test_the_keyboard_undoes(visit: Callable[..., Page]) -> None:
    page = visit()
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    slider = page.get_by_role("slider", name=re.compile("^Coupling"))
    slider.press("ArrowRight")
    page.wait_for_function("() => /[?]k=1.05$/.test(location.search)")
    expect(undo).to_be_enabled()
    page.keyboard.press("Control+z")
    page.wait_for_function("() => location.search === ''")
    expect(slider).to_have_attribute("aria-valuenow", re.compile("^1(.0)?$"))
    page.keyboard.press("Control+Shift+z")
    page.wait_for_function("() => /[?]k=1.05$/.test(location.search)")
    expect(redo).to_be_disabled()
    undo.click()
    page.wait_for_function("() => location.search === ''")
    redo.click()
    page.wait_for_function("() => /[?]k=1.05$/.test(location.search)")
