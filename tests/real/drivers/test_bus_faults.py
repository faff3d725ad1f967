"""Cables pulled at every byte, deaf and stuffed lines, other programs and other boards, through pseudo-terminals."""

import os
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import port as port_module
from drivers.bus import Bus
from drivers.lcus import LcusDriver
from drivers.modbus_rtu import crc16
from drivers.model import (
    Done,
    Driver,
    Event,
    Fault,
    Grade,
    Line,
    LineSettings,
    Parity,
    Pulse,
    Refused,
    TimedOut,
)
from drivers.port import (
    PortBusyError,
    PortError,
    PortLostError,
    PortMissingError,
    PortStrangerError,
    SerialPort,
)
from drivers.registry import make_driver
from drivers.usb_socket import PortIdentity, identity_of
from simulators.boards.pty_line import PtyLine
from tests.waiting import until

pytestmark = pytest.mark.real

ALL_OFF = b"".join(bytes((0xA0, channel, 0, 0xA0 + channel)) for channel in range(1, 9))
FLASH_1 = bytes.fromhex("01 05 02 00 00 07 8D B0")  # 700 ms


class Watched:
    """A started bus with its events."""

    def __init__(self, driver: Driver, port: SerialPort) -> None:
        self.events: list[Event] = []
        self.bus = Bus("board", port, driver, lambda _name, event: self.events.append(event))
        self.bus.start()

    def ups(self) -> int:
        return sum(event.up for event in list(self.events) if isinstance(event, Line))

    def wait_up(self, count: int = 1) -> None:
        until(lambda: self.ups() >= count, what=f"the line for the {count}. time")

    def outcome(self, id_: str = "a") -> list[Event]:
        return [event for event in list(self.events) if getattr(event, "id", None) == id_]

    def pulse(self, ms: int = 700) -> None:
        assert self.bus.submit(Pulse(channel=1, ms=ms, id="a", issued_s=time.monotonic()))


class ModbusBoard:
    """A relay board on a bare line; pulls its own cable after ``cut`` bytes of the flash frame or of its answer."""

    def __init__(self, line: PtyLine, *, heard: int | None = None, answered: int | None = None) -> None:
        self.line, self.heard, self.answered = line, heard, answered
        self.flashes = 0
        self.buffer = b""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, name="modbus-board")
        self.thread.start()

    def run(self) -> None:
        while not self.stop.is_set():
            if self.line.plugged:
                self.serve()
            self.stop.wait(0.001)

    def serve(self) -> None:
        self.buffer += self.line.read()
        if self.heard is not None and self.buffer[:2] == b"\1\5" and self.buffer[2:3] == b"\2":
            if len(self.buffer) >= self.heard:
                self.flashes += self.heard == 8
                self.unplug()
            return
        while len(self.buffer) >= 8:
            frame, self.buffer = self.buffer[:8], self.buffer[8:]
            answer = frame
            if frame[1] == 1:
                answer = b"\1\1\1\0" + crc16(b"\1\1\1\0")
            if frame == FLASH_1:
                self.flashes += 1
                if self.answered is not None:
                    self.line.write(answer[: self.answered])
                    self.unplug()
                    return
            self.line.write(answer)

    def unplug(self) -> None:
        self.heard = self.answered = None
        self.buffer = b""
        self.line.unplug()

    def close(self) -> None:
        self.stop.set()
        self.thread.join(5)


@pytest.mark.parametrize("heard", range(5))
def test_s2_a_cable_pulled_after_any_byte_of_a_switch_repeats_nothing(line: PtyLine, heard: int) -> None:
    watched = Watched(LcusDriver(), SerialPort(line.link, LineSettings()))
    try:
        got = b""

        def hear(count: int) -> bool:
            nonlocal got
            got += os.read(line.fileno(), count - len(got)) if len(got) < count else b""
            return len(got) >= count

        os.set_blocking(line.fileno(), True)
        until(lambda: hear(2 * len(ALL_OFF)), what="the opening")
        watched.wait_up()
        watched.pulse()
        until(lambda: hear(2 * len(ALL_OFF) + heard), what="the bytes before the cut")
        line.unplug()
        until(watched.outcome, what="the outcome")
        (outcome,) = watched.outcome()
        doubtful = isinstance(outcome, TimedOut) and outcome.maybe_executed
        assert doubtful or (not heard and isinstance(outcome, TimedOut | Refused))
        line.plug()
        watched.wait_up(2)
        watched.bus.close()
        after = b""

        def closed() -> bool:
            nonlocal after
            after += line.read()
            return after == ALL_OFF * 3

        until(closed, what="the openings and nothing else")
        assert watched.outcome() == [outcome]
    finally:
        watched.bus.close()


@pytest.mark.parametrize(
    ("heard", "answered"), [(count, None) for count in range(9)] + [(None, count) for count in range(9)]
)
def test_s2_a_cable_pulled_after_any_byte_of_a_board_timed_pulse_gives_one_flash_at_most(
    line: PtyLine, heard: int | None, answered: int | None
) -> None:
    board = ModbusBoard(line, heard=heard, answered=answered)
    driver = make_driver("modbus-relay", profile="waveshare-relay-8")
    watched = Watched(driver, SerialPort(line.link, LineSettings()))
    try:
        watched.wait_up()
        watched.pulse()
        until(lambda: not line.plugged, what="the cut")
        until(lambda: not watched.bus.healthy, what="the loss")
        line.plug()
        watched.wait_up(2)
        assert [type(event) for event in watched.outcome()] == [TimedOut]
        watched.bus.close()
        assert board.flashes == int(heard in {None, 8})
    finally:
        watched.bus.close()
        board.close()


def test_s1_an_unplugged_idle_board_is_noticed_within_a_second(line: PtyLine) -> None:
    watched = Watched(LcusDriver(), SerialPort(line.link, LineSettings()))
    try:
        watched.wait_up()
        line.unplug()
        until(lambda: not watched.bus.healthy, within_s=1.0, what="the loss")
        line.plug()
        began_s = time.monotonic()
        watched.wait_up(2)
        assert time.monotonic() - began_s < 2.0
    finally:
        watched.bus.close()


def test_s6_a_deaf_board_is_one_fault_and_the_pulse_is_doubtful(line: PtyLine) -> None:
    driver = make_driver("modbus-relay", profile="waveshare-relay-8")
    watched = Watched(driver, SerialPort(line.link, LineSettings()))
    try:
        watched.wait_up()  # told to open; nobody answered
        until(lambda: [event for event in watched.events if isinstance(event, Fault)], what="the fault")
        watched.pulse()
        until(watched.outcome, what="the outcome")
        assert not isinstance(watched.outcome()[0], Done)
        assert not watched.bus.healthy
    finally:
        watched.bus.close()


def test_s9_a_line_that_takes_no_more_bytes_is_lost_and_not_waited_for(line: PtyLine) -> None:
    port = SerialPort(line.link, LineSettings())
    port.open()
    began_s = time.monotonic()
    with pytest.raises(PortLostError):
        for _ in range(100):
            port.write(b"x" * 4096)
    assert time.monotonic() - began_s < 2.0
    port.close()


def test_s10_a_second_program_is_kept_out_and_let_in_after(line: PtyLine) -> None:
    watched = Watched(LcusDriver(), SerialPort(line.link, LineSettings()))
    second = SerialPort(line.link, LineSettings())
    try:
        watched.wait_up()
        with pytest.raises(PortBusyError):
            second.open()
    finally:
        watched.bus.close()
    second.open()
    second.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[PtyLine, PtyLine]]:
    lines = PtyLine(tmp_path / "a"), PtyLine(tmp_path / "b")
    for one in lines:
        one.plug()
    yield lines
    for one in lines:
        one.unplug()


def test_s4_two_equal_boards_with_swapped_links_are_refused_until_they_are_back(
    pair: tuple[PtyLine, PtyLine], tmp_path: Path
) -> None:
    devices = [Path(os.path.realpath(one.link)) for one in pair]
    sockets = dict(zip(devices, ("1-1:1.0", "1-2:1.0"), strict=True))
    link = tmp_path / "relays"
    link.symlink_to(devices[1])  # the other one's
    port = SerialPort(
        link,
        LineSettings(),
        expect=PortIdentity(socket="1-1:1.0"),
        identify=lambda path: PortIdentity(socket=sockets[path]),
    )
    with pytest.raises(PortStrangerError, match=r"leads to socket 1-2:1\.0, and not to socket 1-1:1\.0"):
        port.open()
    watched = Watched(LcusDriver(), port)
    try:
        until(lambda: watched.events, what="the refusal")
        watched.pulse()
        until(watched.outcome, what="the outcome")
        assert pair[1].read() == b""
        link.unlink()
        link.symlink_to(devices[0])
        watched.wait_up()
        until(lambda: pair[0].read() == ALL_OFF * 2, what="the opening of the right board")
        assert pair[1].read() == b""
    finally:
        watched.bus.close()


def test_a_device_that_changes_while_it_is_opened_is_not_used(line: PtyLine) -> None:
    seen = iter(["1-1:1.0", "1-2:1.0"])  # before, and after
    port = SerialPort(
        line.link,
        LineSettings(),
        expect=PortIdentity(socket="1-1:1.0"),
        identify=lambda _path: PortIdentity(socket=next(seen)),
    )
    with pytest.raises(PortStrangerError):
        port.open()
    again = SerialPort(line.link, LineSettings())
    again.open()  # the first one let go of it
    again.close()


def test_a_device_that_goes_while_it_is_looked_at_is_missing(line: PtyLine, tmp_path: Path) -> None:
    late = tmp_path / "late"
    port = SerialPort(
        late, LineSettings(), expect=PortIdentity(socket="1-1:1.0"), identify=lambda _: PortIdentity()
    )
    with pytest.raises(PortMissingError):
        port.open()

    def goes(_path: Path) -> PortIdentity:
        raise FileNotFoundError(2, "it went")

    late.symlink_to(line.link)
    port = SerialPort(late, LineSettings(), expect=PortIdentity(socket="1-1:1.0"), identify=goes)
    with pytest.raises(PortMissingError):
        port.open()


def test_links_in_a_circle_are_an_error_of_the_port(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(PortMissingError):
        SerialPort(tmp_path / "a", LineSettings()).open()


def test_s3_a_port_is_found_by_its_socket_and_serial_number(tmp_path: Path) -> None:
    usb = tmp_path / "devices" / "usb1" / "1-2" / "1-2.4"
    serial = usb / "1-2.4:1.0" / "ttyUSB7"
    serial.mkdir(parents=True)
    for name, text in {"idVendor": "1a86\n", "idProduct": "7523\n", "serial": "A1\n"}.items():
        (usb / name).write_text(text, encoding="ascii")
    (usb / "1-2.4:1.0" / "bInterfaceNumber").write_text("00\n", encoding="ascii")
    tty = tmp_path / "class" / "tty" / "ttyUSB7"
    tty.mkdir(parents=True)
    (tty / "device").symlink_to(serial)
    found = identity_of("/dev/ttyUSB7", sys=tmp_path)
    assert found == PortIdentity(socket="1-2.4:1.0", usb="1a86:7523", serial="A1")
    assert found.fits(PortIdentity(serial="A1"))
    assert not found.fits(PortIdentity(serial="A2"))
    assert identity_of("/dev/ttyUSB8", sys=tmp_path) == PortIdentity()


def test_a_parity_that_a_pseudo_terminal_cannot_have_still_opens_it_twice(line: PtyLine) -> None:
    port = SerialPort(line.link, LineSettings(parity=Parity.EVEN, stop_bits=2))
    for _ in range(2):
        port.open()
        port.write(b"\xff")
        port.close()
    heard: list[bytes] = []  # two bytes in two reads count as well

    def both() -> bool:
        heard.append(line.read())
        return sum(map(len, heard)) >= 2

    until(both, what="both bytes")
    assert b"".join(heard) == b"\xff\xff"


def test_an_adapter_that_cannot_be_set_as_asked_is_an_error_of_the_port(
    line: PtyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pseudo-terminal takes a parity once and fails at the next set-up, with an error that is no OSError."""
    monkeypatch.setattr(port_module, "_PSEUDO_TERMINALS", Path("/nowhere"))  # as if it were an adapter
    port = SerialPort(line.link, LineSettings(parity=Parity.EVEN, stop_bits=2))
    port.open()
    port.close()
    with pytest.raises(PortError, match="cannot be used as a serial port") as failed:
        port.open()
    assert isinstance(failed.value.__cause__, termios.error)
    right = SerialPort(line.link, LineSettings())
    right.open()  # and nothing is left of the attempt
    right.close()


def test_a_dead_port_costs_no_cpu(tmp_path: Path) -> None:
    watched = Watched(LcusDriver(), SerialPort(tmp_path / "nothing", LineSettings()))
    try:
        until(lambda: watched.events, what="the report")
        before_s, began_s = time.process_time(), time.monotonic()
        threading.Event().wait(1.0)
        share = (time.process_time() - before_s) / (time.monotonic() - began_s)
        assert share < 0.05
        assert len(watched.events) == 1
    finally:
        watched.bus.close()


def test_a_pulse_that_goes_well_is_confirmed_by_a_board_that_can_be_read(line: PtyLine) -> None:
    """Beside all that must not happen: the good thing does."""
    board = ModbusBoard(line)
    driver = make_driver("modbus-relay", profile="waveshare-relay-8")
    watched = Watched(driver, SerialPort(line.link, LineSettings()))
    try:
        watched.wait_up()
        watched.pulse()
        until(watched.outcome, what="the outcome")
        assert watched.outcome() == [Done(id="a", grade=Grade.ACCEPTED)]  # this board never shows it closed
        assert board.flashes == 1
    finally:
        watched.bus.close()
        board.close()
