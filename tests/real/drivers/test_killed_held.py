"""The program that has a board is killed, or stands still, in the middle of a pulse or a hold: what its relay does.

The contact timeline is the virtual board's own, written from the maker's documents; the program is another process.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.model import Line, LineSettings
from drivers.port import PortBusyError, SerialPort
from drivers.registry import make_driver
from simulators.boards.catalogue import make_board
from tests.real.drivers.stations import Running, driving, on_pty
from tests.waiting import until

pytestmark = pytest.mark.real

CAP_S = 2.0
BOARD_TIMED = ["waveshare-relay-8", "eletechsup-r421a08"]
HELD = [("modbus-relay", "waveshare-relay-8", "hold")]  # no board here times a hold
PROGRAM = """
import sys, threading, time
from drivers.model import Hold, Line, Pulse
from drivers.registry import make_bus

protocol, path, profile, act = sys.argv[1:]
up = threading.Event()
bus = make_bus(
    name="board", protocol=protocol, path=path, on_event=lambda _, event: isinstance(event, Line) and up.set(),
    **({"profile": profile} if profile else {}),
)
bus.start()
up.wait()
now_s = time.monotonic()
if act == "hold":
    bus.submit(Hold(channel=2, seconds=600, id="a", issued_s=now_s))
else:
    bus.submit(Pulse(channel=2, ms=int(act), id="a", issued_s=now_s))
threading.Event().wait()
"""


@contextmanager
def moving(
    run: Running, link: Path, protocol: str, profile: str, act: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has closed relay 2, and that ends with the test at the latest."""
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, protocol, str(link), profile, act])
    try:
        until(lambda: ("relay_on", 2) in run.whats(), within_s=20.0, what="the closed relay")
        yield child
    finally:
        child.kill()
        child.wait(10)


def closed_for_s(run: Running) -> float:
    """How long relay 2 was closed, by the board's own tape."""
    edges = [row for row in run.rows() if row["what"] in {"relay_on", "relay_off"}]
    assert [(row["what"], row["channel"]) for row in edges] == [("relay_on", 2), ("relay_off", 2)]
    lasted_s: float = edges[1]["mono"] - edges[0]["mono"]
    return lasted_s


@pytest.mark.parametrize("profile", BOARD_TIMED)
def test_s11_killed_in_mid_pulse_a_board_that_times_it_opens_by_itself(tmp_path: Path, profile: str) -> None:
    with on_pty(tmp_path, make_board("modbus-relay", profile=profile)) as (run, link):
        with moving(run, link, "modbus-relay", profile, "1000") as child:
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)
            until(lambda: ("relay_off", 2) in run.whats(), what="the open relay")
        assert closed_for_s(run) < CAP_S


@pytest.mark.parametrize(("protocol", "profile", "act"), [("lcus", "", "2000"), *HELD])
def test_s11_killed_what_this_side_times_is_opened_first_at_the_next_start(
    tmp_path: Path, protocol: str, profile: str, act: str
) -> None:
    options: Any = {"profile": profile} if profile else {}
    assert act == "hold" or make_driver(protocol, **options).info.host_timed  # of which the gate's file warns
    with on_pty(tmp_path, make_board(protocol, profile=profile or None)) as (run, link):
        with moving(run, link, protocol, profile, act) as child:
            os.kill(child.pid, signal.SIGKILL)
            child.wait(10)
        assert run.whats() == [("relay_on", 2)]
        with driving(protocol, link, **options) as heard:
            heard.wait_up()
            until(lambda: ("relay_off", 2) in run.whats(), what="the open relay")
            assert [line.up for line in heard.all(Line)] == [True]  # the lock of the dead was gone at once
        assert run.whats() == [("relay_on", 2), ("relay_off", 2)]


def test_s12_stopped_in_mid_pulse_a_board_that_times_it_opens_by_itself(tmp_path: Path) -> None:
    profile = "waveshare-relay-8"
    with on_pty(tmp_path, make_board("modbus-relay", profile=profile)) as (run, link):
        with moving(run, link, "modbus-relay", profile, "1000") as child:
            os.kill(child.pid, signal.SIGSTOP)
            until(lambda: ("relay_off", 2) in run.whats(), what="the open relay")
            with pytest.raises(PortBusyError):  # it still has its board: nobody else moves it meanwhile
                SerialPort(link, LineSettings()).open()
        assert closed_for_s(run) < CAP_S


def test_s12_stopped_in_mid_pulse_what_this_side_times_opens_as_soon_as_it_goes_on(tmp_path: Path) -> None:
    with on_pty(tmp_path, make_board("lcus")) as (run, link), moving(run, link, "lcus", "", "300") as child:
        os.kill(child.pid, signal.SIGSTOP)
        os.kill(child.pid, signal.SIGCONT)
        until(lambda: ("relay_off", 2) in run.whats(), what="the open relay")
        assert run.whats() == [("relay_on", 2), ("relay_off", 2)]
