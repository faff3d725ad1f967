"""One owner thread for one port: opens and re-opens it, drives the driver, and reports events.

The thread sleeps in one ``select`` on the port, a wake pipe and the driver's next deadline, so a command
reaches the wire at once, and a missing port costs nothing between two attempts.
"""

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from drivers.model import AllOff, Command, Driver, Event, Fault, Line, Pulse, Refusal, Refused
from drivers.port import Port, PortError, PortLostError
from shell.logs import get_logger

RETRY_FIRST_S: Final = 0.25
RETRY_MAX_S: Final = 2.0
STEADY_S: Final = 2.0  # a line that held this long is opened again without delay growing further
INBOX_MAX: Final = 64  # commands waiting for the thread; it takes them all within a millisecond
STOP_WITHIN_S: Final = 1.0

OnEvent = Callable[[str, Event], None]


class Bus:
    """Owner of one port and the board on it.

    Args:
        name: The board's name in configuration; given to ``on_event`` with each event.
        port: A closed port.
        driver: The board's driver; from here on only this bus may touch it.
        on_event: Called from the bus thread, must return at once and not call back into ``close``.
        monotonic_s: The monotonic clock.
    """

    def __init__(
        self,
        name: str,
        port: Port,
        driver: Driver,
        on_event: OnEvent,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._port, self._driver, self._on_event, self._monotonic_s = port, driver, on_event, monotonic_s
        self._logger = get_logger("drivers").bind(board=name, port=port.path)
        self._guard = threading.Lock()  # of the inbox and the wake pipe's life
        self._inbox: deque[Command] = deque()
        self._open_for_commands = False
        self._stop = threading.Event()
        self._wake_r, self._wake_w = -1, -1
        self._thread = threading.Thread(target=self._run, name=f"bus-{name}")
        self._line: Line | None = None  # as last reported
        self._faulty = False

    @property
    def healthy(self) -> bool:
        """Whether the port is open and the board shows no fault."""
        return self._line is not None and self._line.up and not self._faulty

    def start(self) -> None:
        """Start the thread; the port may still be missing."""
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)  # positional only
        self._open_for_commands = True
        self._thread.start()

    def submit(self, command: Command) -> bool:
        """Hand a command to the thread; its outcome comes as an event.

        Returns:
            False when the bus is closed or its inbox is full: the command is dropped, and no event follows.
        """
        with self._guard:
            if not self._open_for_commands or (len(self._inbox) >= INBOX_MAX and isinstance(command, Pulse)):
                return False
            self._inbox.append(command)
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
        try:
            self._keep_open()
            self._line = None
        except Exception:
            with self._guard:
                self._open_for_commands = False
            self._report(Line(up=False, why="the bus ended by a programming error; restart this program"))
            raise  # the interpreter prints it; the relays are open by now

    def _keep_open(self) -> None:
        """Open the port again and again until the bus is closed."""
        retry_s = RETRY_FIRST_S
        while not self._stop.is_set():
            opened_s = self._monotonic_s()
            try:
                self._port.open()
            except PortError as error:
                self._report(Line(up=False, why=str(error)))
            else:
                self._serve_until_lost()
            if self._monotonic_s() - opened_s > STEADY_S:
                retry_s = RETRY_FIRST_S
            self._wait_closed(self._monotonic_s() + retry_s)
            retry_s = min(retry_s * 2, RETRY_MAX_S)
        self._take_inbox()
        self._emit_events()

    def _serve_until_lost(self) -> None:
        """Drive the board until the port is lost or the bus is closed; it ends with open relays and port."""
        try:
            self._driver.line_up(self._monotonic_s())
            self._exchange()
            self._report(Line(up=True))
            while not self._stop.is_set():
                self._turn()
            self._take_inbox()
        except PortLostError as error:
            self._lost(error)
        finally:
            self._open_relays()
            self._close_port()

    def _open_relays(self) -> None:
        """Whatever happened before: no relay stays closed while this side can still say so."""
        try:
            self._driver.submit(AllOff(), self._monotonic_s())
            self._exchange()
        except PortLostError as error:
            self._lost(error)

    def _lost(self, error: PortLostError) -> None:
        self._driver.line_lost(self._monotonic_s())
        self._emit_events()
        self._report(Line(up=False, why=str(error)))

    def _turn(self) -> None:
        deadline_s = self._driver.next_deadline()
        readable = self._wait(self._port.fileno(), deadline_s)
        data = self._port.read() if readable else b""
        now_s = self._monotonic_s()
        if data:
            self._driver.receive(data, now_s)
        self._take_inbox()
        self._driver.tick(now_s)
        self._exchange()

    def _exchange(self) -> None:
        """Write what the driver has to say, then report what came of it."""
        for frame in self._driver.take_output():
            self._port.write(frame)
        self._emit_events()

    def _wait_closed(self, until_s: float) -> None:
        """Wait for the next attempt to open; meanwhile the driver refuses what is submitted."""
        while not self._stop.is_set() and self._monotonic_s() < until_s:
            self._wait(None, until_s)
            self._take_inbox()
            self._emit_events()

    def _wait(self, port_fd: int | None, until_s: float | None) -> bool:
        """Sleep until bytes, a wake-up or a deadline; whether there is something to read."""
        timeout_s = None if until_s is None else max(0.0, until_s - self._monotonic_s())
        watched = [self._wake_r] if port_fd is None else [self._wake_r, port_fd]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._wake_r in ready:
            os.read(self._wake_r, 4096)
        return port_fd is not None and port_fd in ready

    def _take_inbox(self) -> None:
        """Give waiting commands to the driver; pulses that an all-off overtook are refused."""
        with self._guard:
            commands = list(self._inbox)
            self._inbox.clear()
        now_s = self._monotonic_s()
        last_off = max((at for at, command in enumerate(commands) if isinstance(command, AllOff)), default=-1)
        for command in commands[: last_off + 1]:
            if isinstance(command, Pulse):
                self._emit(Refused(id=command.id, why=Refusal.OVERTAKEN))
        for command in commands[max(last_off, 0) :]:
            self._driver.submit(command, now_s)

    def _close_port(self) -> None:
        try:
            self._port.close()
        except PortError as error:
            self._logger.warning("port did not close cleanly", error=str(error))

    def _emit_events(self) -> None:
        for event in self._driver.take_events():
            if isinstance(event, Fault):
                self._faulty = event.active
                if event.active:
                    self._logger.error("board is in fault", why=event.why)
                else:
                    self._logger.info("board works again", why=event.why)
            if isinstance(event, Event):
                self._emit(event)

    def _report(self, line: Line) -> None:
        """Report a change of the line once, not every attempt between."""
        if self._line is not None and self._line.up == line.up:
            return
        self._line = line
        if line.up:
            self._logger.info("line is up")
        else:
            self._logger.error("line is down", why=line.why)
        self._emit(line)

    def _emit(self, event: Event) -> None:
        try:
            self._on_event(self.name, event)
        except Exception:
            # A receiver's bug must not end the thread that owes a relay its OFF.
            self._logger.exception("receiver of events failed", kind=type(event).__name__)
