"""Relay boards of every kind in virtual time: what is promised, and what must never happen."""

from itertools import pairwise

import pytest

from drivers.model import (
    AllOff,
    Command,
    Done,
    Fault,
    Garbage,
    Grade,
    Hold,
    Identify,
    InputEdge,
    Outputs,
    Pulse,
    ReadOutputs,
    Refusal,
    Refused,
    Release,
    TimedOut,
)
from drivers.peripherals import Measure
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask
from tests.unit.drivers.scripted import Bench, Kind, ScriptedCodec

SWITCHING = (Ask.ON, Ask.OFF, Ask.PULSE, Ask.ALL_OFF)
KINDS = [
    Kind(host_timed=host, reads=reads, answers=answers, all_off=all_off)
    for host in (True, False)
    for reads, answers in ((True, True), (False, True), (False, False))
    for all_off in (True, False)
]
BOARD, HOST = Kind(), Kind(host_timed=True)
MUTE = Fault(active=True, why="the board does not answer")


def pulse(bench: Bench, id_: str = "a", *, channel: int = 1, ms: int = 300, age_s: float = 0.0) -> Pulse:
    return Pulse(channel=channel, ms=ms, id=id_, issued_s=bench.now_s - age_s)


def hold(bench: Bench, id_: str = "h", *, channel: int = 1, seconds: float = 60.0) -> Hold:
    return Hold(channel=channel, seconds=seconds, id=id_, issued_s=bench.now_s)


def outcomes(bench: Bench, id_: str) -> list[object]:
    return [event for event in bench.events if getattr(event, "id", None) == id_]


@pytest.mark.parametrize("kind", KINDS)
def test_s15_a_line_that_comes_up_opens_every_output_first(kind: Kind) -> None:
    bench = Bench(kind)
    bench.board.until_s = {3: float("inf")}
    bench.driver.line_lost(1.0)
    bench.written.clear()
    bench.driver.line_up(2.0)
    bench.submit(pulse(bench))
    bench.run(3.0)
    first = bench.asks(*SWITCHING)
    opened = [(Ask.ALL_OFF, 0)] if kind.all_off else [(Ask.OFF, channel) for channel in range(1, 5)]
    if not kind.answers and not kind.reads:  # a board that says nothing is told twice
        opened += [(Ask.OFF, channel) for channel in range(1, 5)]
    assert first[: len(opened)] == opened
    assert first[len(opened)] == (Ask.ON if kind.host_timed else Ask.PULSE, 1)
    assert bench.board.closed(3.0) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_pulse_is_closed_once_opened_and_graded_by_what_is_known(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.written.clear()
    bench.submit(pulse(bench))
    bench.run(1.25)
    assert bench.board.closed(1.25) == {1}
    bench.run(3.0)
    assert bench.board.closed(3.0) == set()
    switched = [(Ask.ON, 1), (Ask.OFF, 1)] if kind.host_timed else [(Ask.PULSE, 1)]
    assert bench.asks(*SWITCHING) == switched
    grade = Grade.CONFIRMED if kind.reads else Grade.ACCEPTED if kind.answers else Grade.SENT
    assert outcomes(bench, "a") == [Done(id="a", grade=grade)]


def test_a_pulse_that_was_never_seen_closed_is_not_confirmed() -> None:
    bench = Bench(HOST)
    bench.board.until_s = NeverClosed()
    bench.submit(pulse(bench))
    bench.run(3.0)
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.ACCEPTED)]


class NeverClosed(dict[int, float]):
    """Outputs of a board that says yes and does nothing."""

    def __setitem__(self, channel: int, until_s: float) -> None:
        pass


@pytest.mark.parametrize("kind", [one for one in KINDS if one.answers])
def test_s6_a_pulse_that_nobody_answers_is_doubtful_and_never_written_again(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.written.clear()
    bench.board.mute = True
    bench.submit(pulse(bench))
    bench.run(8.0)
    bench.board.mute = False
    bench.run(12.0)
    assert outcomes(bench, "a") == [TimedOut(id="a", maybe_executed=True)]
    assert len(bench.asks(Ask.ON, Ask.PULSE)) == 1
    assert bench.board.closed(12.0) == set()
    assert bench.events.count(MUTE) == 1


def test_a_short_board_timed_pulse_is_not_done_before_its_answer_is_due() -> None:
    bench = Bench(Kind(reads=False))
    bench.board.mute = True
    bench.submit(pulse(bench, ms=100))
    bench.run(0.15)
    assert outcomes(bench, "a") == []
    bench.run(3.0)
    assert outcomes(bench, "a") == [TimedOut(id="a", maybe_executed=True)]


def test_a_late_yes_ends_a_short_pulse_at_once() -> None:
    bench = Bench(Kind(reads=False))
    bench.submit(pulse(bench, ms=100))
    bench.driver.tick(bench.now_s)
    (data,) = bench.driver.take_output()
    answer = bench.board.receive(data, bench.now_s)
    bench.driver.tick(0.15)
    bench.driver.receive(answer, 0.17)
    bench.driver.tick(0.17)
    assert bench.driver.take_events() == [Done(id="a", grade=Grade.ACCEPTED)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_must_not_be_sent_is_refused_and_the_limits_are_sent(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.written.clear()
    wrong: dict[str, tuple[Command, Refusal]] = {
        "channel 0": (pulse(bench, "channel 0", channel=0), Refusal.BAD_CHANNEL),
        "channel 5": (pulse(bench, "channel 5", channel=5), Refusal.BAD_CHANNEL),
        "short": (pulse(bench, "short", ms=0), Refusal.BAD_LENGTH),
        "step": (pulse(bench, "step", ms=150), Refusal.BAD_LENGTH),
        "long": (pulse(bench, "long", ms=2100), Refusal.BAD_LENGTH),
        "old": (pulse(bench, "old", age_s=2.01), Refusal.TOO_OLD),
        "nan": (Pulse(channel=1, ms=300, id="nan", issued_s=float("nan")), Refusal.TOO_OLD),
        "hold": (hold(bench, "hold", seconds=float("nan")), Refusal.BAD_LENGTH),
        "for ever": (hold(bench, "for ever", seconds=1e9), Refusal.BAD_LENGTH),
        "measure": (Measure(id="measure"), Refusal.UNSUPPORTED),
    }
    for id_, (command, why) in wrong.items():
        bench.submit(command)
        bench.turn()
        assert outcomes(bench, id_) == [Refused(id=id_, why=why)]
    assert bench.asks(*SWITCHING) == []
    bench.submit(pulse(bench, "shortest", channel=4, ms=100, age_s=2.0))
    bench.submit(pulse(bench, "longest", channel=1, ms=2000))
    bench.run(1.4)
    assert {channel for _, channel in bench.asks(Ask.ON, Ask.PULSE)} == {1, 4}


def test_a_pulse_that_waited_too_long_is_refused_and_not_written() -> None:
    bench = Bench(HOST)
    bench.board.mute = True
    bench.submit(pulse(bench, "a", channel=1))
    bench.submit(pulse(bench, "b", channel=2, age_s=1.9))  # behind an answer that does not come
    bench.run(3.0)
    assert outcomes(bench, "b") == [Refused(id="b", why=Refusal.TOO_OLD)]
    assert bench.asks(Ask.ON) == [(Ask.ON, 1)]


def test_a_pulse_whose_line_others_keep_ends_when_it_is_too_old() -> None:
    bench = Bench(HOST)
    bench.submit(pulse(bench))
    deadline_s = bench.driver.next_deadline()
    assert deadline_s is not None
    bench.driver.tick(2.5)  # and nobody took the output
    assert bench.driver.take_events() == [Refused(id="a", why=Refusal.TOO_OLD)]
    bench.submit(AllOff())
    assert bench.driver.take_events() == []


def test_a_pulse_from_the_future_waits_no_longer_than_another() -> None:
    bench = Bench(HOST)
    bench.submit(pulse(bench, age_s=-100.0))
    bench.driver.tick(2.5)
    assert bench.driver.take_events() == [Refused(id="a", why=Refusal.TOO_OLD)]


def test_the_same_id_is_carried_out_once_and_a_busy_output_is_refused() -> None:
    bench = Bench(BOARD)
    for id_ in ("a", "a", "b"):
        bench.submit(pulse(bench, id_))
    bench.run(2.0)
    bench.submit(pulse(bench, "a"))
    bench.run(4.0)
    assert bench.asks(Ask.PULSE) == [(Ask.PULSE, 1)]
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.CONFIRMED)]
    assert outcomes(bench, "b") == [Refused(id="b", why=Refusal.BUSY)]


@pytest.mark.parametrize("kind", KINDS)
def test_all_off_ends_what_runs_and_overtakes_what_waits(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(pulse(bench, "runs", channel=1, ms=2000))
    bench.turn()
    bench.written.clear()
    bench.submit(pulse(bench, "waits", channel=2))
    bench.submit(Release(channel=3, id="release"))
    bench.submit(AllOff())
    bench.run(6.0)
    assert outcomes(bench, "runs") == [TimedOut(id="runs", maybe_executed=True)]
    assert outcomes(bench, "waits") == [Refused(id="waits", why=Refusal.OVERTAKEN)]
    assert outcomes(bench, "release") == [Refused(id="release", why=Refusal.OVERTAKEN)]
    opened = [(Ask.ALL_OFF, 0)] if kind.all_off else [(Ask.OFF, channel) for channel in range(1, 5)]
    assert bench.asks(*SWITCHING) == opened


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_lasts_until_it_is_released_or_over(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(hold(bench, "held", channel=1))
    bench.submit(hold(bench, "short", channel=2, seconds=2.0))
    bench.run(2.0)
    assert bench.board.closed(2.0) == {1, 2}
    assert outcomes(bench, "held") == [Outputs(id="held", bits=1, read=False)]
    bench.submit(Release(channel=1, id="release"))
    bench.run(2.5)
    assert bench.board.closed(2.5) == {2}
    bench.run(5.0)
    assert bench.board.closed(5.0) == set()
    grade = Grade.ACCEPTED if kind.answers else Grade.SENT
    assert outcomes(bench, "release") == [Done(id="release", grade=grade)]
    assert outcomes(bench, "held")[1:] == [Done(id="held", grade=grade)]
    assert [type(event) for event in outcomes(bench, "short")] == [Outputs, Done]
    assert not [event for event in bench.events if isinstance(event, Fault)]


def test_p13_a_hold_that_opens_by_itself_is_a_fault_and_is_not_asserted_again() -> None:
    bench = Bench(BOARD)
    bench.submit(hold(bench))
    bench.run(2.0)
    bench.board.until_s.clear()  # the board lost its supply for a moment
    bench.run(10.0)
    assert outcomes(bench, "h")[1:] == [TimedOut(id="h", maybe_executed=True)]
    faults = [event.why for event in bench.events if isinstance(event, Fault)]
    assert faults[0] == "output 1 opened by itself: did the board lose its supply?"
    assert bench.asks(Ask.ON) == [(Ask.ON, 1)]
    assert bench.asks(Ask.OFF)[-1:] == [(Ask.OFF, 1)]  # told to open all the same


def test_s13_a_welded_relay_is_a_fault_is_told_to_open_again_and_heals() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.submit(pulse(bench))
    bench.run(1.1)
    bench.board.welded = {1}
    bench.run(4.0)
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.ACCEPTED)]
    faults = [event for event in bench.events if isinstance(event, Fault)]
    assert faults == [Fault(active=True, why="output 1 stays closed: welded, or switched by somebody else")]
    assert set(bench.asks(Ask.OFF)) == {(Ask.OFF, 1)}
    bench.board.welded = set()
    bench.run(6.0)
    assert [event.active for event in bench.events if isinstance(event, Fault)] == [True, False]


def test_s13_a_relay_that_somebody_else_closed_is_a_fault_and_is_told_to_open() -> None:
    bench = Bench(BOARD)
    bench.run(1.0)
    bench.board.until_s[2] = float("inf")
    bench.run(5.0)
    assert [event.active for event in bench.events if isinstance(event, Fault)] == [True, False]
    assert bench.asks(*SWITCHING) == [(Ask.ALL_OFF, 0), (Ask.OFF, 2)]
    assert bench.board.closed(5.0) == set()


@pytest.mark.parametrize("kind", [Kind(all_off=False), Kind(), HOST])
def test_an_opening_that_is_denied_is_owed_and_nothing_is_closed_meanwhile(kind: Kind) -> None:
    bench = Bench(kind)
    bench.run(1.0)
    bench.submit(hold(bench, channel=2))
    bench.run(2.0)
    bench.board.denies = {Ask.OFF, Ask.ALL_OFF}
    bench.submit(Release(channel=2, id="release"))
    bench.run(3.0)
    assert outcomes(bench, "release") == [TimedOut(id="release", maybe_executed=True)]
    bench.submit(pulse(bench, "again", channel=2))
    bench.submit(pulse(bench, "other", channel=3))
    bench.turn()
    assert outcomes(bench, "again") == [Refused(id="again", why=Refusal.OVERTAKEN)]
    bench.board.denies = set()
    bench.run(7.0)
    assert bench.board.closed(7.0) == set()
    bench.submit(pulse(bench, "later", channel=2))
    bench.run(9.0)
    assert [type(event) for event in outcomes(bench, "later")] == [Done]
    faults = [event for event in bench.events if isinstance(event, Fault)]
    assert faults[0] == Fault(active=True, why="output 2 may still be closed: no")
    assert not faults[-1].active


def test_a_board_that_does_not_know_all_off_is_opened_one_by_one() -> None:
    bench = Bench(Kind(), up=False)
    bench.board.denies = {Ask.ALL_OFF}
    bench.board.until_s = {3: float("inf")}
    bench.driver.line_up(0.0)
    bench.submit(pulse(bench, "too soon"))
    bench.run(2.0)
    assert bench.board.closed(2.0) == set()
    assert bench.asks(Ask.OFF) == [(Ask.OFF, channel) for channel in range(1, 5)]
    assert outcomes(bench, "too soon") == [Refused(id="too soon", why=Refusal.OVERTAKEN)]
    bench.submit(pulse(bench))
    bench.run(4.0)
    assert outcomes(bench, "a") == [Done(id="a", grade=Grade.CONFIRMED)]


def test_an_unanswered_opening_of_a_pulse_is_tried_until_it_is_taken() -> None:
    bench = Bench(HOST)
    bench.submit(pulse(bench))
    bench.turn()
    bench.board.mute = True
    bench.run(10.0)
    assert outcomes(bench, "a") == [TimedOut(id="a", maybe_executed=True)]
    assert len(bench.asks(Ask.OFF)) > 5
    bench.board.mute = False
    bench.run(12.0)
    tries = len(bench.asks(Ask.OFF))
    bench.run(20.0)
    assert len(bench.asks(Ask.OFF)) == tries


def test_a_mute_board_is_asked_seldom() -> None:
    bench = Bench(Kind(inputs=4, all_off=False))
    bench.run(1.0)
    bench.board.mute = True
    bench.submit(AllOff())
    bench.run(5.0)
    bench.written.clear()
    bench.run(15.0)
    assert 10 < len(bench.written) < 60
    bench.board.mute = False
    bench.run(20.0)
    assert [event.active for event in bench.events if event == MUTE] == [True]
    assert [event for event in bench.events if isinstance(event, Fault)][-1].active is False


@pytest.mark.parametrize("answered", [True, False])
def test_a_denied_closing_is_refused_and_opened_all_the_same(answered: bool) -> None:
    bench = Bench(Kind(host_timed=answered))
    bench.board.denies = {Ask.ON, Ask.PULSE}
    bench.submit(pulse(bench))
    bench.run(2.0)
    assert outcomes(bench, "a") == [Refused(id="a", why=Refusal.DENIED)]
    assert bench.asks(Ask.OFF) == ([(Ask.OFF, 1)] if answered else [])


def test_s2_a_lost_line_ends_every_command_once_and_keeps_nothing() -> None:
    bench = Bench(HOST)
    bench.run(1.0)
    bench.submit(pulse(bench, "runs", channel=1, ms=2000))
    bench.turn()
    bench.submit(ReadOutputs(id="open"))
    bench.driver.tick(bench.now_s)
    bench.driver.take_output()
    for command in (
        pulse(bench, "waits", channel=2),
        Release(channel=3, id="release"),
        ReadOutputs(id="read"),
        Identify(id="who"),
    ):
        bench.submit(command)
    bench.driver.line_lost(1.1)
    bench.submit(ReadOutputs(id="down"))
    bench.submit(Identify(id="nobody"))
    assert bench.take_events()[-8:] == [
        TimedOut(id="runs", maybe_executed=True),
        TimedOut(id="waits", maybe_executed=False),
        TimedOut(id="open", maybe_executed=False),
        Refused(id="release", why=Refusal.LINE_DOWN),
        Refused(id="read", why=Refusal.LINE_DOWN),
        Refused(id="who", why=Refusal.LINE_DOWN),
        Refused(id="down", why=Refusal.LINE_DOWN),
        Refused(id="nobody", why=Refusal.LINE_DOWN),
    ]
    bench.driver.line_up(2.0)
    bench.written.clear()
    bench.run(10.0)
    assert bench.asks(*SWITCHING) == [(Ask.ALL_OFF, 0)]
    assert bench.take_events() == []


@pytest.mark.parametrize("one_by_one", [True, False])
def test_outputs_that_are_asked_for_come_once(one_by_one: bool) -> None:
    bench = Bench(Kind(one_by_one=one_by_one))
    bench.submit(hold(bench, channel=3))
    bench.run(0.5)
    bench.submit(ReadOutputs(id="read"))
    bench.run(0.9)
    assert outcomes(bench, "read") == [Outputs(id="read", bits=0b100, read=True)]
    bench.board.mute = True
    bench.submit(ReadOutputs(id="mute"))
    bench.run(12.0)
    assert outcomes(bench, "mute") == [TimedOut(id="mute", maybe_executed=False)]
    bench.board.mute, bench.board.denies = False, {Ask.OUTPUTS}
    bench.submit(ReadOutputs(id="denied"))
    bench.run(24.0)
    assert outcomes(bench, "denied") == [Refused(id="denied", why=Refusal.DENIED)]


def test_s8_garbage_echo_and_other_answers_are_never_success() -> None:
    bench = Bench(HOST)
    bench.run(1.0)
    bench.submit(pulse(bench))
    bench.driver.tick(bench.now_s)
    (data,) = bench.driver.take_output()
    answer = bench.board.receive(data, bench.now_s)
    other = bench.board.receive(data[:1] + b"\0\2" + data[3:5] + b"?", bench.now_s)
    broken = answer[:-1] + bytes((answer[-1] ^ 1,))
    for noise in (data, other, broken, b"\0\xff" * 50, answer[:3]):
        bench.driver.receive(noise, bench.now_s)
    bench.driver.tick(bench.now_s + 0.25)
    assert [event for event in bench.driver.take_events() if not isinstance(event, Garbage)] == [
        MUTE,
        TimedOut(id="a", maybe_executed=True),
    ]


def test_s8_the_rest_of_an_old_answer_is_no_part_of_the_next() -> None:
    bench = Bench(Kind(reads=False))
    bench.submit(pulse(bench, "a"))
    bench.driver.tick(0.02)
    (data,) = bench.driver.take_output()
    answer = bench.board.receive(data, 0.02)
    bench.driver.tick(0.3)  # not answered
    bench.driver.receive(answer[:4], 0.35)
    bench.driver.tick(0.7)
    bench.submit(Release(channel=1, id="r"))
    bench.submit(pulse(bench, "b", channel=2))
    bench.driver.tick(0.8)
    bench.driver.take_output()
    bench.driver.receive(answer[4:], 0.81)
    assert not [event for event in bench.driver.take_events() if isinstance(event, Done)]


def test_s8_noise_is_counted_once_a_second() -> None:
    bench = Bench(BOARD)
    for at_ms in range(100):
        bench.driver.receive(b"\xff", 0.1 + at_ms / 1000)
    bench.run(3.0)
    assert [event for event in bench.events if isinstance(event, Garbage)] == [Garbage(100)]


def test_inputs_are_polled_and_give_debounced_edges() -> None:
    bench = Bench(Kind(inputs=4))
    bench.run(1.0)
    bench.board.levels = 0b10
    bench.run(1.3)
    bench.board.levels = 0
    bench.run(1.6)
    edges = [(event.channel, event.active) for event in bench.events if isinstance(event, InputEdge)]
    assert edges == [(2, True), (2, False)]


def test_a_board_that_needs_silence_gets_it_between_frames() -> None:
    bench = Bench(Kind(reads=False, answers=False, all_off=False, silence_s=0.05))
    bench.run(1.0)
    times = [at_s for at_s, _, _ in bench.written]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.05] * 7)


def test_a_board_that_says_nothing_gets_its_frames_at_once() -> None:
    driver = RelayDriver(ScriptedCodec(Kind(host_timed=True, reads=False, answers=False, all_off=False)))
    driver.line_up(0.0)
    driver.submit(Pulse(channel=1, ms=100, id="a", issued_s=0.0), 0.0)
    assert len(driver.take_output()) == 9  # two openings of each output and the pulse
