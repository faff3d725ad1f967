"""Drivers under any bytes and any order of events."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pymodbus.framer import FramerRTU

from drivers.devices.modbus_relay import modbus_inputs
from drivers.lcus import LcusDriver
from drivers.lcus_codec import Switch, SwitchDecoder, encode
from drivers.modbus_rtu import crc16
from drivers.model import AllOff, Done, Pulse, Refused, TimedOut
from simulators.boards.lcus import LcusBoard

switches = st.builds(Switch, channel=st.integers(1, 8), on=st.booleans())
noise = st.binary(max_size=12).filter(lambda data: SwitchDecoder().feed(data) == [])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` cut at the given places, which may repeat or lie outside."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@settings(derandomize=True)
@given(st.lists(st.tuples(noise, switches)), noise, st.lists(st.integers(0, 300)))
def test_splits_and_noise_never_change_lcus_frames(
    parts: list[tuple[bytes, Switch]], tail: bytes, cuts: list[int]
) -> None:
    stream = b"".join(before + encode(frame) for before, frame in parts) + tail
    wanted = [frame for _, frame in parts]
    decoder = SwitchDecoder()
    assert [frame for piece in pieces(stream, cuts) for frame in decoder.feed(piece)] == wanted
    assert decoder.feed(b"\0\0\0\0") == []  # shows that a frame begun at the end was none
    assert decoder.take_garbage() == len(stream) - 4 * len(wanted) + 4
    assert SwitchDecoder().feed(stream) == wanted


@settings(derandomize=True)
@given(st.binary(max_size=300))
def test_one_byte_at_a_time_is_the_same_as_all_at_once(data: bytes) -> None:
    slow, fast = SwitchDecoder(), SwitchDecoder()
    assert [frame for byte in data for frame in slow.feed(bytes((byte,)))] == fast.feed(data)
    assert slow.take_garbage() == fast.take_garbage()


@settings(derandomize=True)
@given(st.binary(max_size=64))
def test_the_check_agrees_with_an_independent_one(data: bytes) -> None:
    assert int.from_bytes(crc16(data), "big") == FramerRTU.compute_CRC(data)


@settings(derandomize=True)
@given(st.lists(st.tuples(st.binary(max_size=40), st.floats(0, 1))))
def test_no_bytes_make_the_poller_raise_or_stop_asking(chunks: list[tuple[bytes, float]]) -> None:
    driver, now_s = modbus_inputs(unit=1), 0.0
    driver.line_up(now_s)
    for data, gap_s in chunks:
        now_s += gap_s
        driver.receive(data, now_s)
        driver.tick(now_s)
        driver.take_output()
        assert driver.next_deadline() is not None


class LcusMachine(RuleBasedStateMachine):
    """A driver and a board on a line that comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.driver, self.board = LcusDriver(), LcusBoard()
        self.now_s, self.up, self.submitted = 0.0, False, 0
        self.ends: Counter[str] = Counter()
        self.admitted: Counter[str] = Counter()
        self.closures = 0

    def exchange(self) -> None:
        for frame in self.driver.take_output():
            assert self.up, "a frame for a line that is down"
            self.closures += sum(edge.on for edge in self.board.receive(frame))
        self.take_events()

    def take_events(self) -> None:
        for event in self.driver.take_events():
            if isinstance(event, Done | TimedOut | Refused):
                self.ends[event.id] += 1
            if isinstance(event, Done) or (isinstance(event, TimedOut) and event.maybe_executed):
                self.admitted[event.id] += 1

    @rule(channel=st.integers(0, 9), ms=st.integers(50, 2100), age_s=st.floats(0, 3))
    def submit(self, channel: int, ms: int, age_s: float) -> None:
        self.submitted += 1
        issued_s = self.now_s - age_s
        self.driver.submit(
            Pulse(channel=channel, ms=ms, id=str(self.submitted), issued_s=issued_s), self.now_s
        )

    @rule()
    def all_off(self) -> None:
        self.driver.submit(AllOff(), self.now_s)
        self.exchange()
        assert not any(self.board.relays)

    @rule(gap_s=st.floats(0, 1))
    def pass_time(self, gap_s: float) -> None:
        self.exchange()
        self.now_s += gap_s
        self.driver.tick(self.now_s)
        self.exchange()

    @rule(write_fails=st.booleans())
    def line_changes(self, write_fails: bool) -> None:
        if self.up:
            if write_fails:
                for frame in self.driver.take_output():
                    self.closures += sum(edge.on for edge in self.board.receive(frame[:2]))
            self.driver.line_lost(self.now_s)
            self.up = False
            self.board.power_off()
            self.take_events()
        else:
            self.up = True
            self.driver.line_up(self.now_s)
            self.exchange()
            assert not any(self.board.relays)

    @rule(data=st.binary(max_size=10))
    def hear(self, data: bytes) -> None:
        self.driver.receive(data, self.now_s)

    @invariant()
    def each_pulse_ends_once_and_closes_a_relay_at_most_once(self) -> None:
        assert set(self.ends.values()) <= {1}
        assert self.closures <= self.submitted

    def teardown(self) -> None:
        self.pass_time(10.0)
        assert not any(self.board.relays), "a relay stayed closed"
        assert sum(self.ends.values()) == self.submitted, "a pulse without an end"
        assert self.closures <= sum(self.admitted.values()), "the board closed more than was admitted to"


LcusMachine.TestCase.settings = settings(derandomize=True, max_examples=60, stateful_step_count=30)
test_lcus_machine = LcusMachine.TestCase
