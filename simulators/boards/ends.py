"""Where a host reaches virtual devices: a pseudo-terminal with a link, or a TCP port."""

import contextlib
import socket
from pathlib import Path
from typing import Final, Protocol

from simulators.boards.cable import Cable
from simulators.boards.device import Device, earliest
from simulators.boards.knobs import Knobs
from simulators.boards.modbus_board import ModbusBoard
from simulators.boards.modbus_tcp import MbapDevice
from simulators.boards.pty_line import PtyLine

_READ_MAX: Final = 4096
CONNECTIONS_MAX: Final = 8


class End(Protocol):
    """The host's end of a cable, as the loop that serves it sees it."""

    @property
    def devices(self) -> list[Device]:
        """What hangs on it."""

    @property
    def plugged(self) -> bool:
        """Whether a host can reach it."""

    def plug(self, now_s: float) -> None:
        """Make it reachable; devices without supply start."""

    def unplug(self, now_s: float, *, powers: bool = True) -> None:
        """Take it away, and with ``powers`` the supply of what hangs on it; a second call does nothing."""

    def filenos(self) -> list[int]:
        """Descriptors to wait for."""

    def serve(self, fileno: int, now_s: float) -> None:
        """Take what has come on one of them."""

    def flush(self, now_s: float) -> None:
        """Pass on what is due."""

    def next_deadline(self) -> float | None:
        """When ``flush`` has something to do, or None."""

    def turn(self, knobs: Knobs) -> None:
        """Change what is wrong with it."""

    def close(self) -> None:
        """Take the published place away."""


class PtyEnd:
    """A serial line.

    Args:
        link: Where it is published.
        cable: What hangs behind it.
    """

    def __init__(self, link: Path, cable: Cable) -> None:
        self._line, self.cable = PtyLine(link), cable

    @property
    def devices(self) -> list[Device]:
        """What hangs on the cable."""
        return self.cable.devices

    @property
    def plugged(self) -> bool:
        """Whether the link is there."""
        return self._line.plugged

    def plug(self, now_s: float) -> None:
        """Publish the link; devices without supply start."""
        if not self._line.plugged:
            self._line.plug()
            self.cable.plug(now_s)

    def unplug(self, now_s: float, *, powers: bool = True) -> None:
        """Take the link away, and with ``powers`` the devices' supply."""
        if self._line.plugged:
            self.cable.unplug(now_s, powers=powers)
            self._line.unplug()

    def filenos(self) -> list[int]:
        """The line's one, while it is plugged in."""
        return [self._line.fileno()] if self._line.plugged else []

    def serve(self, fileno: int, now_s: float) -> None:
        """Take what the host has written, at the speed it has set."""
        assert fileno == self._line.fileno(), "another line's descriptor"
        self.cable.host_baud = self._line.baud()
        self.cable.send(self._line.read(), now_s, baud=self.cable.host_baud)

    def flush(self, now_s: float) -> None:
        """Write what is due, piece by piece."""
        if self._line.plugged:
            self.cable.host_baud = self._line.baud()
            for piece in self.cable.take(now_s):
                self._line.write(piece)

    def next_deadline(self) -> float | None:
        """When the cable or a device is due."""
        return self.cable.next_deadline() if self._line.plugged else None

    def turn(self, knobs: Knobs) -> None:
        """Change what is wrong with the cable."""
        self.cable.knobs = knobs

    def close(self) -> None:
        """Take the link away."""
        self._line.unplug()


class TcpEnd:
    """A Modbus TCP server for one board.

    Args:
        board: What stands behind it.
        host: Address to listen on.
        port: Port; 0 for a free one.
        knobs: What is wrong with each connection.
        seed: Decides what is hit.
    """

    def __init__(
        self, board: ModbusBoard, *, host: str, port: int, knobs: Knobs | None = None, seed: int = 0
    ) -> None:
        self.board, self._knobs, self._seed = board, knobs or Knobs(), seed
        self._address = (host, port)
        self._server: socket.socket | None = None
        self._calls: dict[int, tuple[socket.socket, Cable]] = {}

    @property
    def devices(self) -> list[Device]:
        """The board."""
        return [self.board]

    @property
    def plugged(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def port(self) -> int:
        """The port it listens on, or would."""
        return self._address[1]

    def plug(self, now_s: float) -> None:
        """Listen; a board without supply starts."""
        if self._server is None:
            self._server = socket.create_server(self._address, backlog=CONNECTIONS_MAX)
            self._server.setblocking(False)  # noqa: FBT003  # positional only
            self._address = self._server.getsockname()[:2]
            self.board.power_on(now_s)

    def unplug(self, now_s: float, *, powers: bool = True) -> None:
        """Hang up on everybody and stop listening."""
        if powers:
            self.board.power_off(now_s)
        self.close()

    def filenos(self) -> list[int]:
        """The listening one and one for each connection."""
        return [] if self._server is None else [self._server.fileno(), *self._calls]

    def serve(self, fileno: int, now_s: float) -> None:
        """Accept a connection, or take what came on one."""
        if self._server is not None and fileno == self._server.fileno():
            self._accept()
        elif fileno in self._calls:
            call, cable = self._calls[fileno]
            try:
                data = call.recv(_READ_MAX)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            cable.send(data, now_s, baud=0)
            if not data or any(isinstance(each, MbapDevice) and each.broken for each in cable.devices):
                self._hang_up(fileno)

    def flush(self, now_s: float) -> None:
        """Send what is due on each connection."""
        self.board.tick(now_s)
        for fileno, (call, cable) in list(self._calls.items()):
            data = b"".join(cable.take(now_s))
            try:
                if data:
                    call.send(data)
            except OSError:
                self._hang_up(fileno)

    def next_deadline(self) -> float | None:
        """When the board or a connection is due."""
        cables = (cable.next_deadline() for _, cable in self._calls.values())
        return earliest([self.board.next_deadline(), *cables])

    def turn(self, knobs: Knobs) -> None:
        """Change what is wrong with every connection."""
        self._knobs = knobs
        for _, cable in self._calls.values():
            cable.knobs = knobs

    def close(self) -> None:
        """Hang up and stop listening; a second call does nothing."""
        for fileno in list(self._calls):
            self._hang_up(fileno)
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self) -> None:
        assert self._server is not None, "a closed server accepts nothing"
        with contextlib.suppress(BlockingIOError):
            call, _ = self._server.accept()
            if len(self._calls) >= CONNECTIONS_MAX:
                call.close()
                return
            call.setblocking(False)  # noqa: FBT003  # positional only
            cable = Cable([MbapDevice(self.board)], knobs=self._knobs, seed=self._seed + len(self._calls))
            self._calls[call.fileno()] = (call, cable)

    def _hang_up(self, fileno: int) -> None:
        call, _ = self._calls.pop(fileno)
        call.close()
