"""A device in a command's hands: its bus, its events in order, and one way to wait for the answer to a command."""

import queue
import re
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NoReturn

from drivers.bus import Bus
from drivers.devices.modbus_tcp import NetworkAddressError
from drivers.model import AnyEvent, Command, Driver, Fault, Garbage, Hearing, Identity, Line, LineSettings
from drivers.port import (
    Port,
    PortBusyError,
    PortDeniedError,
    PortError,
    PortForeignError,
    PortMissingError,
    PortStrangerError,
)
from drivers.registry import make_port
from drivers.tool.console import Exit, both, fail, say, warn
from drivers.tool.daemon import daemon_runs, held_by_daemon
from drivers.tool.expected_port import demand_expected, expected_of
from drivers.tool.interrupt import unsuspended
from drivers.tool.target import Target, driver_of
from drivers.tool.trace import Notes, Trace, TracedPort, open_trace
from drivers.usb_socket import PortIdentity
from passes.words import Pair

REACH_WITHIN_S: Final = 3.0
_MENDS_WITHIN_S: Final = 1.0  # from a fault to the device that was only slow
NAMED_FIRST: Final = frozenset({"osdp"})  # they take nothing before they have proved who they are
_STAYS_CLOSED: Final = re.compile(r"output (\d+) stays closed")  # as the drivers word that fault


class Session:
    """A started bus, and what came from it.

    Args:
        bus: The started bus.
        driver: Its driver, for ``info`` only: the bus owns it.
        events: What the bus reports, in order.
    """

    def __init__(self, bus: Bus, driver: Driver, events: "queue.SimpleQueue[AnyEvent]") -> None:
        self.bus, self.info = bus, driver.info
        self._answers = driver.info.answers_within_s > 0 or driver.info.reads_outputs
        self._answers &= isinstance(driver, Hearing)
        self._events = events
        self._early: deque[AnyEvent] = deque()  # what came before the line was up
        self._stuck: set[int] = set()

    @property
    def stays_closed(self) -> list[int]:
        """Outputs that were told to open and were read closed, by the events so far; what heals later counts too."""
        return sorted(self._stuck)

    @property
    def is_unheard(self) -> bool:
        """Whether the device should answer, and nothing was heard of it since its line came up."""
        return self._answers and self.bus.heard_s() is None

    def next(self, until_s: float | None) -> AnyEvent | None:
        """The next event; None when none came before ``until_s`` (monotonic seconds; None waits for ever)."""
        if self._early:
            return self._early.popleft()
        timeout_s = None if until_s is None else max(0.0, until_s - time.monotonic())
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(event, Fault) and event.active and (stuck := _STAYS_CLOSED.match(event.why)):
            self._stuck.add(int(stuck[1]))
        return event

    def answer(
        self, command: Command, *, within_s: float, meanwhile: Callable[[AnyEvent], None] | None = None
    ) -> AnyEvent | None:
        """Submit a command and return the event that has its id; None when none came in time.

        Args:
            command: Anything with an ``id``.
            within_s: How long to wait.
            meanwhile: Gets the events that are about something else; without it they are said.
        """
        id_ = getattr(command, "id", None)
        assert id_, f"{type(command).__name__} has no id to wait for"
        if not self.bus.submit(command):
            return None
        until_s = time.monotonic() + within_s
        while True:
            event = self.next(until_s)
            if event is None or getattr(event, "id", None) == id_:
                return event
            (meanwhile or say_event)(event)

    def wait_up(self, *, within_s: float = REACH_WITHIN_S) -> None:
        """Wait for the line; ends with exit code 3 when it does not come up."""
        until_s = time.monotonic() + within_s
        early: list[AnyEvent] = []
        while True:
            event = self.next(until_s)
            match event:
                case Line(up=True):
                    self._early.extend(early)
                    return
                case Line(why=why):
                    fail(Exit.UNREACHABLE, both("{why}"), why=why)
                case None:
                    fail(
                        Exit.UNREACHABLE,
                        Pair("端口在 {s:g} 秒内未打开", "The port did not open within {s:g} s"),
                        s=within_s,
                    )
                case _:
                    early.append(event)

    def wait_named(self, *, within_s: float = REACH_WITHIN_S) -> str | None:
        """Wait until a device that proves who it is has done so; None then, or what is wrong with it."""
        until_s = time.monotonic() + within_s
        seen: list[AnyEvent] = []
        why = ""
        while (event := self.next(until_s)) is not None:
            seen.append(event)
            match event:
                case Identity():
                    break
                case Fault(active=True) | Line(up=False):
                    why, until_s = event.why, min(until_s, time.monotonic() + _MENDS_WITHIN_S)
        self._early.extend(seen)
        return None if isinstance(event, Identity) else why


def fresh_id() -> str:
    """An id for one command."""
    return uuid.uuid4().hex


@contextmanager
def opened(
    target: Target,
    *,
    trace: Path | Trace | None = None,
    driver: Driver | None = None,
    notes: Notes | None = None,
) -> Iterator[Session]:
    """The device, its line up and all its outputs open; closed again at the end, outputs open. Meanwhile Ctrl-Z does
    nothing to what can move: a closed relay would wait for a program that sleeps.

    Ends with exit code 3 when it cannot be reached, and says which program to stop when another one holds it.

    Args:
        target: The device.
        trace: Where to write every byte; a trace that is open already goes on, and stays open.
        driver: Who drives it; a fresh driver of the registry when it is left out.
        notes: Also told of every byte.
    """
    acts = driver is None
    driver = driver or driver_of(target)
    check_port(target)
    events: queue.SimpleQueue[AnyEvent] = queue.SimpleQueue()
    speaks = (driver.info.protocol,)
    port = port_of(target.port, driver.info.line, expect=expected_of(target), speaks=speaks)
    written = trace
    if isinstance(trace, Path):
        written = open_trace(trace, protocol=target.protocol, port=target.port, line=driver.info.line)
    if isinstance(written, Trace):
        written.baud = driver.info.line.baud
        port = TracedPort(port, written)
    if notes is not None:
        port = TracedPort(port, notes)
    bus = Bus(
        target.name,
        port,
        driver,
        lambda _name, event: events.put(event),
        on_reading=lambda _name, reading: events.put(reading),
        echo=target.options.get("echo") is True,
    )
    moves = acts and bool(driver.info.outputs or driver.info.sides)
    with unsuspended() if moves else nullcontext():
        bus.start()
        session = Session(bus, driver, events)
        try:
            session.wait_up()
            if target.protocol in NAMED_FIRST:
                unnamed = session.wait_named()
                if unnamed is not None and acts:
                    _not_named(target, unnamed)
            yield session
        finally:
            bus.close()
            if isinstance(trace, Path) and isinstance(written, Trace):
                written.close()


def check_port(target: Target) -> None:
    """End with exit code 3 when the running daemon of the gate's file has this board, and with 4 when its port is not
    the one that the file expects."""
    if target.board is not None and daemon_runs(target):
        held_by_daemon(target)
    demand_expected(target)


def _not_named(target: Target, why: str) -> NoReturn:
    """End with exit code 3: whoever is there did not prove who he is, and takes no commands."""
    fail(
        Exit.UNREACHABLE,
        Pair(
            "{name} 没有建立安全通道，未发送任何命令：{why}",
            "{name} has no secure channel, and no command was sent: {why}",
        ),
        name=target.name,
        why=why or "-",
    )


def port_of(
    path: str, line: LineSettings, *, expect: PortIdentity | None = None, speaks: Collection[str] = ()
) -> Port:
    """A closed port; ends with exit code 2 when it is a network address that cannot be one."""
    nobody = expect is None or expect == PortIdentity()
    try:
        return make_port(path, line, expect=None if nobody else expect, speaks=speaks)
    except NetworkAddressError as error:
        fail(Exit.USAGE, both("{error}"), error=error)


def port_words(error: PortError) -> Pair:
    """What is wrong with a port, and what to do."""
    match error:
        case PortMissingError():
            zh = f"没有端口 {error.port}。请插好设备，或列出端口：postern-driver ports"
        case PortDeniedError():
            zh = f"当前用户无权打开 {error.port}。把用户加入该端口的组（见 postern-driver ports），然后重新登录"
        case PortBusyError():
            zh = f"端口 {error.port} 正被 {error.holder or '其他程序'} 使用。请先停止它，或换一个端口"
        case PortStrangerError():
            zh = (
                f"端口 {error.port} 上是 {error.found}，不是 {error.expected}。"
                "把线插回原来的插口，或修改配置（见 postern-driver ports）"
            )
        case PortForeignError():
            zh = (
                f"端口 {error.port} 上是 USB {error.usb}（{error.what.zh}），它不用 {error.speaks} 协议；"
                "没有发送任何字节。把线插回原来的插口，或改正协议（见 postern-driver ports）"
            )
        case _:
            zh = f"端口 {error.port} 不可用：{error}"
    return Pair(zh, str(error))


def say_event(event: AnyEvent) -> None:
    """Tell the person about an event that nobody waits for."""
    match event:
        case Line(up=True):
            say(Pair("端口已恢复", "The port is back"))
        case Line(why=why) | Fault(why=why):
            warn(both("{why}"), why=why)
        case Garbage(count=count):
            warn(
                Pair(
                    "收到 {n} 个不成帧的字节：速率不对、协议不对，还是干扰？",
                    "{n} bytes that are no frame: wrong speed, wrong protocol or noise?",
                ),
                n=count,
            )
