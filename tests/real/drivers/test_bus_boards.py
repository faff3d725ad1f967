"""A bus on pseudo-terminals: pulses reach the board and drop, cables come and go, nobody is let in twice."""

import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.bus import AGAIN_FIRST_S, Bus
from drivers.lcus import LcusDriver
from drivers.model import (
    AllOff,
    Done,
    Event,
    Fault,
    Grade,
    InputEdge,
    Line,
    LineSettings,
    Pulse,
    Refusal,
    Refused,
    TimedOut,
)
from drivers.port import PortBusyError, PortError, PortLostError, PortMissingError, SerialPort
from drivers.registry import make_driver
from simulators.boards.pty_line import PtyLine
from tests.real.drivers.conftest import Listen
from tests.real.drivers.rig import Rig
from tests.waiting import until

pytestmark = pytest.mark.real

ALL_OFF = b"".join(bytes((0xA0, channel, 0, 0xA0 + channel)) for channel in range(1, 9))
ON_1, OFF_1, ON_2 = bytes.fromhex("A0 01 01 A2"), bytes.fromhex("A0 01 00 A1"), bytes.fromhex("A0 02 01 A3")


def hear(line: PtyLine, count: int) -> bytes:
    """The next ``count`` bytes on a bare line, and not one more."""
    heard = b""

    def enough() -> bool:
        nonlocal heard
        heard += line.read()
        return len(heard) >= count

    until(enough, what=f"{count} bytes")
    return heard


def test_a_pulse_reaches_the_board_at_once_and_drops_by_itself(rig: Rig, listen: Listen) -> None:
    listener = listen("lcus", rig.relays)
    listener.wait_up()
    sent_s = listener.pulse(ms=150)
    assert listener.wait(Done) == [Done(id="a", grade=Grade.SENT)]
    rows = until(lambda: rows if len(rows := rig.tape("relay")) == 2 else None, what="both relay edges")
    assert [(row["what"], row["channel"]) for row in rows] == [("relay_on", 1), ("relay_off", 1)]
    assert rows[0]["mono"] - sent_s < 0.1  # under 2 ms alone; the machine may be busy
    assert 0.1 < rows[1]["mono"] - rows[0]["mono"] < 0.3


def test_a_pulled_cable_ends_the_pulse_and_nothing_is_repeated_when_it_is_back(
    line: PtyLine, listen: Listen
) -> None:
    listener = listen("lcus", line.link)
    assert hear(line, 2 * len(ALL_OFF)) == ALL_OFF * 2
    listener.wait_up()
    listener.pulse("a", ms=2000)
    assert hear(line, 4) == ON_1
    line.unplug()
    assert listener.wait(TimedOut) == [TimedOut(id="a", maybe_executed=True)]
    until(lambda: not listener.bus.healthy, what="the bus to see the loss")
    line.plug()
    listener.wait_up(count=2)
    listener.pulse("b", channel=2, ms=100)
    # The next thing after the openings is the new pulse: the old one did not come again.
    assert hear(line, 2 * len(ALL_OFF) + 4) == ALL_OFF * 2 + ON_2
    assert listener.wait(Done) == [Done(id="b", grade=Grade.SENT)]


def test_the_board_drops_its_relays_with_the_cable_and_obeys_again_after_it(rig: Rig, listen: Listen) -> None:
    listener = listen("lcus", rig.relays)
    listener.wait_up()
    listener.pulse("a", ms=2000)
    until(lambda: rig.tape("relay_on"), what="the relay")
    rig.boards.ask(rig.boards.unplug_relays)
    listener.wait(TimedOut)
    rig.boards.ask(rig.boards.plug)
    listener.wait_up(count=2)
    assert [row["what"] for row in rig.tape("relay")] == ["relay_on", "relay_off"]
    listener.pulse("b", ms=100)
    listener.wait(Done)
    until(lambda: len(rig.tape("relay")) == 4, what="the second pulse on the board")


def test_a_missing_port_is_reported_once_and_heals_when_it_comes(tmp_path: Path, listen: Listen) -> None:
    line = PtyLine(tmp_path / "late")
    listener = listen("lcus", line.link)
    down = listener.wait(Line)[0]
    assert (down.up, f"{line.link} is not there" in down.why) == (False, True)
    listener.pulse()
    until(lambda: len(listener.events) == 2, what="the refusal")
    line.plug()
    try:
        listener.wait_up()
        assert listener.bus.healthy
        assert [event.up for event in listener.of(Line)] == [False, True]
        listener.pulse("b", ms=100)
        assert listener.wait(Done) == [Done(id="b", grade=Grade.SENT)]
    finally:
        listener.bus.close()
        line.unplug()


def test_a_busy_port_is_named_with_its_holder(line: PtyLine) -> None:
    first, second = (SerialPort(line.link, LineSettings()) for _ in range(2))
    first.open()
    try:
        with pytest.raises(PortBusyError, match=str(line.link)) as caught:
            second.open()
        assert caught.value.holder is not None
        assert "python" in caught.value.holder or "pytest" in caught.value.holder
    finally:
        first.close()
    second.open()  # free at once
    second.close()


def test_ports_fail_in_one_family_of_errors(line: PtyLine, tmp_path: Path) -> None:
    with pytest.raises(PortMissingError):
        SerialPort(tmp_path / "nothing", LineSettings()).open()
    plain = tmp_path / "file"
    plain.touch()
    with pytest.raises(PortError, match="cannot be used as a serial port"):
        SerialPort(plain, LineSettings()).open()
    port = SerialPort(line.link, LineSettings())
    port.open()
    line.unplug()
    with pytest.raises(PortLostError):
        port.read()
    with pytest.raises(PortLostError):
        port.write(b"x")
    port.close()


def test_a_port_carries_every_byte_value_both_ways(line: PtyLine) -> None:
    every = bytes(range(256))
    port = SerialPort(line.link, LineSettings())
    port.open()
    try:
        port.write(every)
        assert hear(line, 256) == every
        line.write(every)
        heard = bytearray()

        def all_heard() -> bool:
            heard.extend(port.read())
            return heard == every

        until(all_heard, what="the same 256 bytes")
        assert port.read() == b""
    finally:
        port.close()


def test_a_walk_through_gives_one_edge_each_way(rig: Rig, listen: Listen) -> None:
    relays, inputs = listen("lcus", rig.relays), listen("modbus-inputs", rig.inputs)
    relays.wait_up()
    inputs.wait_up()
    relays.pulse(channel=2, ms=100)
    edges = inputs.wait_edges(2)
    assert [(edge.channel, edge.active) for edge in edges] == [(2, True), (2, False)]
    contact = rig.tape("contact")
    assert [row["what"] for row in contact] == ["contact_on", "contact_off"]
    for edge, row in zip(edges, contact, strict=True):
        assert -0.05 < edge.at_s - row["mono"] < 0.2
    assert inputs.of(Fault) == []


def test_a_silent_unit_is_one_fault_and_heals(rig: Rig, listen: Listen) -> None:
    rig.boards.inputs.silent = True
    listener = listen("modbus-inputs", rig.inputs)
    assert [fault.active for fault in listener.wait(Fault)] == [True]
    until(lambda: not listener.bus.healthy, what="the fault to show")
    rig.boards.inputs.silent = False
    assert [fault.active for fault in listener.wait(Fault, 2)] == [True, False]
    until(lambda: listener.bus.healthy, what="the recovery to show")


def test_a_board_hears_nothing_at_the_wrong_speed(rig: Rig) -> None:
    for baud, edges in ((19200, []), (9600, ["relay_on"])):
        port = SerialPort(rig.relays, LineSettings(baud=baud))
        port.open()
        try:
            port.write(ON_1)
            rig.boards.ask(lambda: None)  # the board has had a turn since
            rig.boards.ask(lambda: None)
            assert [row["what"] for row in rig.tape("relay")] == edges
        finally:
            port.close()


def test_closing_in_mid_pulse_opens_the_relays_and_is_quick(line: PtyLine, listen: Listen) -> None:
    listener = listen("lcus", line.link)
    hear(line, 2 * len(ALL_OFF))
    listener.wait_up()
    listener.pulse(ms=2000)
    assert hear(line, 4) == ON_1
    began_s = time.monotonic()
    listener.bus.close()
    assert time.monotonic() - began_s < 0.5
    assert hear(line, len(ALL_OFF)) == ALL_OFF
    assert listener.of(TimedOut) == [TimedOut(id="a", maybe_executed=True)]
    assert not listener.bus.healthy
    assert not listener.bus.submit(AllOff())


def test_closing_a_bus_whose_port_never_came_is_quick(tmp_path: Path, listen: Listen) -> None:
    listener = listen("lcus", tmp_path / "nothing")
    listener.wait(Line)
    began_s = time.monotonic()
    listener.bus.close()
    assert time.monotonic() - began_s < 0.5


def test_an_all_off_overtakes_pulses_that_wait(line: PtyLine) -> None:
    events: list[Event] = []
    held = threading.Event()

    def slow(_name: str, event: Event) -> None:
        events.append(event)
        if isinstance(event, Line):
            held.wait(5)  # meanwhile commands wait in the inbox

    bus = Bus("b", SerialPort(line.link, LineSettings()), LcusDriver(), slow)
    bus.start()
    try:
        hear(line, 2 * len(ALL_OFF))
        for command in (
            Pulse(channel=1, ms=100, id="before", issued_s=time.monotonic()),
            AllOff(),
            Pulse(channel=2, ms=100, id="after", issued_s=time.monotonic()),
        ):
            assert bus.submit(command)
        held.set()
        assert hear(line, len(ALL_OFF) + 4) == ALL_OFF + ON_2
        until(lambda: any(isinstance(event, Done) for event in events), what="the pulse after it")
    finally:
        held.set()
        bus.close()


def test_a_receiver_that_fails_does_not_stop_the_bus(line: PtyLine) -> None:
    seen: list[Event] = []

    def broken(_name: str, event: Event) -> None:
        seen.append(event)
        raise RuntimeError("a bug in the receiver")

    bus = Bus("b", SerialPort(line.link, LineSettings()), LcusDriver(), broken)
    bus.start()
    try:
        until(lambda: bus.healthy, what="the line")
        bus.submit(Pulse(channel=1, ms=100, id="a", issued_s=time.monotonic()))
        assert hear(line, 2 * len(ALL_OFF) + 8) == ALL_OFF * 2 + ON_1 + OFF_1
        until(lambda: Done(id="a", grade=Grade.SENT) in seen, what="the result")
    finally:
        bus.close()


def test_m11_a_bug_in_a_driver_opens_the_relays_and_the_bus_begins_anew(line: PtyLine) -> None:
    class Buggy(LcusDriver):
        def receive(self, data: bytes, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
            raise ZeroDivisionError

    events: list[Event] = []
    bus = Bus("b", SerialPort(line.link, LineSettings()), Buggy(), lambda _name, event: events.append(event))
    bus.start()
    try:
        bus.submit(Pulse(channel=1, ms=2000, id="a", issued_s=time.monotonic()))
        assert hear(line, 2 * len(ALL_OFF) + 4) == ALL_OFF * 2 + ON_1
        line.write(b"?")
        assert hear(line, 3 * len(ALL_OFF)) == ALL_OFF * 3  # the end, and the beginning anew
        lines = [True, False, True]
        until(
            lambda: [one.up for one in list(events) if isinstance(one, Line)] == lines, what="the next begin"
        )
        assert TimedOut(id="a", maybe_executed=True) in events
        assert bus.submit(Pulse(channel=1, ms=100, id="b", issued_s=time.monotonic()))
        until(lambda: Done(id="b", grade=Grade.SENT) in events, what="a pulse after the error")
        assert bus.healthy
    finally:
        bus.close()


def test_m11_a_bus_that_fails_at_once_begins_anew_less_and_less_often(line: PtyLine) -> None:
    class Buggy(LcusDriver):
        def line_up(self, now_s: float) -> None:
            begun_s.append(now_s)
            raise ZeroDivisionError

    begun_s: list[float] = []
    events: list[Event] = []
    bus = Bus("b", SerialPort(line.link, LineSettings()), Buggy(), lambda _name, event: events.append(event))
    bus.start()
    try:
        until(lambda: len(begun_s) >= 4, what="the fourth attempt")
        *_, last = [after - before for before, after in pairwise(begun_s)]
        assert last >= 4 * AGAIN_FIRST_S  # doubled twice; a busy machine only waits longer
        assert [event.up for event in events if isinstance(event, Line)] == [False]
        assert bus.submit(Pulse(channel=1, ms=100, id="a", issued_s=time.monotonic()))
        until(lambda: Refused(id="a", why=Refusal.LINE_DOWN) in events, within_s=1.0, what="the refusal")
    finally:
        bus.close()


def test_m11_a_bus_that_cannot_begin_anew_ends_and_says_so(
    line: PtyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(LcusDriver):
        def line_lost(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
            raise ZeroDivisionError

    crashes: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: crashes.append(args.exc_type))
    events: list[Event] = []
    bus = Bus("b", SerialPort(line.link, LineSettings()), Broken(), lambda _name, event: events.append(event))
    bus.start()
    try:
        until(lambda: bus.healthy, what="the line")
        line.unplug()
        until(lambda: bus.is_dead, what="the end")
        assert crashes == [ZeroDivisionError]
        assert [event.up for event in events if isinstance(event, Line)] == [True, False]
        assert not bus.submit(AllOff())
    finally:
        bus.close()


def test_an_all_off_overtakes_the_pulses_before_it_in_one_batch_and_none_behind(line: PtyLine) -> None:
    go = threading.Event()
    events: list[Event] = []

    def slow(_name: str, event: Event) -> None:
        events.append(event)
        if isinstance(event, Line) and event.up:
            assert go.wait(5)

    bus = Bus("b", SerialPort(line.link, LineSettings()), LcusDriver(), slow)
    bus.start()
    try:
        until(lambda: events, what="the line")
        now_s = time.monotonic()
        bus.submit(Pulse(channel=1, ms=100, id="before", issued_s=now_s))
        bus.submit(AllOff())
        bus.submit(Pulse(channel=1, ms=100, id="behind", issued_s=now_s))
        go.set()
        assert hear(line, 3 * len(ALL_OFF) + 8) == ALL_OFF * 3 + ON_1 + OFF_1
        until(lambda: Done(id="behind", grade=Grade.SENT) in events, what="the pulse behind it")
        assert Refused(id="before", why=Refusal.OVERTAKEN) in events
    finally:
        go.set()
        bus.close()


def test_a_fault_that_ends_with_its_line_is_told_after_the_loss(line: PtyLine) -> None:
    events: list[Event] = []
    driver = make_driver("modbus-relay", profile="waveshare-relay-8")
    bus = Bus("b", SerialPort(line.link, LineSettings()), driver, lambda _name, event: events.append(event))
    bus.start()
    try:
        until(lambda: [one for one in events if isinstance(one, Fault)], what="the fault of a mute board")
        line.unplug()
        until(lambda: isinstance(events[-1], Fault) and not events[-1].active, what="the end of the fault")
        assert isinstance(events[-2], Line)
        assert not events[-2].up
    finally:
        bus.close()


def test_an_input_that_changed_while_the_cable_was_out_is_reported_after(rig: Rig, listen: Listen) -> None:
    listener = listen("modbus-inputs", rig.inputs)
    listener.wait_up()
    rig.boards.ask(lambda: rig.boards.inputs.set_input(5, active=True))
    listener.wait_edges(1)
    rig.boards.ask(rig.boards.unplug_inputs)
    until(lambda: not listener.bus.healthy, what="the loss")
    rig.boards.ask(lambda: rig.boards.inputs.set_input(5, active=False))
    rig.boards.ask(rig.boards.plug)
    edges = listener.wait(InputEdge, 2)
    assert [(edge.channel, edge.active) for edge in edges] == [(5, True), (5, False)]
