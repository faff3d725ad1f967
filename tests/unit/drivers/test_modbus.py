"""Modbus inputs: frames as vendors print them, and the poller in virtual time."""

import pytest

from drivers.debounce import Debouncer
from drivers.devices.modbus_relay import modbus_inputs
from drivers.modbus_rtu import crc16
from drivers.model import AllOff, AnyEvent, Fault, Garbage, InputEdge, Pulse, Refusal, Refused
from tests.unit.drivers.modbus_replies import exception_reply, inputs_reply

# Frames that vendors and users publish for boards of this family; the last two bytes are the check.
PUBLISHED = [
    "01 05 00 00 FF 00 8C 3A",
    "01 05 00 FF FF 00 BC 0A",
    "01 05 02 00 00 07 8D B0",
    "01 01 00 00 00 08 3D CC",
    "01 02 00 00 00 08 79 CC",
    "01 06 00 01 01 00 D9 9A",
    "01 06 00 01 05 00 DB 5A",
    "01 06 00 01 06 03 9B AB",
    "01 05 00 01 01 00 9D 9A",
    "00 03 40 00 00 01 90 1B",
    "00 06 40 00 00 01 5C 1B",
    "FF 02 00 00 00 08 6C 12",
]
REQUEST = bytes.fromhex("01 02 00 00 00 08 79 CC")


def reply(bits: int, unit: int = 1) -> bytes:
    return inputs_reply(unit=unit, bits=bytes((bits,)))


class Bench:
    """A poller with its line up at 0 s, and a module that answers with ``bits`` after 10 ms unless silent."""

    def __init__(self) -> None:
        self.driver = modbus_inputs(unit=1)
        self.bits, self.silent, self.now_s = 0, False, 0.0
        self.asked_s: list[float] = []
        self.driver.line_up(0.0)

    def run(self, until_s: float) -> list[AnyEvent]:
        """Move virtual time on, deadline by deadline."""
        events: list[AnyEvent] = []
        while (deadline_s := self.driver.next_deadline()) is not None and deadline_s <= until_s:
            self.now_s = max(self.now_s, deadline_s)
            self.driver.tick(self.now_s)
            for request in self.driver.take_output():
                assert request == REQUEST
                self.asked_s.append(self.now_s)
                if not self.silent:
                    self.now_s += 0.010
                    self.driver.receive(reply(self.bits), self.now_s)
            events += self.driver.take_events()
        self.now_s = until_s
        return events


@pytest.mark.parametrize("text", PUBLISHED)
def test_the_check_is_that_of_published_frames(text: str) -> None:
    frame = bytes.fromhex(text)
    assert crc16(frame[:-2]) == frame[-2:]


def test_s8_a_bad_check_is_garbage_and_the_next_reply_counts() -> None:
    bench = Bench()
    broken = bytearray(reply(3))
    broken[3] ^= 0xFF
    bench.driver.tick(0.0)
    assert bench.driver.take_output() == [REQUEST]
    bench.driver.receive(bytes(broken) + reply(5), 0.01)
    bench.bits = 5
    events = bench.run(1.5)
    assert [event.channel for event in events if isinstance(event, InputEdge)] == [1, 3]
    assert [event for event in events if isinstance(event, Garbage)] == [Garbage(6)]


def test_s8_a_false_beginning_does_not_cost_the_reply_behind_it() -> None:
    bench = Bench()
    bench.driver.tick(0.0)
    assert bench.driver.take_output() == [REQUEST]
    bench.driver.receive(bytes.fromhex("01 02 08") + reply(5), 0.01)
    bench.bits = 5
    edges = [event for event in bench.run(0.2) if isinstance(event, InputEdge)]
    assert [(edge.channel, edge.at_s) for edge in edges] == [(1, 0.01), (3, 0.01)]


def test_a_quiet_module_is_asked_every_50_ms() -> None:
    bench = Bench()
    assert bench.run(0.52) == []
    assert bench.asked_s == pytest.approx([n * 0.05 for n in range(11)])


def test_a_contact_gives_one_edge_each_way_with_the_time_it_was_first_seen() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.bits = 0b10
    events = bench.run(1.5)
    bench.bits = 0
    events += bench.run(2.0)
    assert [
        (type(event), event.channel, event.active) for event in events if isinstance(event, InputEdge)
    ] == [
        (InputEdge, 2, True),
        (InputEdge, 2, False),
    ]
    seen_s = [event.at_s for event in events if isinstance(event, InputEdge)]
    assert 1.0 <= seen_s[0] <= 1.07
    assert 1.5 <= seen_s[1] <= 1.57


def test_a_changed_input_is_looked_at_again_after_the_debounce_time() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.bits = 1
    before = len(bench.asked_s)
    bench.run(1.2)
    first, second = bench.asked_s[before : before + 2]
    assert second - first == pytest.approx(0.040)  # 10 ms to answer, 30 ms to settle


def test_a_bounce_is_no_edge() -> None:
    debouncer = Debouncer(8)
    samples = [(1, 0.0), (0, 0.01), (1, 0.02), (1, 0.049), (0, 0.06), (1, 0.07)]
    assert [debouncer.sample(bits, at_s) for bits, at_s in samples] == [[]] * 6
    assert debouncer.sample(1, 0.1) == [InputEdge(channel=1, active=True, at_s=0.07)]


def test_a_silent_unit_is_one_fault_and_its_return_one_recovery() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.silent = True
    events = bench.run(10.0)
    assert events == [Fault(active=True, why="the board does not answer")]
    bench.silent = False
    assert bench.run(12.0) == [Fault(active=False, why="over: the board does not answer")]


def test_two_missed_replies_are_no_fault() -> None:
    bench = Bench()
    bench.run(1.0)
    bench.silent = True
    assert bench.run(1.6) == []
    bench.silent = False
    assert bench.run(3.0) == []


def test_a_silent_unit_is_asked_less_often() -> None:
    bench = Bench()
    bench.silent = True
    bench.run(10.0)
    assert 10 <= len(bench.asked_s) <= 20


def test_an_exception_reply_is_a_fault_that_names_the_code() -> None:
    driver = modbus_inputs(unit=1)
    driver.line_up(0.0)
    events: list[AnyEvent] = []
    for now_s in (0.0, 1.0, 2.0, 3.0):
        driver.tick(now_s)
        assert driver.take_output() == [REQUEST]
        driver.receive(exception_reply(code=2), now_s + 0.01)
        events += driver.take_events()
    assert events == [Fault(active=True, why="the board refuses inputs: it has no such address (code 2)")]


def test_a_late_reply_does_not_answer_the_next_request() -> None:
    driver = modbus_inputs(unit=1)
    driver.line_up(0.0)
    driver.tick(0.0)
    assert driver.take_output() == [REQUEST]
    driver.tick(0.2)  # missed
    driver.receive(reply(1), 0.21)  # late: it comes while nothing is asked
    for now_s in (0.31, 0.41, 0.51):
        driver.tick(now_s)
        assert driver.take_output() == [REQUEST]
        driver.receive(reply(0), now_s + 0.01)
    assert driver.take_events() == []


def test_another_units_reply_is_not_ours() -> None:
    driver = modbus_inputs(unit=1)
    driver.line_up(0.0)
    for now_s in (0.0, 1.0, 2.0):
        driver.tick(now_s)
        assert driver.take_output() == [REQUEST]
        driver.receive(reply(1, unit=2), now_s + 0.01)
        driver.tick(now_s + 0.2)
    events = [event for event in driver.take_events() if not isinstance(event, Garbage)]
    assert events == [Fault(active=True, why="the board does not answer")]


def test_a_change_while_the_line_was_down_is_reported_when_it_is_back() -> None:
    bench = Bench()
    bench.bits = 1
    assert [event for event in bench.run(1.0) if isinstance(event, InputEdge)] != []
    bench.driver.line_lost(1.0)
    assert bench.driver.next_deadline() is None
    bench.bits = 0
    bench.driver.line_up(2.0)
    bench.now_s = 2.0
    events = bench.run(3.0)
    assert [(event.channel, event.active) for event in events if isinstance(event, InputEdge)] == [(1, False)]


def test_pulses_are_refused_and_an_all_off_is_nothing_to_do() -> None:
    driver = modbus_inputs(unit=1)
    driver.line_up(0.0)
    driver.submit(Pulse(channel=1, ms=300, id="a", issued_s=0.0), 0.0)
    driver.submit(AllOff(), 0.0)
    assert driver.take_events() == [Refused(id="a", why=Refusal.UNSUPPORTED)]
    assert driver.take_output() == []


def test_noise_is_reported_with_its_size() -> None:
    bench = Bench()
    bench.driver.receive(b"\x00" * 7, 0.0)
    assert bench.run(1.5) == [Garbage(7)]
