"""Boards that never say a word: what becomes of commands, and that noise is no word."""

from collections.abc import Callable

import pytest

from drivers.devices.devantech import devantech_usb
from drivers.devices.kmtronic import kmtronic
from drivers.devices.modbus_profile import load_profile
from drivers.devices.modbus_relay import ModbusRelayCodec
from drivers.devices.numato import NumatoCodec
from drivers.lcus import LcusDriver
from drivers.model import Done, Fault, Grade, Pulse, Refusal, Refused, Release, TimedOut
from drivers.relay import RelayDriver
from drivers.relay_codec import Ask, RelayCodec
from simulators.boards.kmtronic import Kmtronic
from tests.unit.drivers.bench import Bench, silent, twin
from tests.unit.drivers.scripted import Bench as Scripted
from tests.unit.drivers.scripted import Kind
from tests.unit.drivers.test_relay import outcomes, pulse

NEVER = TimedOut(id="a", maybe_executed=False)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.0, 2.0, 5.0])
@pytest.mark.parametrize(
    "make",
    [
        NumatoCodec,
        lambda: NumatoCodec(outputs=4),  # opened one by one
        lambda: ModbusRelayCodec(load_profile("waveshare-relay-8")),
        lambda: ModbusRelayCodec(load_profile("eletechsup-r421a08")),
    ],
    ids=["numato", "numato-4", "waveshare", "eletechsup"],
)
def test_s6_a_pulse_to_a_board_that_never_answered_was_not_sent_and_is_not_called_overtaken(
    make: Callable[[], RelayCodec], after_s: float
) -> None:
    codec = make()
    bench = Bench(RelayDriver(codec), silent)
    bench.run(after_s)
    events = bench.submit(Pulse(channel=1, ms=1000, id="a", issued_s=bench.now_s), then_s=5.0)
    assert [event for event in events if getattr(event, "id", None) == "a"] == [NEVER]
    closing = Ask.ON if codec.info.host_timed else Ask.PULSE
    assert codec.encode(closing, channel=1, ms=1000) not in bench.written


def test_s6_a_board_that_must_say_its_name_and_says_nothing_is_not_called_another_device() -> None:
    bench = Bench(devantech_usb(), silent)
    bench.run(1.0)
    events = bench.submit(Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s), then_s=5.0)
    assert [event for event in events if getattr(event, "id", None) == "a"] == [NEVER]
    assert {*bench.written} == {b"\x5a\x5a"}


def test_s6_a_board_that_says_no_to_an_opening_is_not_called_silent() -> None:
    bench = Scripted(Kind(), up=False)
    bench.board.denies = {Ask.OFF, Ask.ALL_OFF}
    bench.driver.line_up(0.0)
    bench.run(1.0)
    bench.submit(pulse(bench))
    bench.run(3.0)
    assert outcomes(bench, "a") == [Refused(id="a", why=Refusal.OVERTAKEN)]


def test_s6_a_board_that_answers_again_takes_the_next_pulse() -> None:
    bench = Scripted(Kind(), up=False)
    bench.board.mute = True
    bench.driver.line_up(0.0)
    bench.run(3.0)
    bench.submit(pulse(bench))
    bench.run(3.1)
    assert outcomes(bench, "a") == [NEVER]
    bench.board.mute = False
    bench.run(6.0)
    bench.submit(pulse(bench, "b"))
    bench.run(8.0)
    assert outcomes(bench, "b") == [Done(id="b", grade=Grade.CONFIRMED)]


def test_a_release_somebody_asked_for_still_overtakes_a_pulse() -> None:
    bench = Scripted(Kind())
    bench.submit(Release(channel=1, id="r"))
    bench.submit(pulse(bench))
    bench.run(1.0)
    assert outcomes(bench, "a") == [Refused(id="a", why=Refusal.OVERTAKEN)]


def test_s8_noise_is_not_an_answer_of_a_board_that_answers_nothing_to_a_pulse() -> None:
    driver = kmtronic()
    bench = Bench(driver, lambda frame, _now_s: b"\x00\xff\x13" if frame[-3:-1] == b"\xff\x09" else b"")
    bench.run(3.0)
    events = bench.submit(Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s), then_s=3.0)
    assert Done(id="a", grade=Grade.SENT) in events
    assert driver.heard_s is None
    assert Fault(active=True, why="the board does not answer") in bench.events


def test_s8_a_read_of_the_outputs_is_an_answer() -> None:
    driver = kmtronic()
    bench = Bench(driver, twin(Kmtronic()))
    bench.run(3.0)
    assert driver.heard_s == pytest.approx(2.5, abs=0.5)
    driver.line_lost(3.0)
    driver.line_up(4.0)
    assert driver.heard_s is None  # another board may be there now


def test_a_board_that_cannot_answer_was_never_heard() -> None:
    driver: RelayDriver = LcusDriver()
    Bench(driver, lambda frame, _now_s: frame).run(3.0)
    assert driver.heard_s is None
    assert driver.info.answers_within_s == 0
