"""What a bus keeps for each device of its line, and in which order it tells what a lost line means."""

import socket
import threading
import time
from itertools import count, pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from drivers.bus import INBOX_MAX, Bus
from drivers.devices.modbus_tcp_port import TcpPort
from drivers.model import AllOff, Done, Event, Fault, Line, LineSettings, Pulse, Refusal, Refused, Release
from drivers.port import PortError, PortLostError, SerialPort
from drivers.registry import make_driver
from drivers.usb_socket import PortIdentity
from simulators.boards.device import Answer
from simulators.boards.modbus_makes import WaveshareRelay
from simulators.boards.pty_line import PtyLine
from tests.real.drivers.stations import on_pty
from tests.waiting import until

pytestmark = pytest.mark.real

PROFILE = "waveshare-relay-8"


def test_s1_the_fault_of_a_board_that_is_unplugged_is_over_once_and_behind_the_loss(line: PtyLine) -> None:
    events: list[Event] = []
    driver = make_driver("modbus-relay", profile=PROFILE)
    bus = Bus("b", SerialPort(line.link, LineSettings()), driver, lambda _name, event: events.append(event))
    bus.start()
    try:
        until(lambda: any(isinstance(one, Fault) for one in events), what="the fault of a mute board")
        line.unplug()
        until(lambda: events[-1] == Fault(active=False, why="the line was lost"), what="the end of the fault")
        lost = next(at for at, one in enumerate(events) if isinstance(one, Line) and not one.up)
        assert all(one.active for one in events[:lost] if isinstance(one, Fault))
        assert [one.active for one in events[lost:] if isinstance(one, Fault)] == [False]
    finally:
        bus.close()


@pytest.mark.parametrize("other", ["", "AllOff"])
def test_an_all_off_of_one_device_overtakes_its_own_pulses_and_no_others(tmp_path: Path, other: str) -> None:
    go, seen = threading.Event(), threading.Event()
    events: list[tuple[str, Event]] = []

    def slow(name: str, event: Event) -> None:
        events.append((name, event))
        if len([one for _, one in events if isinstance(one, Line) and one.up]) == 2:
            seen.set()
            assert go.wait(10)  # meanwhile commands wait in the inbox

    drivers = {f"unit{unit}": make_driver("modbus-relay", profile=PROFILE, unit=unit) for unit in (1, 2)}
    with on_pty(tmp_path, WaveshareRelay(unit=1), WaveshareRelay(unit=2)) as (_run, link):
        bus = Bus("b", SerialPort(link, LineSettings()), drivers, slow)
        bus.start()
        try:
            until(seen.is_set, what="both lines")
            for unit in (1, 2):
                pulse = Pulse(channel=1, ms=300, id=f"before{unit}", issued_s=time.monotonic())
                assert bus.submit(pulse, f"unit{unit}")
            assert bus.submit(AllOff(), "" if other else "unit2")
            go.set()
            until(lambda: {"before1", "before2"} <= {getattr(one, "id", "") for _, one in events})
            ends = {one.id: one for _, one in events if isinstance(one, Done | Refused)}
            assert ends["before2"] == Refused(id="before2", why=Refusal.OVERTAKEN)
            assert isinstance(ends["before1"], Refused if other else Done)
        finally:
            go.set()
            bus.close()


def test_a_speed_that_no_device_has_is_an_error_of_the_port(line: PtyLine) -> None:
    port = SerialPort(line.link, LineSettings(baud=-9600))
    with pytest.raises(PortError, match="cannot be used as a serial port"):
        port.open()
    right = SerialPort(line.link, LineSettings())
    right.open()  # and nothing is left of the attempt
    right.close()


def test_s3_a_board_that_came_back_under_another_name_is_found_by_its_socket(tmp_path: Path) -> None:
    """The link by socket leads to another device after a replug, as a ttyUSB number moves on."""
    lines = PtyLine(tmp_path / "tty0"), PtyLine(tmp_path / "tty1")
    for one in lines:
        one.plug()
    link, events = tmp_path / "by-path", list[Event]()
    link.symlink_to(lines[0].link.resolve())
    port = SerialPort(
        link,
        LineSettings(),
        expect=PortIdentity(socket="1-1:1.0"),
        identify=lambda device: PortIdentity(socket="1-1:1.0" if device == link.resolve() else "1-2:1.0"),
    )
    bus = Bus("b", port, make_driver("lcus"), lambda _name, event: events.append(event))
    bus.start()
    try:
        until(lambda: bus.healthy, what="the line")
        lines[0].unplug()
        until(lambda: not bus.healthy, what="the loss")
        link.unlink()
        link.symlink_to(lines[1].link.resolve())
        until(lambda: bus.healthy, what="the line again")
        assert bus.submit(Pulse(channel=1, ms=100, id="a", issued_s=time.monotonic()))
        until(lambda: [one for one in list(events) if isinstance(one, Done)], what="the pulse")
        assert b"\xa0\x01\x01\xa2" in lines[1].read()
    finally:
        bus.close()
        lines[1].unplug()


def answered(line: PtyLine, board: WaveshareRelay) -> bool:
    """The board's part of a bare line; whether it had something to say."""
    said = board.receive(line.read(), time.monotonic())
    for one in said:
        line.write(one.data)
    return bool(said)


def test_a_line_is_said_to_be_up_when_its_outputs_were_told_to_open_and_not_before(line: PtyLine) -> None:
    """The clock of this bus hardly moves, so that only the board's answer can end the wait."""
    events, ticks = list[Event](), count()
    driver = make_driver("modbus-relay", profile=PROFILE)
    bus = Bus(
        "b",
        SerialPort(line.link, LineSettings()),
        driver,
        lambda _name, event: events.append(event),
        monotonic_s=lambda: 100.0 + next(ticks) * 1e-4,
    )
    bus.start()
    try:
        opening = until(line.read, what="the opening")
        assert bus.submit(Pulse(channel=99, ms=300, id="a", issued_s=100.0))
        until(lambda: events, what="the answer to a pulse on no output")
        assert events == [
            Refused(id="a", why=Refusal.BAD_CHANNEL)
        ]  # the bus went round, and the line is not up
        line.write(opening)
        board = WaveshareRelay(unit=1)
        until(lambda: not answered(line, board) and events[1:], what="the line")
        assert events[1:] == [Line(up=True)]
    finally:
        line.unplug()  # its end would wait for a board by that clock
        bus.close()


class NoReads(WaveshareRelay):
    """Obeys, and answers no read."""

    def receive(self, data: bytes, now_s: float) -> list[Answer]:
        said = super().receive(data, now_s)
        return [] if data[1:2] == b"\x01" else said


def test_a_board_that_takes_its_opening_and_answers_no_read_is_up_at_once(line: PtyLine) -> None:
    """The clock of this bus hardly moves, so that no wait for an answer ever ends."""
    events, ticks = list[Event](), count()
    bus = Bus(
        "b",
        SerialPort(line.link, LineSettings()),
        make_driver("modbus-relay", profile=PROFILE),
        lambda _name, event: events.append(event),
        monotonic_s=lambda: 100.0 + next(ticks) * 1e-5,
    )
    bus.start()
    board = NoReads(unit=1)
    try:
        until(lambda: (answered(line, board), events)[1], what="the line")
        assert events == [Line(up=True)]
    finally:
        line.unplug()  # its end would wait for a board by that clock
        bus.close()


def test_a_release_and_an_all_off_find_room_where_nothing_else_does(line: PtyLine) -> None:
    go, held = threading.Event(), threading.Event()

    def slow(_name: str, event: Event) -> None:
        if isinstance(event, Line):
            held.set()
            assert go.wait(10)

    bus = Bus("b", SerialPort(line.link, LineSettings()), make_driver("lcus"), slow)
    bus.start()
    try:
        until(held.is_set, what="the line")
        taken = [
            bus.submit(Pulse(channel=1, ms=300, id=str(number), issued_s=time.monotonic()))
            for number in range(INBOX_MAX + 1)
        ]
        assert taken == [True] * INBOX_MAX + [False]
        assert bus.submit(Release(channel=1, id="release"))
        assert bus.submit(AllOff())
    finally:
        go.set()
        bus.close()


def test_a_port_that_is_away_for_long_is_tried_again_within_two_seconds(tmp_path: Path) -> None:
    class Away(SerialPort):
        tried_s: ClassVar[list[float]] = []

        def open(self) -> None:
            self.tried_s.append(time.monotonic())
            super().open()

    bus = Bus("b", Away(tmp_path / "nothing", LineSettings()), make_driver("lcus"), lambda *_: None)
    bus.start()
    try:
        until(lambda: len(Away.tried_s) == 5, what="five attempts")  # 0, 0.25, 0.75, 1.75 and 2.75 s
        assert max(later - before for before, later in pairwise(Away.tried_s)) < 1.9
    finally:
        bus.close()


@pytest.mark.parametrize("lost", [True, False])
def test_a_network_board_that_was_lost_gets_nothing_of_what_waits_for_it(lost: bool) -> None:
    """After a loss the connection is reset, so that no pulse lies in a queue; a sound one ends in order."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = TcpPort("127.0.0.1", server.getsockname()[1])
        port.open()
        board, _ = server.accept()
        with board:
            board.settimeout(10)
            port.write(b"pulse")
            if lost:
                with pytest.raises(PortLostError):
                    for _ in range(10_000):  # it reads nothing, until no more bytes are taken
                        port.write(b"x" * 65_536)
            port.close()
            if lost:
                with pytest.raises(ConnectionResetError):
                    while board.recv(65_536):
                        pass
            else:
                assert board.recv(100) == b"pulse"
                assert board.recv(100) == b""
