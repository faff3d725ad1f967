"""Mach Power controllers: the manual's frames, its two readings of one check, and 16-bit counters."""

import pytest

from drivers.devices.turnstile_eb import Check, TurnstileEbCodec, turnstile_eb
from drivers.model import (
    Admit,
    AllOff,
    Counted,
    Done,
    Fault,
    Grade,
    Identify,
    Mode,
    Refusal,
    Refused,
    SetMode,
    Side,
    TimedOut,
)
from simulators.boards.turnstile_eb import TurnstileEB
from tests.unit.drivers.bench import Bench, twin

OPEN_LEFT = bytes.fromhex("EB 01 40 00 AA")
ANSWER_LEFT = bytes.fromhex("EB 01 C0 00 07 2D")


def admit(bench: Bench, id_: str = "a", side: Side = Side.LEFT, people: int = 1) -> Admit:
    return Admit(side=side, id=id_, issued_s=bench.now_s, people=people)


def test_frames_are_the_manuals() -> None:
    codec = TurnstileEbCodec()
    assert codec.admit(Side.LEFT, 1) == OPEN_LEFT
    assert codec.admit(Side.RIGHT, 1) == bytes.fromhex("EB 01 41 00 AB")
    assert codec.admit(Side.LEFT, 2) is None
    assert codec.mode(Mode.BLOCKED, None) == [bytes.fromhex("EB 01 4A 00 A0")]
    assert codec.mode(Mode.BLOCKED, Side.LEFT) == []


@pytest.mark.parametrize(("check", "down", "up"), [("rule", "A8", "A9"), ("manual", "AB", "AB")])
def test_lowering_and_raising_carry_the_check_that_is_set(check: Check, down: str, up: str) -> None:
    codec = TurnstileEbCodec(check=check)
    assert codec.mode(Mode.FREE, None) == [bytes.fromhex(f"EB 01 42 00 {down}")]
    assert codec.mode(Mode.NORMAL, None) == [
        bytes.fromhex("EB 01 4B 00 A1"),
        bytes.fromhex(f"EB 01 43 00 {up}"),
    ]
    assert codec.admit(Side.LEFT, 1) == OPEN_LEFT, "all others follow the rule"


def test_the_rule_is_the_default() -> None:
    assert TurnstileEbCodec().mode(Mode.FREE, None) == TurnstileEbCodec(check="rule").mode(Mode.FREE, None)


@pytest.mark.parametrize("check", ["rule", "manual"])
def test_a_controller_of_either_reading_lowers_its_arm(check: Check) -> None:
    gate = TurnstileEB(check=check)
    bench = Bench(turnstile_eb(check=check), twin(gate))
    assert bench.submit(SetMode(mode=Mode.FREE, id="f"), then_s=1) == [Done(id="f", grade=Grade.ACCEPTED)]
    assert gate.arm_down
    assert bench.submit(SetMode(mode=Mode.NORMAL, id="n"), then_s=1) == [Done(id="n", grade=Grade.ACCEPTED)]
    assert not gate.arm_down


def test_the_wrong_reading_is_noticed_and_not_taken_for_success() -> None:
    gate = TurnstileEB(check="manual")
    bench = Bench(turnstile_eb(check="rule"), twin(gate))
    events = bench.submit(SetMode(mode=Mode.FREE, id="f"), then_s=1)
    assert TimedOut(id="f", maybe_executed=True) in events
    assert not gate.arm_down


def test_people_are_counted_when_the_next_one_is_admitted() -> None:
    gate = TurnstileEB()
    gate.counts["left"] = 0xFFFF
    bench = Bench(turnstile_eb(), twin(gate))
    first = bench.submit(admit(bench), then_s=1)
    assert [event.delta for event in first if isinstance(event, Counted)] == [0]
    assert Done(id="a", grade=Grade.ACCEPTED) in first
    gate.walk("left", bench.now_s)
    second = bench.submit(admit(bench, "b"), then_s=1)
    assert [(one.delta, one.total) for one in second if isinstance(one, Counted)] == [(1, 0)]


def test_s7_without_an_answer_somebody_may_be_in_and_nothing_is_repeated() -> None:
    gate = TurnstileEB()
    gate.silent = True
    bench = Bench(turnstile_eb(), twin(gate))
    events = bench.submit(admit(bench), then_s=5)
    assert events == [
        Fault(active=True, why="the controller does not answer"),
        TimedOut(id="a", maybe_executed=True),
    ]
    assert bench.written == [OPEN_LEFT]


def test_one_missed_reply_does_not_keep_entries_shut_for_ever() -> None:
    gate = TurnstileEB()
    gate.silent = True
    bench = Bench(turnstile_eb(), twin(gate))
    bench.submit(admit(bench), then_s=25)
    assert [event.active for event in bench.events if isinstance(event, Fault)] == [True]
    assert [type(event) for event in bench.run(10)] == [Fault]  # one more may be tried
    again = bench.submit(admit(bench, "b"), then_s=1)
    assert [event.active for event in again if isinstance(event, Fault)] == [True]
    assert bench.written == [OPEN_LEFT] * 2
    gate.silent = False
    bench.run(40)
    assert Done(id="c", grade=Grade.ACCEPTED) in bench.submit(admit(bench, "c"), then_s=1)
    assert [event.active for event in bench.events if isinstance(event, Fault)][-1:] == [False]


def test_nothing_moves_at_a_line_up_and_nothing_is_asked() -> None:
    bench = Bench(turnstile_eb(), twin(TurnstileEB()))
    bench.run(60)
    bench.submit(AllOff(), then_s=1)
    assert bench.written == []


def test_the_controller_has_no_name() -> None:
    bench = Bench(turnstile_eb(), twin(TurnstileEB()))
    assert bench.submit(Identify(id="i")) == [Refused(id="i", why=Refusal.UNSUPPORTED)]


@pytest.mark.parametrize(
    ("came", "answers"),
    [
        ("EB 01 C0 00 07 2D", [True]),
        ("EB 01 C0 00 2A", [True]),  # without a counter
        ("EB 02 C0 00 07 2E", []),  # another address
        (
            "EB 01 C1 00 07 2C",
            [False],
        ),  # the answer to another command: its count is true, it answers nothing
        ("EB 01 C0 00 07 2E", []),  # a wrong check
        ("EB 01 40 00 AA", []),  # our own frame, by a local echo
    ],
)
def test_s8_only_the_answer_to_this_command_answers(came: str, answers: list[bool]) -> None:
    codec = TurnstileEbCodec()
    found = codec.feed(bytes.fromhex(came), OPEN_LEFT)
    assert [heard.answers for heard in found] == answers


def test_the_counter_is_high_byte_first() -> None:
    (heard,) = TurnstileEbCodec().feed(bytes.fromhex("EB 01 C0 01 07 2C"), OPEN_LEFT)
    assert heard.counts == ((Side.LEFT, 0x0107),)
