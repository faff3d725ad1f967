"""Presentations under any order of frames: never one too many, never one too few."""

from hypothesis import given
from hypothesis import strategies as st

from edge.vision.presentation import GONE_AFTER_S, InView, look

TEXTS = st.frozensets(st.sampled_from("ABC"), max_size=3)
FRAMES = st.lists(st.tuples(st.floats(0, 3, allow_nan=False), TEXTS), max_size=40)


@given(FRAMES)
def test_a_text_is_new_exactly_when_it_was_away_for_long(frames: list[tuple[float, frozenset[str]]]) -> None:
    view, now_s = InView(), 0.0
    last_s: dict[str, float] = {}
    for gap_s, texts in frames:
        now_s += gap_s
        view, new = look(view, texts, now_s)
        expected = {text for text in texts if text not in last_s or now_s - last_s[text] >= GONE_AFTER_S}
        assert new == tuple(sorted(expected))
        last_s.update(dict.fromkeys(texts, now_s))


@given(st.lists(st.tuples(st.floats(0, 1.49), st.booleans()), max_size=40))
def test_a_code_that_is_never_away_for_long_is_shown_once(sightings: list[tuple[float, bool]]) -> None:
    now_s = 0.0
    view, first = look(InView(), {"A"}, now_s)
    again: list[str] = []
    for gap_s, missed_between in sightings:
        if missed_between:
            view, new = look(view, set(), now_s + gap_s / 2)
            again += new
        now_s += gap_s
        view, new = look(view, {"A"}, now_s)
        again += new
    assert (first, again) == (("A",), [])
