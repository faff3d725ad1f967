"""The gate daemon is killed while lanes are pulsed and held: each contact is left as the gate's file says of its lane.

The record of the contacts is the virtual boards' own, written from the makers' documents.
"""

import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.tool.wiring import consequences, info_of
from edge.control import SOCKET
from shell.clock import SystemClock
from shell.control import ControlError, ask
from simulators.boards.cable import Cable
from simulators.boards.catalogue import make_board
from simulators.boards.device import Device
from simulators.boards.ends import PtyEnd
from tests.real.drivers.stations import Running, running
from tests.real.test_gate_boards import GUARD, write_gate
from tests.waiting import until

pytestmark = pytest.mark.real

# By the relay of the lane, so that the record tells whose it was: board, what is done to the lane, what is known of it.
PULSED, HELD = "pulsed", "held"
LANES = {
    1: ("modbus-relay", 'profile = "waveshare-relay-8"', PULSED, "entry", "locked"),
    2: ("lcus", "", PULSED, "entry", "locked"),
    3: (
        "modbus-relay",
        'profile = "waveshare-relay-8"',
        HELD,
        "exit",
        "open",
    ),  # a magnet over the contact at rest
    4: ("devantech-usb", 'model = "USB-RLY16L"', HELD, "entry", "as_is"),
    5: ("kmtronic", "", HELD, "entry", "locked"),
}


def section(number: int) -> str:
    protocol, more, _, direction, on_power_loss = LANES[number]
    return f"""[[board]]
name = "board{number}"
protocol = "{protocol}"
port = "dev/line{number}"
{more}
[[lane]]
name = "lane{number}"
direction = "{direction}"
camera = "none"
board = "board{number}"
channel = {number}
pulse_ms = 2000
passage = "assumed"
release = "pulse_to_open"
on_power_loss = "{on_power_loss}"
tested_by = "李工"
tested_on = 2026-11-20
"""


def board_of(number: int) -> Device:
    protocol, more, *_ = LANES[number]
    if protocol == "devantech-usb":
        return make_board(protocol, profile="rly16l")
    return make_board(protocol, profile=more.split('"')[1] if more else None)


class Killable:
    """The daemon as a process of its own, and its tools."""

    def __init__(self, path: Path, log: Path) -> None:
        self._socket = path.parent / "south" / SOCKET
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", "--config", str(path)],
            stdout=self._log,
            stderr=self._log,
        )

    def ask(self, do: str, **content: Any) -> dict[str, Any]:
        return ask(self._socket, {"do": do, **content}, within_s=30)

    def wait_up(self) -> None:
        def up() -> bool:
            assert self.process.poll() is None, "the daemon has ended"
            try:
                return all(lane["works"] for lane in self.ask("watch")["now"]["lanes"])
            except ControlError:
                return False

        until(up, within_s=60, what="every lane")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def close(self) -> None:
        self.kill()
        self._log.close()


@contextmanager
def gate(path: Path, log: Path) -> Iterator[Killable]:
    daemon = Killable(path, log)
    try:
        daemon.wait_up()
        yield daemon
    finally:
        daemon.close()


@contextmanager
def asked(daemon: Killable, lane: str) -> Iterator[None]:
    """A pulse is asked for, and its outcome is not waited for: the daemon is dead by then."""

    def pulse() -> None:
        with suppress(ControlError):
            daemon.ask("pulse", lane=lane, **GUARD)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        thread.join(40)
        assert not thread.is_alive()


def closed(station: Running) -> set[int]:
    """The contacts that are closed, by the boards' record."""
    found: set[int] = set()
    for what, number in station.whats():
        (found.add if what == "relay_on" else found.discard)(number)
    return found


def after_a_crash(lanes: list[dict[str, Any]], boards: list[dict[str, Any]]) -> set[int]:
    """Whose contact stays closed, by what the gate's file says; this is what ``init`` shows before it writes it."""
    stay = set()
    for lane, board in zip(lanes, boards, strict=True):
        facts = consequences(
            release=lane["release"], on_power_loss=lane["on_power_loss"], info=info_of(board)
        )
        (crash,) = [one for one in facts if one.when.en == "crash"]
        if crash.danger or LANES[lane["channel"]][2] == HELD:
            stay.add(lane["channel"])
    return stay


@pytest.mark.parametrize("power_fails", [False, True], ids=["started anew", "after a power cut"])
def test_f5_a_daemon_that_is_killed_leaves_each_contact_as_its_lanes_facts_say(
    tmp_path: Path, power_fails: bool
) -> None:
    ends = {
        number: PtyEnd(tmp_path / "dev" / f"line{number}", Cable([board_of(number)], seed=1))
        for number in LANES
    }
    path = write_gate(tmp_path, "".join(map(section, LANES)), code=False)
    told = tomllib.loads(path.read_text("utf-8"))
    with running(tmp_path, list(ends.values()), None) as station:
        with gate(path, tmp_path / "log") as daemon:
            assert closed(station) == set()
            for number, (_, _, what, *_) in LANES.items():
                if what == HELD:
                    daemon.ask("hold", lane=f"lane{number}", seconds=600, **GUARD)
            with asked(daemon, "lane1"), asked(daemon, "lane2"):
                until(lambda: closed(station) == set(LANES), within_s=20, what="every contact")
                daemon.kill()
        stay = after_a_crash(told["lane"], told["board"])
        assert stay == {2, 3, 4, 5}
        until(lambda: closed(station) == stay, what="the end of the pulse that a board times")
        if power_fails:
            for end in ends.values():
                station.station.ask(partial(cut, end))
            stay = {lane["channel"] for lane in told["lane"] if lane["on_power_loss"] == "as_is"}
            assert stay == {4}
            until(lambda: closed(station) == stay, what="the relays that drop")
        offs = station.whats().count(("relay_off", 4))
        with gate(path, tmp_path / "log"):
            assert closed(station) == set()  # before a lane is said to work
            assert station.whats().count(("relay_off", 4)) == offs + 1
        assert [number for what, number in station.whats() if what == "relay_on"].count(1) == 1
        assert len([1 for what, _ in station.whats() if what == "relay_on"]) == len(LANES)


def cut(end: PtyEnd) -> None:
    """The board's supply goes and comes back."""
    now_s = SystemClock().monotonic_s()
    end.unplug(now_s)
    end.plug(now_s)
