"""What may close an output that is closed, or was a moment ago: holds always, pulses of exits once it is open again."""

from dataclasses import replace

import pytest

from drivers.model import Done, Fault, Grade, Outputs, Refusal, Refused, Release, TimedOut
from drivers.relay_codec import Ask
from drivers.relay_runs import SETTLE_S
from tests.unit.drivers.scripted import Bench, Kind
from tests.unit.drivers.test_relay import BOARD, HOST, KINDS, hold, outcomes, pulse

SWITCHES = (Ask.ON, Ask.OFF, Ask.PULSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.25])
def test_a_hold_takes_over_a_pulse_without_opening_in_between(kind: Kind, after_s: float) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.written.clear()
    bench.submit(pulse(bench))
    if after_s:
        bench.run(1.0 + after_s)
    bench.submit(hold(bench, seconds=5.0))
    bench.run(1.03 + after_s)
    for tenths in range(11, 60):
        bench.run(tenths / 10)
        assert bench.board.closed(bench.now_s) == {1}
    assert bench.asks(Ask.OFF) == []
    bench.run(8.0)
    assert bench.board.closed(8.0) == set()
    for id_ in ("a", "h"):
        assert len([one for one in outcomes(bench, id_) if not isinstance(one, Outputs)]) == 1
    assert isinstance(outcomes(bench, "h")[-1], Done | TimedOut)
    assert not [event for event in bench.events if isinstance(event, Fault) and "opened" in event.why]


@pytest.mark.parametrize("reads", [True, False])
def test_a_board_whose_timer_opens_in_spite_of_a_hold_is_told_once_more_behind_it(reads: bool) -> None:
    bench = Bench(Kind(reads=reads))
    bench.board.timer_wins = True
    bench.run(1.0)
    bench.submit(pulse(bench, ms=1000))
    bench.run(1.5)
    bench.submit(hold(bench, seconds=10.0))
    bench.run(2.0 + 2 * SETTLE_S)
    assert bench.board.closed(bench.now_s) == {1}
    bench.run(11.0)
    assert bench.board.closed(11.0) == {1}
    assert bench.asks(*SWITCHES) == [(Ask.PULSE, 1), (Ask.ON, 1), (Ask.ON, 1)]
    assert not [event for event in bench.events if isinstance(event, Fault)]
    bench.run(13.0)
    assert (bench.board.closed(13.0), isinstance(outcomes(bench, "h")[-1], Done)) == (set(), True)


def test_a_hold_that_was_released_is_not_told_once_more() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(pulse(bench, ms=1000))
    bench.run(1.2)
    bench.submit(hold(bench))
    bench.run(1.5)
    bench.submit(Release(channel=1, id="r"))
    bench.run(5.0)
    assert bench.asks(*SWITCHES) == [(Ask.PULSE, 1), (Ask.ON, 1), (Ask.OFF, 1)]
    assert bench.board.closed(5.0) == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hundredths", range(5, 60, 5))
def test_an_exit_is_busy_only_while_its_output_is_closed(kind: Kind, hundredths: int) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(replace(pulse(bench, "first"), insist=True))
    bench.run(1.0 + hundredths / 100)
    is_closed = bench.board.closed(bench.now_s) == {1}
    bench.submit(replace(pulse(bench, "second"), insist=True))
    bench.run(4.0)
    (first,), (second,) = outcomes(bench, "first"), outcomes(bench, "second")
    assert isinstance(first, Done)
    if is_closed:
        assert second == Refused(id="second", why=Refusal.BUSY)
    else:
        assert isinstance(second, Done)
        assert len(bench.asks(Ask.ON, Ask.PULSE)) == 2
    assert bench.board.closed(4.0) == set()


def test_an_entry_waits_until_the_end_of_the_pulse_before_was_looked_at() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(pulse(bench, "first"))
    bench.run(1.4)
    bench.submit(pulse(bench, "second"))
    bench.run(4.0)
    assert outcomes(bench, "second") == [Refused(id="second", why=Refusal.BUSY)]
    assert bench.asks(Ask.ON, Ask.PULSE) == [(Ask.PULSE, 1)]


@pytest.mark.parametrize("kind", [HOST, BOARD])
def test_a_denied_renewal_leaves_the_hold_before_as_it_was(kind: Kind) -> None:
    bench = Bench(kind)
    bench.submit(hold(bench, "first", seconds=5.0))
    bench.run(3.0)
    bench.board.denies = {Ask.ON}
    bench.submit(hold(bench, "again", seconds=60.0))
    bench.run(4.9)
    assert bench.board.closed(4.9) == {1}
    assert outcomes(bench, "again") == [TimedOut(id="again", maybe_executed=True)]
    bench.run(6.0)
    assert bench.board.closed(6.0) == set()


def test_an_opening_that_was_obeyed_and_not_heard_of_is_no_board_that_lost_its_supply() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(hold(bench, seconds=2.0))
    bench.run(2.95)
    bench.board.mute = True
    bench.run(4.3)
    bench.board.mute = False
    bench.run(7.0)
    assert [event.why for event in bench.events if isinstance(event, Fault) and "opened" in event.why] == []
    assert bench.board.closed(7.0) == set()


def test_p13_a_hold_that_opens_by_itself_is_said_after_it_took_over_too() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(pulse(bench))
    bench.run(1.1)
    bench.submit(hold(bench))
    bench.run(5.0)
    bench.board.until_s.clear()
    bench.run(10.0)
    assert outcomes(bench, "h")[-1] == TimedOut(id="h", maybe_executed=True)
    assert [event for event in bench.events if isinstance(event, Fault) and "opened by itself" in event.why]
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.ACCEPTED)]
