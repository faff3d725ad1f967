"""Lines that only echo, in virtual time: an answer equal to the question is nobody's word until somebody was there."""

import pytest

from drivers.devices.modbus_profile import load_profile
from drivers.devices.modbus_relay import ModbusRelayCodec, modbus_relay
from drivers.modbus_rtu import crc16
from drivers.model import Done, Fault, Grade, Hold, Pulse, Release, TimedOut
from drivers.relay_codec import Ask
from simulators.boards.modbus_makes import Generic0100, StandardCoils, WaveshareRelay
from tests.unit.drivers.bench import Bench, Device, twin

PROFILES = {
    "waveshare-relay-8": 300,
    "waveshare-io-8ch": 300,
    "eletechsup-r421a08": 1000,
    "generic-0100-4": 300,
    "lctech-2ch": 300,
    "kmtronic-modbus-8": 300,
}
READS = (1, 2, 3)


def echo(frame: bytes, now_s: float) -> bytes:  # the shape of a device
    """An adapter with echo, and nobody behind it."""
    return frame


def pulse(bench: Bench, id_: str = "a", *, ms: int = 300, insist: bool = False) -> Pulse:
    return Pulse(channel=1, ms=ms, id=id_, issued_s=bench.now_s, insist=insist)


def deaf_to_reads(device: Device) -> Device:
    """The same board, but that it says nothing to a reading question."""
    return lambda frame, now_s: b"" if frame[1] in READS else device(frame, now_s)


def refusing_reads(device: Device, code: int) -> Device:
    """The same board, but that reading questions get this exception."""

    def answer(frame: bytes, now_s: float) -> bytes:
        if frame[1] not in READS:
            return device(frame, now_s)
        body = bytes((frame[0], frame[1] | 0x80, code))
        return body + crc16(body)

    return answer


@pytest.mark.parametrize(("profile", "ms"), PROFILES.items())
@pytest.mark.parametrize("after_s", [0.0, 0.05, 3.0])
def test_s8_a_line_that_only_echoes_opens_no_lane(profile: str, ms: int, after_s: float) -> None:
    bench = Bench(modbus_relay(profile), echo)
    bench.run(after_s)
    bench.submit(pulse(bench, ms=ms), then_s=10)
    outcomes = [event for event in bench.events if getattr(event, "id", "") == "a"]
    assert outcomes == [TimedOut(id="a", maybe_executed=True)]
    assert any(
        isinstance(event, Fault)
        and event.active
        and "only echoes" in event.why
        and "echo = true" in event.why
        for event in bench.events
    )


@pytest.mark.parametrize("profile", ["generic-0100-4", "waveshare-relay-8"])
def test_an_echo_is_nothing_that_was_heard(profile: str) -> None:
    bench = Bench(modbus_relay(profile), echo)
    bench.run(5)
    driver = bench.driver
    assert getattr(driver, "heard_s", 0.0) is None


@pytest.mark.parametrize("profile", PROFILES)
def test_an_exit_is_still_written_to_a_line_that_only_echoes(profile: str) -> None:
    """Decision 0015: what cannot be heard may still obey."""
    bench = Bench(modbus_relay(profile), echo)
    bench.run(3)
    begun = len(bench.written)
    bench.submit(pulse(bench, ms=PROFILES[profile], insist=True), then_s=0.5)
    closing = {Ask.PULSE, Ask.ON}
    codec = ModbusRelayCodec(load_profile(profile))
    frames = {codec.encode(ask, channel=1, ms=PROFILES[profile]) for ask in closing} - {None}
    assert sum(frame in frames for frame in bench.written[begun:]) == 1


def test_a_board_that_shows_itself_is_believed_at_its_first_pulse() -> None:
    bench = Bench(modbus_relay("generic-0100-4"), twin(Generic0100()))
    assert bench.submit(pulse(bench), then_s=1)[-1] == Done(id="a", grade=Grade.ACCEPTED)


@pytest.mark.parametrize(
    ("code", "grade"), [(1, Grade.ACCEPTED), (2, Grade.ACCEPTED), (3, Grade.ACCEPTED), (11, Grade.SENT)]
)
def test_whoever_refuses_a_reading_is_there_unless_it_may_be_a_gateway(code: int, grade: Grade) -> None:
    bench = Bench(modbus_relay("generic-0100-4"), refusing_reads(twin(Generic0100()), code))
    bench.run(1)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=grade)]


def test_a_board_that_nothing_can_show_is_told_and_no_more_and_is_no_fault() -> None:
    bench = Bench(modbus_relay("generic-0100-4"), deaf_to_reads(twin(Generic0100())))
    bench.run(2)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.SENT)]
    assert bench.submit(Release(channel=1, id="off"), then_s=1) == [Done(id="off", grade=Grade.SENT)]
    assert not any(isinstance(event, Fault) for event in bench.events)
    asked = sum(frame[1] in READS for frame in bench.written)
    bench.submit(pulse(bench, "b"), then_s=1)
    assert sum(frame[1] in READS for frame in bench.written) == asked, "its pulses need the line"


def test_a_hold_on_a_board_that_nothing_can_show_is_told_and_no_more() -> None:
    bench = Bench(modbus_relay("generic-0100-4"), deaf_to_reads(twin(Generic0100())))
    bench.run(2)
    bench.submit(Hold(channel=1, seconds=0.5, id="a", issued_s=bench.now_s), then_s=2)
    assert Done(id="a", grade=Grade.SENT) in bench.events


def test_the_fault_is_over_when_the_board_gets_its_supply() -> None:
    bench = Bench(modbus_relay("generic-0100-4"), echo)
    bench.run(3)
    board = twin(Generic0100())
    bench.device = lambda frame, now_s: frame + board(frame, now_s)
    events = bench.run(5)
    assert [event.active for event in events if isinstance(event, Fault)] == [False]
    assert bench.submit(pulse(bench), then_s=1)[-1] == Done(id="a", grade=Grade.ACCEPTED)


@pytest.mark.parametrize(
    ("profile", "board"), [("waveshare-relay-8", WaveshareRelay), ("kmtronic-modbus-8", StandardCoils)]
)
def test_an_acknowledgement_that_cannot_be_read_back_is_perhaps(
    profile: str, board: type[WaveshareRelay] | type[StandardCoils]
) -> None:
    """Also where the board was shown before."""
    bench = Bench(modbus_relay(profile), twin(board()))
    bench.run(2)
    assert bench.submit(pulse(bench), then_s=1) == [Done(id="a", grade=Grade.CONFIRMED)]
    bench.device = deaf_to_reads(bench.device)
    events = bench.submit(pulse(bench, "b"), then_s=5)
    assert [event for event in events if getattr(event, "id", "") == "b"] == [
        TimedOut(id="b", maybe_executed=True)
    ]
