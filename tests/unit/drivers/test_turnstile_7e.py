"""The 7E/7F controller: printed frames, admissions that are written once, people counted by 24 bits."""

import pytest

from drivers.devices.turnstile_7e import Turnstile7eCodec, turnstile_7e
from drivers.devices.turnstile_counter import TurnstileCounter
from drivers.model import (
    Admit,
    Alarm,
    AllOff,
    AnyEvent,
    Counted,
    Done,
    Fault,
    Grade,
    Identify,
    Identity,
    Mode,
    Pulse,
    Refusal,
    Refused,
    SetMode,
    Side,
    TimedOut,
)
from simulators.boards.turnstile_7e import Turnstile7E
from tests.unit.drivers.bench import Bench, silent, twin

OPEN_LEFT = bytes.fromhex("7E 00 01 80 01 00 00 FF")
STATUS = bytes.fromhex("7E 00 01 10 00 00 00 70")


def admit(bench: Bench, id_: str = "a", side: Side = Side.LEFT, people: int = 1) -> Admit:
    return Admit(side=side, id=id_, issued_s=bench.now_s, people=people)


def start(gate: Turnstile7E) -> Bench:
    """A bench whose first reading of the counters is over."""
    bench = Bench(turnstile_7e(), twin(gate))
    bench.run(0.5)
    return bench


def counted(events: list[AnyEvent]) -> list[tuple[Side, int, int]]:
    return [(event.side, event.delta, event.total) for event in events if isinstance(event, Counted)]


def test_frames_are_the_printed_ones() -> None:
    codec = Turnstile7eCodec(unit=1)
    assert codec.admit(Side.LEFT, 1) == OPEN_LEFT
    assert codec.status() == STATUS
    assert codec.admit(Side.RIGHT, 2) == bytes.fromhex("7E 00 01 82 02 00 00 FC")
    assert codec.admit(Side.LEFT, 256) is None


@pytest.mark.parametrize(
    ("mode", "side", "commands"),
    [
        (Mode.FREE, None, "81 83"),
        (Mode.FREE, Side.RIGHT, "83"),
        (Mode.BLOCKED, None, "88 89"),
        (Mode.BLOCKED, Side.LEFT, "88"),
        (Mode.NORMAL, None, "8F 84"),
        (Mode.NORMAL, Side.LEFT, ""),
    ],
)
def test_modes_are_the_makers_commands(mode: Mode, side: Side | None, commands: str) -> None:
    frames = Turnstile7eCodec().mode(mode, side)
    assert bytes(frame[3] for frame in frames) == bytes.fromhex(commands)


def test_an_admission_lets_one_person_through_and_the_person_is_counted() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    assert bench.submit(admit(bench), then_s=0.5) == [Done(id="a", grade=Grade.SENT)]
    assert gate.is_open("left")
    gate.walk("left", bench.now_s)
    (event,) = bench.run(0.5)
    assert isinstance(event, Counted)
    assert (event.side, event.delta, event.total) == (Side.LEFT, 1, 1)
    assert bench.now_s - 0.5 <= event.at_s <= bench.now_s
    assert not gate.is_open("left")
    assert bench.written.count(OPEN_LEFT) == 1


def test_s7_without_an_answer_somebody_may_be_in_and_nothing_is_repeated() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    gate.silent = True
    events = bench.submit(admit(bench), then_s=5)
    assert [event for event in events if isinstance(event, Done | TimedOut | Refused)] == [
        TimedOut(id="a", maybe_executed=True)
    ]
    assert bench.written.count(OPEN_LEFT) == 1
    assert gate.permits["left"] <= 1
    gate.silent = False
    assert [event.active for event in bench.run(2) if isinstance(event, Fault)] == [False]


def test_one_id_admits_once_and_one_side_has_one_open_admission() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    first = admit(bench)
    bench.driver.submit(first, bench.now_s)
    bench.driver.submit(first, bench.now_s)
    assert bench.submit(admit(bench, "b")) == [Refused(id="b", why=Refusal.BUSY)]
    assert Done(id="a", grade=Grade.SENT) in bench.run(0.5)
    assert gate.permits["left"] == 1
    assert bench.submit(admit(bench, "c", Side.RIGHT), then_s=0.5) == [Done(id="c", grade=Grade.SENT)]


def test_refusals_name_their_reason() -> None:
    bench = start(Turnstile7E())
    old = Admit(side=Side.LEFT, id="old", issued_s=bench.now_s - 2.1)
    assert bench.submit(old) == [Refused(id="old", why=Refusal.TOO_OLD)]
    assert bench.submit(admit(bench, "none", people=0)) == [Refused(id="none", why=Refusal.UNSUPPORTED)]
    pulse = Pulse(channel=1, ms=300, id="p", issued_s=bench.now_s)
    assert bench.submit(pulse) == [Refused(id="p", why=Refusal.UNSUPPORTED)]
    bench.driver.line_lost(bench.now_s)
    assert bench.submit(admit(bench, "down")) == [Refused(id="down", why=Refusal.LINE_DOWN)]


def test_a_line_that_goes_in_mid_admission_leaves_it_open_what_happened() -> None:
    bench = start(Turnstile7E())
    bench.submit(admit(bench))
    bench.driver.line_lost(bench.now_s)
    assert bench.driver.take_events() == [TimedOut(id="a", maybe_executed=True)]


def test_all_off_takes_back_what_was_not_written_and_closes_on_nobody() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    bench.submit(SetMode(mode=Mode.FREE, id="free"), then_s=0.5)
    bench.driver.submit(admit(bench), bench.now_s)
    before = len(bench.written)
    assert bench.submit(AllOff(), then_s=0.5) == [Refused(id="a", why=Refusal.OVERTAKEN)]
    assert {*bench.written[before:]} <= {STATUS}
    assert gate.always is not None


def test_modes_end_in_the_newest() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    assert bench.submit(SetMode(mode=Mode.BLOCKED, id="b"), then_s=0.5) == [Done(id="b", grade=Grade.SENT)]
    assert gate.forbidden == {"left", "right"}
    bench.driver.submit(SetMode(mode=Mode.FREE, id="f"), bench.now_s)
    events = bench.submit(SetMode(mode=Mode.NORMAL, id="n"), then_s=0.5)
    assert events == [Refused(id="f", why=Refusal.OVERTAKEN), Done(id="n", grade=Grade.SENT)]
    assert (gate.forbidden, gate.always) == (set(), None)


def test_alarms_and_faults_are_told_when_they_change() -> None:
    gate = Turnstile7E()
    bench = start(gate)
    gate.walk("right", bench.now_s)
    events = bench.run(1)
    assert Alarm(what="alarm bit 0", active=True) in events
    assert counted(events) == [(Side.RIGHT, 1, 1)]
    gate.alarm, gate.fault = False, 0x21
    assert bench.run(1) == [
        Alarm(what="alarm bit 0", active=False),
        Fault(active=True, why="the controller reports fault 0x21"),
    ]
    gate.fault = 0
    assert [event.active for event in bench.run(1) if isinstance(event, Fault)] == [False]


def test_people_are_counted_over_the_wrap_of_24_bits_and_while_the_line_was_away() -> None:
    gate = Turnstile7E()
    gate.counts["left"] = 0xFFFFFE
    bench = start(gate)
    for _ in range(4):
        gate.walk("left", bench.now_s)
    assert counted(bench.run(1)) == [(Side.LEFT, 4, 2)]
    bench.driver.line_lost(bench.now_s)
    gate.walk("left", bench.now_s)
    bench.driver.line_up(bench.now_s)
    assert counted(bench.run(1)) == [(Side.LEFT, 1, 3)]


def test_a_controller_that_was_reset_counts_on() -> None:
    gate = Turnstile7E()
    gate.counts["left"] = 5000
    bench = start(gate)
    gate.clear_count("left", bench.now_s)
    gate.walk("left", bench.now_s)
    assert counted(bench.run(1)) == [(Side.LEFT, 1, 1)]


def test_the_controller_has_a_weak_name() -> None:
    bench = start(Turnstile7E())
    (identity,) = bench.submit(Identify(id="i"), then_s=0.5)
    assert isinstance(identity, Identity)
    assert (identity.id, identity.firmware) == ("i", "0x12")


def test_a_dead_controller_is_a_fault_and_is_asked_less_often() -> None:
    bench = Bench(turnstile_7e(), silent)
    assert [event for event in bench.run(10) if isinstance(event, Fault)] == [
        Fault(active=True, why="the controller does not answer")
    ]
    assert len(bench.written) <= 15


def test_another_units_state_is_no_answer_and_no_count() -> None:
    gate = Turnstile7E()
    foreign = gate.from_another_unit(gate.receive(STATUS, 0.0)[0].data)
    codec = Turnstile7eCodec(unit=1)
    assert codec.feed(foreign, OPEN_LEFT) == []
    codec.flush()
    assert codec.take_garbage() == len(foreign)


def reading(bits: int, *totals: int) -> list[int | None]:
    """Deltas of readings half a second apart."""
    counter = TurnstileCounter(bits)
    return [counter.read(total, 0.5 * at) for at, total in enumerate(totals)]


def test_another_controller_after_an_outage_is_not_thousands_of_people() -> None:
    counter = TurnstileCounter(24)
    assert counter.read(100, 0.0) is None
    assert counter.read(150, 3600.0) == 50  # what one minute allows
    assert counter.read(5050, 7200.0) is None
    assert counter.read(5051, 7200.2) is None  # counting starts here
    assert counter.read(5052, 7200.4) == 1


def test_the_counter_knows_wraps_resets_and_what_nobody_can_walk() -> None:
    assert reading(16, 10, 10, 12) == [None, 0, 2]
    assert reading(16, 65534, 1, 2) == [None, 3, 1]
    assert reading(24, 0xFFFFFF, 0) == [None, 1]
    assert reading(16, 5000, 0, 1) == [None, 0, 1]
    assert reading(16, 5000, 2) == [None, 2]
    assert reading(16, 5, 60161, 6) == [None, None, 1], "one impossible reading changes nothing"
    assert reading(16, 5, 60161, 60162, 60163) == [None, None, None, 1], "two that agree do"
