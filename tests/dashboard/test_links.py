"""Links: what a state writes a fresh one reads; whatever else comes is reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analog_model import vocabulary as v
from dashboard import links
from dashboard.patterns import PATTERN_SOURCES
from dashboard.state import DERIVED, State

drawn = st.fixed_dictionaries(
    {
        "source": st.just("synthetic"),
        "n_word_lines": st.integers(1, 20),
        "n_bit_lines": st.integers(1, 20),
        "seed": st.integers(0, 5),
        "coupling_scale": st.floats(0, 20),
        "wire_resistance": st.none() | st.floats(0, 1e5),
        "capacitance": st.none() | st.floats(0.1e-12, 9e-12),
        "alignment": st.sampled_from([None, *v.ALIGNMENTS]),
        "effects": st.sets(st.sampled_from(v.EFFECTS)).map(
            lambda chosen: [name for name in v.EFFECTS if name in chosen]
        ),
        "bits": st.none() | st.integers(1, 16),
        "pattern_source": st.sampled_from([s for s in PATTERN_SOURCES if s != "measured"]),
        "drawn_codes": st.lists(st.sampled_from([0, 0, 1, 7]), max_size=20).map(tuple),
        "page": st.sampled_from(["crosstalk", "error"]),
        "theme": st.sampled_from(["light", "dark"]),
    }
)


@given(drawn)
def test_a_link_reproduces_the_state(values: dict[str, object]) -> None:
    state = State(**values)
    read, problems = links.read_query(links.query_of(state))
    again = State(**read)
    assert problems == []
    for name in links.QUERY_NAMES:
        mine, theirs = getattr(state, name), getattr(again, name)
        assert theirs == (pytest.approx(mine, rel=1e-8) if isinstance(mine, float) else mine)
    assert again.pulse_width == pytest.approx(state.pulse_width, rel=1e-8)


def test_every_parameter_a_user_can_set_is_in_the_link() -> None:
    assert set(links.QUERY_NAMES) == set(State.param) - {"name", *DERIVED}
    assert len(set(links.QUERY_NAMES.values())) == len(links.QUERY_NAMES)


def test_the_default_view_has_no_query() -> None:
    assert links.query_of(State()) == ""


def test_names_in_links_are_stable() -> None:
    """A link of today must open tomorrow: this text is not to be changed, only added to."""
    old = (
        "page=error&src=synthetic&n=8&m=4&layout=uniform&seed=3&k=2&is=3e-07&rw=5&rl=100&g=0.2"
        "&cbl=1e-12&td=1e-09&align=staggered&stagger=2e-08&bits=4&lsb=4e-08&qbits=6&qmax=1e-12"
        "&sol=first_order&effects=crosstalk,wire&wl=7&bl=3&pat=drawn&pseed=2&codes=3,0*5,1"
        "&slot=1&show=drop&cmp=leave_one_out&split=calibration&theme=dark"
    )
    values, problems = links.read_query(old)
    assert problems == []
    assert values["n_word_lines"] == 8
    assert values["capacitance"] == 1e-12
    assert values["effects"] == ["crosstalk", "wire"]
    assert values["drawn_codes"] == (3, 0, 0, 0, 0, 0, 1)
    assert values["comparison_kind"] == "leave_one_out"
    assert links.query_of(State(**values)) == old


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("n=0", "whole number from 1 to 1024"),
        ("n=1e99", "whole number"),
        ("n=-3", "whole number"),
        ("k=nan", "number from 0 to 20"),
        ("k=inf", "number from 0 to 20"),
        ("k=", "number from 0 to 20"),
        ("page=../etc", "it can be crosstalk, error"),
        ("src=given", "it can be bundled, upload, synthetic"),
        ("effects=crosstalk,magic", "'magic' is no effect"),
        ("codes=1,2*99999999", "at most 1024 codes"),
        ("codes=a", "whole numbers"),
        ("codes=1*1*1", "whole numbers"),
        ("<script>=1", "unknown part"),
        ("upload=x&slot=99999999999999999999x", "whole number"),
    ],
)
def test_what_a_link_may_not_say_is_reported(query: str, words: str) -> None:
    values, problems = links.read_query(query)
    assert len(problems) == 1
    assert words in problems[0]
    State(**values)


def test_values_after_a_bad_one_still_count() -> None:
    values, problems = links.read_query("?n=zero&m=5&src=synthetic")
    assert values == {"n_bit_lines": 5, "source": "synthetic"}
    assert len(problems) == 1


def test_missing_parts_mean_defaults() -> None:
    """Going back in the browser's history must undo, not only add."""
    values = links.with_defaults({"n_word_lines": 5})
    assert values["n_word_lines"] == 5
    assert values["theme"] == "light"
    assert set(values) == set(links.QUERY_NAMES)
