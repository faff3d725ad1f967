"""Several devices on one line, in virtual time: who speaks, who hears, and that nobody is kept out."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from drivers.devices.modbus_relay import modbus_inputs
from drivers.lcus import LcusDriver
from drivers.model import (
    AllOff,
    AnyEvent,
    Command,
    Done,
    Driver,
    DriverInfo,
    Fault,
    InputEdge,
    LineSettings,
    Pulse,
    TimedOut,
    Urgency,
)
from drivers.shared_line import SharedLine
from tests.unit.drivers.modbus_replies import inputs_reply

SILENT_S = 0.005


@dataclass
class Modules:
    """Input modules on one pair of wires; a request is answered after ``answer_s``, unless its unit is mute."""

    line: SharedLine
    answer_s: float = 0.010
    mute: set[int] = field(default_factory=set)
    bits: dict[int, int] = field(default_factory=dict)
    echo: bool = False
    now_s: float = 0.0
    asked_s: dict[int, list[float]] = field(default_factory=dict)
    other: list[bytes] = field(default_factory=list)
    events: list[tuple[str, AnyEvent]] = field(default_factory=list)
    busy_until_s: float = 0.0

    def turn(self) -> None:
        self.line.tick(self.now_s)
        frames = self.line.take_output()
        self.events += self.line.take_events()
        for data in frames:
            if self.echo:
                self.line.receive(data, self.now_s)
            if data[1:2] != b"\x02":
                self.other.append(data)
                continue
            assert self.now_s >= self.busy_until_s - 1e-9, "two speak at once, or without a gap"
            self.asked_s.setdefault(data[0], []).append(self.now_s)
            if data[0] not in self.mute:
                self.now_s += self.answer_s
                answer = inputs_reply(unit=data[0], bits=bytes((self.bits.get(data[0], 0),)))
                self.line.receive(answer[:3], self.now_s)
                self.line.receive(answer[3:], self.now_s)
                self.busy_until_s = self.now_s + SILENT_S
                self.turn()

    def run(self, until_s: float) -> None:
        self.turn()
        while (at_s := self.line.next_deadline()) is not None and at_s <= until_s:
            self.now_s = max(self.now_s, at_s)
            self.turn()
        self.now_s = max(self.now_s, until_s)


def modules(count: int, **settings: bool) -> Modules:
    drivers: dict[str, Driver] = {str(unit): modbus_inputs(unit=unit) for unit in range(1, count + 1)}
    line = SharedLine(drivers, echo=settings.get("echo", False))
    line.line_up(0.0)
    return Modules(line, echo=settings.get("echo", False))


def test_eight_modules_are_asked_in_turn_with_a_gap_between_frames() -> None:
    world = modules(8)
    world.run(10.0)
    counts = {unit: len(times) for unit, times in world.asked_s.items()}
    assert set(counts) == set(range(1, 9))
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(counts.values()) > 600  # the line is never idle for long
    assert world.events == []


def test_a_mute_module_is_a_fault_of_its_own_and_starves_nobody() -> None:
    world = modules(3)
    world.run(1.0)
    world.mute = {2}
    world.run(11.0)
    assert [(name, type(event)) for name, event in world.events] == [("2", Fault)]
    for unit in (1, 3):
        times = world.asked_s[unit]
        assert max(later - earlier for earlier, later in pairwise(times)) < 0.7
    world.bits = {3: 1}
    world.run(13.0)
    assert [(name, event.active) for name, event in world.events if isinstance(event, InputEdge)] == [
        ("3", True)
    ]


def test_answers_reach_whom_they_are_for() -> None:
    world = modules(4)
    world.bits = {1: 1, 2: 2, 3: 4, 4: 8}
    world.run(2.0)
    edges = {(name, event.channel) for name, event in world.events if isinstance(event, InputEdge)}
    assert edges == {("1", 1), ("2", 2), ("3", 3), ("4", 4)}


def test_what_the_adapter_sends_back_is_taken_off() -> None:
    world = modules(2, echo=True)
    world.bits = {2: 1}
    world.run(5.0)
    assert [(name, type(event)) for name, event in world.events] == [("2", InputEdge)]


def test_an_adapter_that_sends_nothing_back_loses_nothing() -> None:
    world = modules(1, echo=True)
    world.echo = False
    world.bits = {1: 1}
    world.run(2.0)
    assert [(name, type(event)) for name, event in world.events] == [("1", InputEdge)]


def test_an_open_goes_before_polls_and_an_all_off_before_everything() -> None:
    drivers: dict[str, Driver] = {
        "a": modbus_inputs(unit=1),
        "b": modbus_inputs(unit=2),
        "lane": LcusDriver(channels=1),
    }
    line = SharedLine(drivers)
    line.line_up(0.0)
    line.tick(0.0)
    on, off = bytes.fromhex("A0 01 01 A2"), bytes.fromhex("A0 01 00 A1")
    first = line.take_output()
    assert first[0] == off  # the board's opening, before anybody is asked anything
    line.take_events()
    line.submit("lane", Pulse(channel=1, ms=100, id="p", issued_s=0.0), 0.0)
    line.tick(0.05)
    assert line.take_output() == []  # one waits for its answer
    line.tick(0.2)  # it does not come
    line.tick(0.31)
    frames = line.take_output()
    assert frames[0] == on
    assert len(frames) == 2
    assert line.take_events() == []
    line.submit("lane", AllOff(), 0.32)
    line.tick(0.52)
    line.tick(0.63)
    assert line.take_output()[0] == off
    assert [event for _, event in line.take_events() if isinstance(event, TimedOut)] == [
        TimedOut(id="p", maybe_executed=True)
    ]


class Streamer:
    """Sends unasked; wants the line always, for nothing urgent."""

    def __init__(self, *, greedy: Urgency | None = None) -> None:
        self.heard = b""
        self.spoke = 0
        self.greedy = greedy
        self.info = DriverInfo(protocol="streamer", line=LineSettings(), streams=True)

    def submit(self, command: Command, now_s: float) -> None:
        pass

    def receive(self, data: bytes, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
        self.heard += data

    def tick(self, now_s: float) -> None:
        pass

    def next_deadline(self) -> float | None:
        return None

    def wants_line(self) -> Urgency | None:
        return self.greedy

    def holds_line(self) -> bool:
        return False

    def take_output(self) -> list[bytes]:
        self.spoke += 1
        return [b"?"]

    def take_events(self) -> list[AnyEvent]:
        return []

    def line_up(self, now_s: float) -> None:
        pass

    def line_lost(self, now_s: float) -> None:
        pass


def test_a_device_that_sends_unasked_hears_what_comes_while_nobody_waits() -> None:
    streamer = Streamer()
    world = Modules(SharedLine({"m": modbus_inputs(unit=1), "s": streamer}))
    world.line.line_up(0.0)
    world.run(0.02)
    world.line.receive(b"code\r", world.now_s)
    world.bits = {1: 1}
    world.run(1.0)
    assert streamer.heard == b"code\r"
    assert [(name, type(event)) for name, event in world.events] == [("m", InputEdge)]


@pytest.mark.parametrize("greedy", [Urgency.POLL, Urgency.CONFIGURE, Urgency.RELEASE])
def test_who_always_wants_the_line_does_not_keep_the_others_out(greedy: Urgency) -> None:
    streamer = Streamer(greedy=greedy)
    world = Modules(SharedLine({"s": streamer, "m": modbus_inputs(unit=1)}))
    world.line.line_up(0.0)
    for step in range(1, 2000):
        world.now_s = max(world.now_s, step / 1000)
        world.turn()
    assert streamer.spoke > 5
    assert len(world.asked_s[1]) > 5


def test_a_lost_line_is_lost_for_everybody() -> None:
    drivers: dict[str, Driver] = {"one": LcusDriver(channels=1), "two": LcusDriver(channels=1)}
    line = SharedLine(drivers)
    line.line_up(0.0)
    for name in drivers:
        line.submit(name, Pulse(channel=1, ms=500, id=name, issued_s=0.0), 0.0)
    line.tick(0.0)
    assert len(line.take_output()) == 6  # each is told to open twice
    line.line_lost(0.1)
    assert Counter(line.take_events()) == Counter(
        (name, TimedOut(id=name, maybe_executed=True)) for name in drivers
    )
    assert not [event for _, event in line.take_events() if isinstance(event, Done)]
