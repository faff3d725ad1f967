"""How long a process is waited for, and how often one that dies is started again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.vision.eye_pace import AT_ONCE, EVERY_S, WAIT_MIN_S, Pace, Patience


def test_the_first_starts_do_not_wait_and_the_next_ones_come_evenly() -> None:
    pace = Pace()
    waits = []
    now_s = 100.0
    for _ in range(6):
        waits.append(round(pace.wait_s(now_s), 6))
        now_s += waits[-1]
        pace.started(now_s)
    assert waits == [0, 0, 0, EVERY_S, EVERY_S, EVERY_S]


@given(st.lists(st.floats(0, 2), max_size=60))
def test_no_wait_is_longer_than_one_interval_and_no_second_has_more_starts_than_it_may(
    gaps: list[float],
) -> None:
    pace, now_s, starts = Pace(), 0.0, []
    for gap_s in gaps:
        now_s += gap_s
        wait_s = pace.wait_s(now_s)
        assert 0 <= wait_s <= EVERY_S + 1e-9
        now_s += wait_s
        pace.started(now_s)
        starts.append(now_s)
    for first in starts:
        assert sum(first <= start < first + 1 for start in starts) <= AT_ONCE + 1 / EVERY_S


def test_c4_a_process_that_computes_is_given_up_by_its_own_time_and_a_silent_one_by_the_clocks() -> None:
    patience = Patience(100.0, within_s=0.7, cpu_within_s=0.4)
    assert patience.wait_s(100.0, cpu_s=0.0) == pytest.approx(0.4)
    assert patience.wait_s(100.4, cpu_s=0.1) == pytest.approx(0.3), "it shares the processor with others"
    assert patience.wait_s(100.5, cpu_s=0.399) == pytest.approx(WAIT_MIN_S)
    assert patience.wait_s(100.65, cpu_s=0.0) == pytest.approx(0.05)
    with pytest.raises(TimeoutError, match=r"after 0\.4 s of computing"):
        patience.wait_s(100.4, cpu_s=0.4)
    with pytest.raises(TimeoutError, match=r"no answer for 0\.7 s"):
        patience.wait_s(100.71, cpu_s=0.1)
