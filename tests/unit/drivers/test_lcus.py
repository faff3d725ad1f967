"""LCUS: frames as the vendor prints them, and the driver in virtual time."""

import pytest

from drivers.lcus import LcusDriver
from drivers.lcus_codec import Switch, SwitchDecoder, encode
from drivers.model import AllOff, Done, Garbage, Grade, Pulse, Refusal, Refused, TimedOut

VECTORS = [
    (Switch(channel=1, on=True), "A0 01 01 A2"),
    (Switch(channel=1, on=False), "A0 01 00 A1"),
    (Switch(channel=2, on=True), "A0 02 01 A3"),
    (Switch(channel=2, on=False), "A0 02 00 A2"),
]
ALL_OFF = [encode(Switch(channel=channel, on=False)) for channel in range(1, 9)]
ON_1, OFF_1 = bytes.fromhex("A0 01 01 A2"), bytes.fromhex("A0 01 00 A1")


def pulse(id_: str = "a", *, channel: int = 1, ms: int = 300, issued_s: float = 10.0) -> Pulse:
    return Pulse(channel=channel, ms=ms, id=id_, issued_s=issued_s)


@pytest.fixture
def driver() -> LcusDriver:
    """A driver whose line came up at 10 s, with the first frames written."""
    driver = LcusDriver()
    driver.line_up(10.0)
    driver.take_output()
    driver.take_events()
    return driver


@pytest.mark.parametrize(("frame", "text"), VECTORS)
def test_frames_are_the_vendors_bytes(frame: Switch, text: str) -> None:
    assert encode(frame) == bytes.fromhex(text)
    assert SwitchDecoder().feed(bytes.fromhex(text)) == [frame]


def test_a_frame_with_a_wrong_sum_is_garbage_and_the_next_is_found() -> None:
    decoder = SwitchDecoder()
    assert decoder.feed(bytes.fromhex("A0 01 01 A3") + OFF_1) == [Switch(channel=1, on=False)]
    assert decoder.take_garbage() == 4


def test_a_line_that_comes_up_opens_every_relay_first() -> None:
    driver = LcusDriver()
    driver.line_up(0.0)
    driver.submit(pulse(issued_s=0.0), 0.0)
    assert driver.take_output() == [*ALL_OFF, *ALL_OFF, ON_1]  # the first may have met half a frame


def test_a_pulse_is_on_then_off_at_its_deadline_and_done_when_written(driver: LcusDriver) -> None:
    driver.submit(pulse(), 10.0)
    assert (driver.take_output(), driver.take_events()) == ([ON_1], [])
    assert driver.next_deadline() == pytest.approx(10.3)
    driver.tick(10.29)
    assert (driver.take_output(), driver.take_events()) == ([], [])
    driver.tick(10.3)
    assert driver.take_events() == []  # its OFF frame is not written yet
    assert driver.take_output() == [OFF_1]
    assert driver.take_events() == [Done(id="a", grade=Grade.SENT)]
    assert driver.next_deadline() is None


@pytest.mark.parametrize(
    ("command", "now_s", "why"),
    [
        (pulse(channel=0), 10.0, Refusal.BAD_CHANNEL),
        (pulse(channel=9), 10.0, Refusal.BAD_CHANNEL),
        (pulse(ms=99), 10.0, Refusal.BAD_LENGTH),
        (pulse(ms=2001), 10.0, Refusal.BAD_LENGTH),
        (pulse(issued_s=10.0), 12.01, Refusal.TOO_OLD),
        (pulse(issued_s=float("nan")), 10.0, Refusal.TOO_OLD),
    ],
)
def test_what_must_not_be_sent_is_refused(
    driver: LcusDriver, command: Pulse, now_s: float, why: Refusal
) -> None:
    driver.submit(command, now_s)
    assert (driver.take_output(), driver.take_events()) == ([], [Refused(id="a", why=why)])


@pytest.mark.parametrize("command", [pulse(channel=8), pulse(ms=100), pulse(ms=2000), pulse(issued_s=8.0)])
def test_the_limits_themselves_are_sent(driver: LcusDriver, command: Pulse) -> None:
    driver.submit(command, 10.0)
    assert driver.take_output() == [encode(Switch(channel=command.channel, on=True))]
    assert driver.take_events() == []


def test_a_pulse_without_a_line_is_refused() -> None:
    driver = LcusDriver()
    driver.submit(pulse(), 10.0)
    assert (driver.take_output(), driver.take_events()) == ([], [Refused(id="a", why=Refusal.LINE_DOWN)])


def test_a_channel_in_mid_pulse_is_busy_and_another_is_not(driver: LcusDriver) -> None:
    driver.submit(pulse("a"), 10.0)
    driver.submit(pulse("b"), 10.1)
    driver.submit(pulse("c", channel=2), 10.1)
    assert driver.take_events() == [Refused(id="b", why=Refusal.BUSY)]
    assert driver.take_output() == [ON_1, bytes.fromhex("A0 02 01 A3")]


def test_the_same_id_is_carried_out_once(driver: LcusDriver) -> None:
    driver.submit(pulse("a"), 10.0)
    driver.take_output()
    driver.tick(10.3)
    assert (driver.take_output(), driver.take_events()) == ([OFF_1], [Done(id="a", grade=Grade.SENT)])
    driver.submit(pulse("a"), 10.4)
    assert (driver.take_output(), driver.take_events()) == ([], [])


def test_all_off_ends_a_running_pulse_as_perhaps_executed(driver: LcusDriver) -> None:
    driver.submit(pulse(), 10.0)
    driver.take_output()
    driver.submit(AllOff(), 10.1)
    assert driver.take_output() == ALL_OFF
    assert driver.take_events() == [TimedOut(id="a", maybe_executed=True)]
    driver.tick(20.0)
    assert driver.take_output() == []


def test_all_off_overtakes_a_pulse_that_was_not_written(driver: LcusDriver) -> None:
    driver.submit(pulse(), 10.0)
    driver.submit(AllOff(), 10.0)
    assert driver.take_output() == ALL_OFF
    assert driver.take_events() == [Refused(id="a", why=Refusal.OVERTAKEN)]


def test_a_lost_line_ends_the_pulse_and_never_repeats_it(driver: LcusDriver) -> None:
    driver.submit(pulse(), 10.0)
    driver.take_output()
    driver.line_lost(10.1)
    assert driver.take_events() == [TimedOut(id="a", maybe_executed=True)]
    driver.line_up(10.5)
    driver.tick(30.0)
    assert (driver.take_output(), driver.take_events()) == (ALL_OFF * 2, [])


def test_an_off_frame_that_failed_to_go_out_is_not_done(driver: LcusDriver) -> None:
    driver.submit(pulse(), 10.0)
    driver.take_output()
    driver.tick(10.3)
    assert driver.take_output() == [OFF_1]
    driver.line_lost(10.3)  # instead of take_events: the write failed
    assert driver.take_events() == [TimedOut(id="a", maybe_executed=True)]


def test_noise_is_counted_once_a_second_and_an_echo_is_not_noise(driver: LcusDriver) -> None:
    driver.receive(ON_1 + b"\x00\x00", 11.0)
    driver.receive(b"\xff", 11.5)
    driver.tick(11.9)
    assert driver.take_events() == []
    assert driver.next_deadline() == pytest.approx(12.0)
    driver.tick(12.0)
    driver.tick(14.0)
    assert driver.take_events() == [Garbage(3)]
