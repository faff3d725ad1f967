"""One owner thread for one port: opens and re-opens it, drives the devices on it, and reports events.

The thread sleeps in one ``select`` on the port, a wake pipe and the drivers' next deadline, so a command
reaches the wire at once, and a missing port costs nothing between two attempts. Who may speak on a line with
several devices is decided in ``drivers.shared_line``.
"""

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from drivers.holders import intruder_at
from drivers.model import (
    AllOff,
    AnyEvent,
    Command,
    Driver,
    Event,
    Fault,
    Line,
    Reading,
    Refusal,
    Refused,
    Release,
)
from drivers.pending import Pending
from drivers.port import Port, PortError, PortLostError
from drivers.shared_line import SharedLine
from shell.logs import get_logger

RETRY_FIRST_S: Final = 0.25
RETRY_MAX_S: Final = 1.0
AGAIN_FIRST_S: Final = 0.25  # after a programming error: an exit must not stay shut by it
AGAIN_MAX_S: Final = 10.0
STEADY_S: Final = 2.0  # a line that held this long is opened again without delay growing further
INBOX_MAX: Final = 64  # commands waiting for the thread; it takes them all within a millisecond
OPENED_WITHIN_S: Final = 1.0  # a device that has not answered to its opening by then is a fault, not a line
CLOSING_S: Final = 0.5  # for telling every output to open, at the end
STOP_WITHIN_S: Final = 1.0

OnEvent = Callable[[str, Event], None]
OnReading = Callable[[str, Reading], None]


class Bus:
    """Owner of one port and the devices on it.

    Args:
        name: The line's name in logs; that of the device when there is one alone.
        port: A closed port.
        driver: The device's driver, or several by their devices' names; from here on only this bus may touch them.
        on_event: Called from the bus thread with a device's name; must return at once and not call back into ``close``.
        on_reading: Called likewise with what is no outcome, edge or fault: measurements, codes, identities, counts.
        echo: The adapter sends back what it is given.
        monotonic_s: The monotonic clock.

    Raises:
        LineMismatchError: The devices do not agree on how the line is set.
    """

    def __init__(
        self,
        name: str,
        port: Port,
        driver: Driver | Mapping[str, Driver],
        on_event: OnEvent,
        *,
        on_reading: OnReading | None = None,
        echo: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._port, self._on_event, self._on_reading = port, on_event, on_reading
        self._monotonic_s = monotonic_s
        drivers = driver if isinstance(driver, Mapping) else {name: driver}
        self._drivers = SharedLine(drivers, echo=echo)
        self._pending = Pending(drivers)
        self._logger = get_logger("drivers").bind(line=name, port=port.path)
        self._guard = threading.Lock()  # of the inbox and the wake pipe's life
        self._inbox: deque[tuple[str, Command]] = deque()
        self._open_for_commands = False
        self._stop = threading.Event()
        self._wake_r, self._wake_w = -1, -1
        self._thread = threading.Thread(target=self._run, name=f"bus-{name}")
        self._lines: dict[str, Line] = {}  # as last reported, by device
        self._faulty: set[str] = set()
        self._unopened: set[str] = set()  # devices whose first opening is not on the wire yet
        self._opened_by_s = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the port is open and no device shows a fault."""
        return all(self.is_healthy(name) for name in self._drivers.names)

    def is_healthy(self, device: str) -> bool:
        """Whether the port is open and this device shows no fault."""
        return self._is_up(device) and device not in self._faulty

    def heard_s(self, device: str = "") -> float | None:
        """When a device last answered, in monotonic seconds. None: nothing was heard of it since the line came up.

        Noise is no answer. Some devices never answer (``info.answers_within_s`` is 0), and of some it is not known.
        """
        return self._drivers.heard_s(device or self._drivers.names[0])

    def _is_up(self, device: str) -> bool:
        line = self._lines.get(device)
        return line is not None and line.up

    @property
    def is_dead(self) -> bool:
        """Whether its thread has ended although nobody closed it: a programming error, which nothing here mends."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stop.is_set()

    def start(self) -> None:
        """Start the thread; the port may still be missing."""
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)  # positional only
        self._open_for_commands = True
        self._thread.start()

    def submit(self, command: Command, device: str = "") -> bool:
        """Hand a command to the thread; its outcome comes as an event.

        Args:
            command: What to do.
            device: Who is to do it; may be left out where the bus has one device, or for an all-off of the whole line.

        Returns:
            False when the bus is closed or its inbox is full: the command is dropped, and no event follows.
        """
        names = self._drivers.names
        assert device in names or (not device and (len(names) == 1 or isinstance(command, AllOff))), (
            f"bus {self.name} needs one of {names}, not {device!r}"
        )
        with self._guard:
            room = len(self._inbox) < INBOX_MAX or isinstance(command, AllOff | Release)
            if not self._open_for_commands or not room:
                return False
            self._inbox += [(name, command) for name in ([device] if device else names)]
            self._wake()
        return True

    def close(self) -> None:
        """Open every relay, close the port and end the thread; a second call does nothing."""
        with self._guard:
            if self._stop.is_set() or self._wake_w < 0:
                return  # closed already, or never started
            self._open_for_commands = False
            self._stop.set()
            self._wake()
        assert threading.current_thread() is not self._thread, "a bus cannot be closed by its own event"
        self._thread.join(STOP_WITHIN_S)
        if self._thread.is_alive():
            self._logger.error("bus thread does not stop; a receiver of its events is blocked")
            return
        os.close(self._wake_r)
        os.close(self._wake_w)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._wake_w, b"!")

    def _run(self) -> None:
        again_s = AGAIN_FIRST_S
        try:
            while True:
                began_s = self._monotonic_s()
                try:
                    self._keep_open()
                    break
                except Exception:  # the relays were told to open by now, and the port is closed
                    if self._monotonic_s() - began_s > AGAIN_MAX_S:
                        again_s = AGAIN_FIRST_S
                    self._logger.exception("programming error; the bus begins anew", in_s=again_s)
                self._lost("a programming error, see the log; the bus begins anew by itself")
                self._wait_closed(self._monotonic_s() + again_s)
                again_s = min(again_s * 2, AGAIN_MAX_S)
            self._lines = {}
        except Exception:
            with self._guard:
                self._open_for_commands = False
                for name, command in self._inbox:
                    self._pending.taken(name, command)
            self._emit_each(self._pending.give_up())
            self._report_all(Line(up=False, why="the bus ended by a programming error; restart this program"))
            raise  # the interpreter prints it; the relays are open by now

    def _keep_open(self) -> None:
        """Open the port again and again until the bus is closed."""
        retry_s = RETRY_FIRST_S
        while not self._stop.is_set():
            opened_s = self._monotonic_s()
            try:
                self._port.open()
            except PortError as error:
                self._report_all(Line(up=False, why=str(error)))
            else:
                self._serve_until_lost()
            if self._monotonic_s() - opened_s > STEADY_S:
                retry_s = RETRY_FIRST_S
            self._wait_closed(self._monotonic_s() + retry_s)
            retry_s = min(retry_s * 2, RETRY_MAX_S)
        self._take_inbox()
        self._emit_events()
        self._emit_each(self._pending.give_up())

    def _serve_until_lost(self) -> None:
        """Drive the devices until the port is lost or the bus is closed; it ends with open relays and port."""
        try:
            now_s = self._monotonic_s()
            self._unopened, self._opened_by_s = set(self._drivers.names), now_s + OPENED_WITHIN_S
            self._drivers.line_up(now_s)
            self._exchange()
            while not self._stop.is_set():
                self._turn()
            self._take_inbox()
        except PortLostError as error:
            self._lost(str(error))
        finally:
            try:
                self._open_relays()
            finally:
                self._close_port()

    def _open_relays(self) -> None:
        """Whatever happened before: no relay stays closed while this side can still say so."""
        self._unopened.clear()  # a line that ends is not said to be up any more
        try:
            until_s = self._monotonic_s() + CLOSING_S
            self._drivers.all_off(self._monotonic_s())
            self._exchange()
            while not all(self._drivers.is_settled(name) for name in self._drivers.names):
                if self._monotonic_s() >= until_s:
                    self._logger.error("a board did not say that its relays are open")
                    break
                self._turn(until_s)
        except PortLostError as error:
            self._lost(str(error))

    def _lost(self, why: str) -> None:
        self._unopened.clear()
        self._drivers.line_lost(self._monotonic_s())
        happened = self._drivers.take_events()
        forgotten = [(name, one) for name, one in happened if isinstance(one, Fault) and not one.active]
        self._emit_each(one for one in happened if one not in forgotten)
        self._emit_each(self._pending.give_up())
        self._report_all(Line(up=False, why=why))
        self._emit_each(forgotten)  # after the loss: nobody may take it for a recovery

    def _turn(self, until_s: float = float("inf")) -> None:
        deadline_s = self._drivers.next_deadline()
        if self._unopened:
            until_s = min(until_s, self._opened_by_s)
        until_s = until_s if deadline_s is None else min(until_s, deadline_s)
        readable = self._wait(self._port.fileno(), until_s)
        data = self._port.read() if readable else b""
        now_s = self._monotonic_s()
        if data:
            self._drivers.receive(data, now_s)
        self._take_inbox()
        self._drivers.tick(now_s)
        self._exchange()

    def _exchange(self) -> None:
        """Write what the drivers have to say, then report what came of it."""
        for frame in self._drivers.take_output():
            self._pending.written()
            self._port.write(frame)
        self._emit_events()
        late = self._monotonic_s() >= self._opened_by_s
        for name in [name for name in self._unopened if late or self._drivers.is_settled(name)]:
            self._unopened.discard(name)
            self._report(name, Line(up=True))

    def _wait_closed(self, until_s: float) -> None:
        """Wait for the next attempt to open; meanwhile the driver refuses what is submitted."""
        while not self._stop.is_set() and self._monotonic_s() < until_s:
            self._wait(None, until_s)
            self._take_inbox()
            self._emit_events()

    def _wait(self, port_fd: int | None, until_s: float) -> bool:
        """Sleep until bytes, a wake-up or a deadline; whether there is something to read."""
        timeout_s = None if until_s == float("inf") else max(0.0, until_s - self._monotonic_s())
        watched = [self._wake_r] if port_fd is None else [self._wake_r, port_fd]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._wake_r in ready:
            os.read(self._wake_r, 4096)
        return port_fd is not None and port_fd in ready

    def _take_inbox(self) -> None:
        """Give waiting commands to the drivers; those that an all-off overtook are refused."""
        with self._guard:
            commands = list(self._inbox)
            self._inbox.clear()
        for name, command in commands:
            self._pending.taken(name, command)
        now_s = self._monotonic_s()
        last_off = {name: at for at, (name, command) in enumerate(commands) if isinstance(command, AllOff)}
        for at, (name, command) in enumerate(commands):
            if at >= last_off.get(name, 0):
                self._pending.handed_over(name, command)
                self._drivers.submit(name, command, now_s)
            elif not isinstance(command, AllOff):
                self._emit(name, Refused(id=command.id, why=Refusal.OVERTAKEN))

    def _close_port(self) -> None:
        try:
            self._port.close()
        except PortError as error:
            self._logger.warning("port did not close cleanly", error=str(error))

    def _emit_events(self) -> None:
        self._emit_each(self._drivers.take_events())

    def _emit_each(self, happened: Iterable[tuple[str, AnyEvent]]) -> None:
        for name, event in happened:
            if isinstance(event, Fault):
                self._note_fault(name, event)
            self._emit(name, self._with_intruder(event) if isinstance(event, Fault) else event)

    def _with_intruder(self, fault: Fault) -> Fault:
        """Where somebody else has the port open as well, that may be why: its answers go to whoever reads first."""
        intruder = intruder_at(self._port.path) if fault.active and not self._stop.is_set() else None
        if intruder is None:
            return fault
        self._logger.error("another program has the port open", holder=intruder)
        return replace(fault, why=f"{fault.why}; {intruder} has the port open too: stop it")

    def _note_fault(self, name: str, fault: Fault) -> None:
        if fault.active:
            self._faulty.add(name)
            self._logger.error("device is in fault", device=name, why=fault.why)
        else:
            self._faulty.discard(name)
            if not self._is_up(name):
                return
            self._logger.info("device works again", device=name, why=fault.why)

    def _report_all(self, line: Line) -> None:
        for name in self._drivers.names:
            self._report(name, line)

    def _report(self, name: str, line: Line) -> None:
        """Report a change of the line once, not every attempt between."""
        before = self._lines.get(name)
        if before is not None and before.up == line.up:
            return
        self._lines[name] = line
        if line.up:
            self._logger.info("line is up", device=name)
        else:
            self._logger.error("line is down", device=name, why=line.why)
        self._emit(name, line)

    def _emit(self, name: str, event: AnyEvent) -> None:
        self._pending.told(name, event)
        try:
            if isinstance(event, Event):
                self._on_event(name, event)
            elif self._on_reading is not None:
                self._on_reading(name, event)
        except Exception:
            # A receiver's bug must not end the thread that owes a relay its OFF.
            self._logger.exception("receiver of events failed", device=name, kind=type(event).__name__)
