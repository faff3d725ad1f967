"""The receiving side of a socket with one deadline for many reads: who sends a byte now and then holds nobody up."""

import io
import socket
from typing import Any, Final

from shell.clock import Clock

_LEAST_S: Final = 0.001  # 0 would mean "do not wait", which is another error


class TimedLine(io.RawIOBase):
    """Reads from a socket until a deadline; the socket stays the caller's.

    Args:
        line: The socket.
        clock: For the deadline.
    """

    def __init__(self, line: socket.socket, clock: Clock) -> None:
        super().__init__()
        self._line, self._clock = line, clock
        self._until_s = float("-inf")

    def give(self, within_s: float) -> None:
        """From now on, all reads together may take so long."""
        self._until_s = self._clock.monotonic_s() + within_s

    def makefile(self, _mode: str) -> io.BufferedReader:
        """As ``http.client`` asks a socket for its receiving side."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Receive some bytes; raises ``TimeoutError`` at the deadline."""
        left_s = self._until_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._line.settimeout(max(_LEAST_S, left_s))
        return self._line.recv_into(buffer)
