"""Lines that take half a frame or nothing, programs that listen in, and drivers with a bug, on pseudo-terminals."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.holders import intruder_at
from drivers.lcus import LcusDriver
from drivers.model import (
    AnyEvent,
    Command,
    Done,
    Driver,
    Event,
    Fault,
    Grade,
    Hold,
    Line,
    LineSettings,
    Outputs,
    Pulse,
    TimedOut,
)
from drivers.port import PortLostError, SerialPort
from drivers.registry import make_driver
from simulators.boards.first_boards import LcusDevice
from simulators.boards.pty_line import PtyLine
from tests.waiting import until

pytestmark = pytest.mark.real

NOISE = b"\x00"
ON_1 = b"\xa0\x01\x01\xa2"
OPENING = 2 * 8 * 4  # bytes with which an LCUS line begins
LISTENER = (
    "import sys; port = open(sys.argv[1], 'rb', buffering=0); print('open', flush=True); sys.stdin.read()"
)


class Served:
    """A started bus and its outcomes."""

    def __init__(self, line: PtyLine, driver: Driver) -> None:
        self.events: list[Event] = []
        self.readings: list[object] = []
        self.bus = Bus(
            "board",
            SerialPort(line.link, LineSettings()),
            driver,
            lambda _name, event: self.events.append(event),
            on_reading=lambda _name, reading: self.readings.append(reading),
        )
        self.bus.start()

    def wait_up(self, count: int = 1) -> None:
        ups: Callable[[], bool] = lambda: (  # noqa: E731
            sum(event.up for event in list(self.events) if isinstance(event, Line)) >= count
        )
        until(ups, within_s=15.0, what=f"the line for the {count}. time among {self.events}")

    def of(self, id_: str) -> list[Event]:
        return [event for event in list(self.events) if getattr(event, "id", None) == id_]

    def wait(self, id_: str) -> Event:
        until(lambda: self.of(id_), what=f"the outcome of {id_}")
        return self.of(id_)[0]

    def pulse(self, id_: str, ms: int = 100) -> None:
        assert self.bus.submit(Pulse(channel=1, ms=ms, id=id_, issued_s=time.monotonic()))


@contextmanager
def serving(line: PtyLine, driver: Driver) -> Iterator[Served]:
    served = Served(line, driver)
    try:
        yield served
    finally:
        served.bus.close()


class Reader:
    """The board: an LCUS model that gets whatever comes, once somebody lets it read."""

    def __init__(self, line: PtyLine) -> None:
        self.line, self.board = line, LcusDevice()
        self.clicks: list[tuple[str, int]] = []
        self.heard = b""

    def read(self) -> bool:
        """Take what has come; always true, so that it can stand in a condition."""
        while data := self.line.read():
            self.heard += data
            self.board.receive(data, time.monotonic())
        self.clicks += [(one.what, one.channel) for one in self.board.take_happenings()]
        return True


def stuff(line: PtyLine, *, written: int, room: int) -> None:
    """Fill a fresh line, of which nothing was read, with noise until exactly so many bytes fit.

    Args:
        line: The line.
        written: What was written to it so far, in frames of four bytes.
        room: What is still to fit.
    """
    count = _capacity(line.link.with_name("other"), written) - written - room
    slave = os.open(line.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        assert all(_takes(slave, NOISE) for _ in range(count))
    finally:
        os.close(slave)


def _capacity(link: Path, written: int) -> int:
    """How much a line takes that nobody reads, written in the same pieces."""
    other = PtyLine(link)
    other.plug()
    slave = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        count = sum(4 for _ in range(0, written, 4) if _takes(slave, NOISE * 4))
        while _takes(slave, NOISE):
            count += 1
    finally:
        os.close(slave)
        other.unplug()
    return count


def _takes(slave: int, data: bytes) -> bool:
    try:
        return os.write(slave, data) == len(data)
    except BlockingIOError:
        return False


@pytest.mark.parametrize("room", range(4))
def test_s5_a_frame_of_which_only_a_part_fits_is_doubtful_and_never_completed(
    line: PtyLine, room: int
) -> None:
    reader = Reader(line)
    with serving(line, LcusDriver()) as served:
        served.wait_up()
        stuff(line, written=OPENING, room=room)
        began_s = time.monotonic()
        served.pulse("a")
        assert served.wait("a") == TimedOut(id="a", maybe_executed=True)
        assert time.monotonic() - began_s < 1.5  # one input stalls nothing for longer (I14)
        until(lambda: not served.bus.healthy, what="the loss")
        until(lambda: reader.read() and served.bus.healthy, what="the line again")
        cut = reader.heard.rindex(NOISE * 100) + 100
        assert reader.heard[cut:].startswith(
            ON_1[:room] + ON_1[:2] + b"\0"
        )  # the part, and the first opening
        assert reader.clicks == []  # whatever half a frame and the openings behind it were taken for
        served.pulse("b")
        until(lambda: reader.read() and bool(served.of("b")), what="the next pulse")
        assert served.of("b") == [Done(id="b", grade=Grade.SENT)]
        until(lambda: reader.read() and len(reader.clicks) >= 2, what="both clicks")
        assert reader.clicks == [("relay_on", 1), ("relay_off", 1)]
        assert len(served.of("a")) == 1


def test_s5_a_frame_goes_out_whole_although_its_reader_takes_it_byte_by_byte(line: PtyLine) -> None:
    port = SerialPort(line.link, LineSettings())
    port.open()
    frame, got = bytes(range(200)), b""
    port.write(frame)
    while len(got) < len(frame):
        got += os.read(line.fileno(), 1)
    assert got == frame
    port.close()


def test_s5_a_write_of_which_a_part_fits_is_an_error_and_not_half_a_success(line: PtyLine) -> None:
    port = SerialPort(line.link, LineSettings())
    port.open()
    stuff(line, written=0, room=3)
    with pytest.raises(PortLostError):
        port.write(ON_1)
    port.close()


def test_s9_a_blocked_line_is_said_once_and_heals_when_its_reader_is_back(line: PtyLine) -> None:
    reader = Reader(line)
    with serving(line, LcusDriver()) as served:
        served.wait_up()
        stuff(line, written=OPENING, room=0)
        served.pulse("a")
        served.wait("a")
        until(lambda: not served.bus.healthy, what="the loss")
        served.pulse("b")
        outcome = served.wait("b")
        assert not isinstance(outcome, Done)
        until(lambda: reader.read() and served.bus.healthy, what="the line again")
        lines = [event.up for event in served.events if isinstance(event, Line)]
        assert lines == [True, False, True]
        assert reader.clicks == []


@contextmanager
def listening(path: Path) -> Iterator[int]:
    """Another program that opens the port without asking for its lock."""
    command = [sys.executable, "-c", LISTENER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        yield other.pid
        other.stdin.close()
        other.wait(10)


def test_s10_a_program_that_opens_the_port_without_a_lock_is_named_when_answers_go_missing(
    line: PtyLine,
) -> None:
    with listening(line.link) as number:
        assert intruder_at(line.link) is not None
        with serving(line, make_driver("modbus-relay", profile="waveshare-relay-8")) as served:
            until(lambda: any(isinstance(one, Fault) for one in list(served.events)), what="the fault")
            (fault,) = [one for one in served.events if isinstance(one, Fault)][:1]
            assert fault.active
            assert f"({number}) has the port open too" in fault.why
    assert intruder_at(line.link) is None


def test_s10_a_fault_without_such_a_program_names_none(line: PtyLine) -> None:
    with serving(line, make_driver("modbus-relay", profile="waveshare-relay-8")) as served:
        until(lambda: any(isinstance(one, Fault) for one in list(served.events)), what="the fault")
        (fault,) = [one for one in served.events if isinstance(one, Fault)][:1]
        assert fault.why == "the board does not answer"


class Buggy(LcusDriver):
    """A driver with a programming error that one command meets, at the moment that ``where`` says."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where, self._met = where, False

    def submit(self, command: Command, now_s: float) -> None:
        bad = isinstance(command, Pulse) and command.id == "bad"
        if bad and self._where == "submit":
            raise ZeroDivisionError
        super().submit(command, now_s)
        self._met = self._met or bad

    def take_events(self) -> list[AnyEvent]:
        if self._met and self._where == "written":
            self._met = False
            raise ZeroDivisionError
        return super().take_events()


@pytest.mark.parametrize(("where", "maybe"), [("submit", None), ("written", True)])
def test_a_command_that_meets_a_bug_has_an_outcome_and_so_has_everything_around_it(
    line: PtyLine, where: str, maybe: bool | None
) -> None:
    with ExitStack() as stack:
        served = stack.enter_context(serving(line, Buggy(where)))
        served.wait_up()
        assert served.bus.submit(Hold(channel=2, seconds=60, id="held", issued_s=time.monotonic()))
        until(lambda: served.readings, what="the hold")
        assert isinstance(served.readings[0], Outputs)
        for id_ in ("bad", "behind", "last"):
            served.pulse(id_, ms=2000)
        ids = ("held", "bad", "behind", "last")
        until(lambda: all(served.of(id_) for id_ in ids), what=f"all outcomes among {served.events}")
        served.wait_up(2)
        (bad,) = served.of("bad")
        assert isinstance(bad, TimedOut)
        assert maybe is None or bad.maybe_executed is maybe
        for id_ in ids:
            assert len(served.of(id_)) == 1
            assert not isinstance(served.of(id_)[0], Done)
        (held,) = served.of("held")
        assert held == TimedOut(id="held", maybe_executed=True)
        served.pulse("after")
        assert served.wait("after") == Done(id="after", grade=Grade.SENT)


def test_a_bus_that_ends_for_good_leaves_nobody_waiting(
    line: PtyLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(LcusDriver):
        def line_lost(self, now_s: float) -> None:  # noqa: ARG002  # the shape of every driver
            raise ZeroDivisionError

    crashes: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: crashes.append(args.exc_type))
    with serving(line, Broken()) as served:
        served.wait_up()
        served.pulse("a", ms=2000)
        until(lambda: ON_1 in line.read(), what="the pulse")
        line.unplug()
        assert served.wait("a") == TimedOut(id="a", maybe_executed=True)
        until(lambda: served.bus.is_dead, what="the end")
        assert crashes == [ZeroDivisionError]
