"""A pseudo-terminal that writes back what it reads: an adapter with echo, and a board that is dead or not wired."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.model import AnyEvent, Fault, Line, Pulse, TimedOut
from drivers.registry import make_bus
from simulators.boards.pty_line import PtyLine
from tests.real.drivers.tool.twins import run
from tests.waiting import until

pytestmark = pytest.mark.real
PROFILES = ["generic-0100-4", "waveshare-relay-8"]


@pytest.fixture
def echo(line: PtyLine) -> Iterator[Path]:
    """The link of a line that echoes."""
    stop = threading.Event()

    def send_back() -> None:
        while not stop.wait(0.001):
            data = line.read()
            if data:
                line.write(data)

    thread = threading.Thread(target=send_back, name="echo")
    thread.start()
    yield line.link
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("profile", PROFILES)
def test_s8_a_pulse_into_an_echo_is_perhaps_and_the_fault_names_it(echo: Path, profile: str) -> None:
    events: list[AnyEvent] = []
    bus: Bus = make_bus(
        name="board",
        protocol="modbus-relay",
        path=echo,
        profile=profile,
        on_event=lambda _name, event: events.append(event),
    )
    bus.start()
    try:
        until(lambda: any(isinstance(one, Line) and one.up for one in list(events)), what="the line")
        assert bus.submit(Pulse(channel=1, ms=300, id="a", issued_s=time.monotonic()))
        until(lambda: any(getattr(one, "id", "") == "a" for one in list(events)), what="the outcome")
        until(
            lambda: any(isinstance(one, Fault) and "only echoes" in one.why for one in list(events)),
            what="the fault",
        )
        outcomes = [one for one in list(events) if getattr(one, "id", "") == "a"]
        assert outcomes == [TimedOut(id="a", maybe_executed=True)]
        assert bus.heard_s() is None
    finally:
        bus.close()


@pytest.mark.parametrize("profile", PROFILES)
def test_s8_the_tool_reports_no_opened_lane(echo: Path, profile: str) -> None:
    where = ("--port", str(echo), "--protocol", "modbus-relay", "--profile", profile)
    code, out, err = run("pulse", "1", *where, "--confirm", "isolated")
    assert code in {1, 3}, out + err
    assert "accepted" not in out + err
