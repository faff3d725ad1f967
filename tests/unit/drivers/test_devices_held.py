"""Turnstile controllers, text modules, echoing adapters: what is written once, what is no answer, who was counted."""

from collections.abc import Callable

import pytest

from drivers.devices.modbus_relay import modbus_relay
from drivers.devices.numato import numato
from drivers.devices.turnstile_7e import turnstile_7e
from drivers.devices.turnstile_counter import TurnstileCounter
from drivers.devices.turnstile_eb import turnstile_eb
from drivers.lcus import LcusDriver
from drivers.model import (
    Admit,
    Done,
    Driver,
    Hold,
    Mode,
    Pulse,
    Refusal,
    Refused,
    SetMode,
    Side,
    TimedOut,
)
from drivers.shared_line import SharedLine
from tests.unit.drivers.bench import Bench, silent

NEVER_WAS = float("nan")


@pytest.mark.parametrize(
    ("driver", "mode", "written"),
    [
        (turnstile_eb, Mode.FREE, 1),  # lets people in: written once, answered or not
        (turnstile_eb, Mode.BLOCKED, 3),  # lets nobody in: repeated like a read
        (turnstile_7e, Mode.FREE, 1),
    ],
)
def test_s7_a_mode_that_lets_people_in_is_written_once_and_its_end_is_doubt(
    driver: Callable[[], Driver], mode: Mode, written: int
) -> None:
    bench = Bench(driver(), silent)
    bench.submit(SetMode(mode=mode, id="m"), then_s=10)
    frames = [
        frame for frame in bench.written if frame[2:4] not in {b"\x01\x10"}
    ]  # without the 7E's questions
    assert len(frames) == written * len(set(frames))
    assert [one for one in bench.events if getattr(one, "id", "") == "m"] == [
        TimedOut(id="m", maybe_executed=True)
    ]


def test_a_counter_that_went_back_to_an_unknown_number_counts_nobody() -> None:
    counter = TurnstileCounter(24)
    assert counter.read(5000, 0.0) is None
    assert counter.read(3000, 0.2) is None
    assert counter.read(3001, 0.4) is None  # the second reading agrees: counting begins anew
    assert counter.read(3002, 0.6) == 1
    assert counter.read(2, 0.8) == 2  # it was set to 0, and two have come since


@pytest.mark.parametrize(
    ("driver", "command"),
    [
        (turnstile_eb, Admit(side=Side.LEFT, id="a", issued_s=NEVER_WAS)),
        (turnstile_7e, Admit(side=Side.LEFT, id="a", issued_s=NEVER_WAS)),
        (LcusDriver, Pulse(channel=1, ms=300, id="a", issued_s=NEVER_WAS)),
        (LcusDriver, Hold(channel=1, seconds=5, id="a", issued_s=NEVER_WAS)),
    ],
)
def test_a_command_of_no_known_age_is_refused(
    driver: Callable[[], Driver], command: Admit | Pulse | Hold
) -> None:
    bench = Bench(driver(), silent)
    bench.run(1.0)
    bench.written.clear()
    assert bench.submit(command, then_s=1) == [Refused(id="a", why=Refusal.TOO_OLD)]
    assert not any(
        frame[:3] in {b"\xeb\x01\x40", b"\xa0\x01\x01"} or frame[3:4] == b"\x80" for frame in bench.written
    )


@pytest.mark.parametrize("before", [b"", b"relay on 0\n\r"])
def test_s8_half_an_answer_from_before_the_question_is_no_part_of_its_answer(before: bytes) -> None:
    """The prompt alone comes, from a module that did nothing; an echo of an earlier command lies before it."""

    def module(frame: bytes, now_s: float) -> bytes:  # the shape of a device
        if frame == b"relay on 0\r":
            return b"\n\r>"
        return frame + (b"\n\roff\n\r>" if frame.startswith(b"relay read") else b"\n\r>")

    bench = Bench(numato(outputs=8), module)
    bench.run(0.5)
    bench.hear(before)
    bench.submit(Pulse(channel=1, ms=300, id="a", issued_s=bench.now_s), then_s=3)
    ends = [one for one in bench.events if isinstance(one, Done | TimedOut) and one.id == "a"]
    assert ends == [TimedOut(id="a", maybe_executed=True)]


@pytest.mark.parametrize("noise", [b"", b"\x00"])
def test_an_adapter_that_does_not_echo_after_all_costs_no_answer(noise: bytes) -> None:
    """The board's answer to a write equals the frame: only what comes first can be the echo."""
    driver = modbus_relay("waveshare-relay-8")
    line = SharedLine({"relays": driver}, echo=True)
    line.line_up(0.0)
    line.tick(0.0)
    (frame,) = line.take_output()
    line.receive(noise or frame, 0.010)
    assert driver.holds_line()
    line.receive(frame, 0.020)
    line.tick(0.100)
    assert not driver.holds_line(), "the answer passed for an echo"
