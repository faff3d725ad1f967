"""Holds that go on from one another: the output stays closed in between, and every command has its one outcome."""

from dataclasses import replace

import pytest

from drivers.model import (
    AllOff,
    Done,
    Fault,
    Grade,
    Outputs,
    Refusal,
    Refused,
    Release,
    TimedOut,
)
from drivers.relay_codec import Ask
from tests.unit.drivers.scripted import Bench, Kind
from tests.unit.drivers.test_relay import BOARD, HOST, KINDS, hold, outcomes, pulse

SWITCHES = (Ask.ON, Ask.OFF, Ask.PULSE)
MUTE = Kind(host_timed=True, reads=False, answers=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_renewed_hold_never_opens_the_output_in_between(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.written.clear()
    bench.submit(hold(bench, "first", seconds=2.0))
    for number, at_s in enumerate((2.0, 3.5, 5.0)):
        bench.run(at_s)
        bench.submit(hold(bench, f"again {number}", seconds=2.0))
    bench.run(6.9)
    assert bench.asks(*SWITCHES) == [(Ask.ON, 1)] * 4
    assert bench.board.closed(6.9) == {1}
    bench.run(9.0)
    assert bench.asks(*SWITCHES) == [(Ask.ON, 1)] * 4 + [(Ask.OFF, 1)]
    for id_ in ("first", "again 0", "again 1", "again 2"):
        held, done = outcomes(bench, id_)
        assert held == Outputs(id=id_, bits=1, read=False)
        assert isinstance(done, Done)
    assert not [event for event in bench.events if isinstance(event, Fault)]


def test_the_hold_before_is_done_when_the_new_one_is_written_and_not_earlier() -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench, "first"))
    bench.run(1.0)
    bench.submit(hold(bench, "again"))
    assert bench.take_events()[-1] == Outputs(id="first", bits=1, read=False)
    bench.run(1.5)
    assert [event for event in bench.events if not isinstance(event, Outputs)] == [
        Done(id="first", grade=Grade.ACCEPTED)
    ]


def test_the_later_end_counts() -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench, "long", seconds=10.0))
    bench.run(1.0)
    bench.submit(hold(bench, "short", seconds=2.0))
    bench.run(9.9)
    assert bench.board.closed(9.9) == {1}
    bench.run(11.0)
    assert bench.board.closed(11.0) == set()


def test_a_renewal_that_comes_at_the_last_moment_is_in_time() -> None:
    """The line belongs to somebody else while the hold runs out: it is not opened first."""
    bench = Bench(BOARD)
    bench.submit(hold(bench, "first", seconds=2.0))
    bench.run(1.99)
    bench.submit(hold(bench, "again", seconds=2.0))
    bench.driver.tick(2.05)
    bench.now_s = 2.05
    bench.run(3.9)
    assert bench.asks(*SWITCHES) == [(Ask.ON, 1), (Ask.ON, 1)]
    assert bench.board.closed(3.9) == {1}


def test_a_renewal_that_waited_too_long_is_refused_and_the_hold_ends_as_it_was_meant_to() -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench, "first", seconds=2.0))
    bench.run(1.5)
    bench.submit(hold(bench, "again", seconds=60.0))
    bench.now_s = 4.0  # nobody let it speak meanwhile
    bench.run(6.0)
    assert outcomes(bench, "again") == [Refused(id="again", why=Refusal.TOO_OLD)]
    assert outcomes(bench, "first")[-1] == Done(id="first", grade=Grade.CONFIRMED)
    assert bench.board.closed(6.0) == set()


@pytest.mark.parametrize("end", ["release", "off", "lost"])
def test_what_ends_a_hold_ends_its_renewal_too(end: str) -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench, "first"))
    bench.run(1.0)
    bench.submit(hold(bench, "again"))  # not written yet
    match end:
        case "release":
            bench.submit(Release(channel=1, id="r"))
        case "off":
            bench.submit(AllOff())
        case _:
            bench.driver.line_lost(1.0)
            bench.driver.line_up(1.0)
    bench.run(3.0)
    assert bench.board.closed(3.0) == set()
    (outcome,) = outcomes(bench, "again")
    never = TimedOut(id="again", maybe_executed=False)
    assert outcome == (never if end == "lost" else Refused(id="again", why=Refusal.OVERTAKEN))
    assert len([one for one in outcomes(bench, "first") if not isinstance(one, Outputs)]) == 1
    assert bench.asks(Ask.ON) == [(Ask.ON, 1)]


def test_holds_are_never_busy_and_a_pulse_is_no_renewal() -> None:
    bench = Bench(BOARD)
    for id_ in ("first", "again", "third"):
        bench.submit(hold(bench, id_))
    bench.submit(replace(pulse(bench, "pulse"), insist=True))
    bench.run(2.0)
    assert outcomes(bench, "pulse") == [Refused(id="pulse", why=Refusal.BUSY)]
    for id_ in ("first", "again"):
        assert outcomes(bench, id_) == [
            Outputs(id=id_, bits=1, read=False),
            Done(id=id_, grade=Grade.ACCEPTED),
        ]
    assert outcomes(bench, "third") == [Outputs(id="third", bits=1, read=False)]
    assert bench.asks(*SWITCHES) == [(Ask.ON, 1)] * 3


def test_p13_a_new_hold_closes_an_output_whose_board_lost_its_supply() -> None:
    """The driver does not assert a hold again by itself; somebody's new decision does."""
    bench = Bench(Kind(host_timed=True, reads=False))
    bench.submit(hold(bench, "first"))
    bench.run(1.0)
    bench.board.until_s.clear()
    bench.run(5.0)
    assert bench.board.closed(5.0) == set()
    bench.submit(hold(bench, "again"))
    bench.run(6.0)
    assert bench.board.closed(6.0) == {1}


@pytest.mark.parametrize("kind", [MUTE, HOST, BOARD])
@pytest.mark.parametrize("deaf", ["mute", "denies"])
def test_m2_a_hold_that_insists_goes_to_a_board_that_does_not_say_that_it_is_open(
    kind: Kind, deaf: str
) -> None:
    bench = Bench(kind, up=False)
    bench.board.mute = deaf == "mute"
    bench.board.denies = {Ask.OFF, Ask.ALL_OFF} if deaf == "denies" else set()
    bench.driver.line_up(0.0)
    bench.run(3.0)
    bench.submit(replace(hold(bench, "exit", seconds=5.0), insist=True))
    bench.run(7.0)
    assert bench.board.closed(7.0) == {1}
    bench.submit(replace(hold(bench, "again", seconds=5.0), insist=True))
    bench.run(11.0)
    assert bench.board.closed(11.0) == {1}
    bench.board.mute, bench.board.denies = False, set()
    bench.run(20.0)
    assert bench.board.closed(20.0) == set()


def test_m2_a_hold_that_does_not_insist_is_not_written_to_such_a_board() -> None:
    bench = Bench(BOARD, up=False)
    bench.board.mute = True
    bench.driver.line_up(0.0)
    bench.run(3.0)
    bench.submit(hold(bench, "entry"))
    bench.run(7.0)
    assert bench.asks(Ask.ON) == []
    assert outcomes(bench, "entry") == [TimedOut(id="entry", maybe_executed=False)]
