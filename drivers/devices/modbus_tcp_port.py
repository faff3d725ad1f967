"""A TCP connection with the shape of a serial port, so that the bus need not know the difference.

What was written and not acknowledged within a second is thrown away with the connection: a pulse must not wait in the
kernel for a cable to be plugged in again, and open a lane for somebody who has gone.
"""

import errno
import os
import socket
import struct
from typing import Final

from drivers.port import PortDeniedError, PortError, PortLostError, PortMissingError

CONNECT_WITHIN_S: Final = 0.8  # less than a bus waits for its thread to stop
UNACKNOWLEDGED_MS: Final = 1000
KEEPALIVE_S: Final = 2  # first probe, and between probes; three unanswered end the connection
_READ_MAX: Final = 4096
_ABORT: Final = struct.pack("ii", 1, 0)  # linger for no time: what was not sent is discarded
_DENIED: Final = (errno.EACCES, errno.EPERM)
_ABSENT: Final = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


class TcpPort:
    """One TCP connection to a board; ``open`` makes it, and may take ``CONNECT_WITHIN_S``.

    Args:
        host: An IP address in numbers.
        port: TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        self._address, self._path = (host, port), f"tcp://{shown}:{port}"
        self._socket: socket.socket | None = None
        self._lost = False

    @property
    def path(self) -> str:
        """The address, for messages."""
        return self._path

    def open(self) -> None:
        """Connect.

        Raises:
            PortMissingError: Nobody answers there.
            PortDeniedError: This user, or a firewall of this machine, does not allow it.
            PortError: It is no address that can be used.
        """
        assert self._socket is None, f"port {self._path} is already open"
        try:
            connection = socket.create_connection(self._address, timeout=CONNECT_WITHIN_S)
        except (OSError, ValueError, OverflowError) as error:  # the latter two: no address at all
            raise self._open_error(error) from error
        try:
            _set_up(connection)
        except OSError as error:  # reset by the board meanwhile
            connection.close()
            raise self._open_error(error) from error
        self._socket, self._lost = connection, False

    def fileno(self) -> int:
        """Descriptor of the connection."""
        return self._connection().fileno()

    def read(self) -> bytes:
        """What has arrived, perhaps nothing."""
        try:
            data = self._connection().recv(_READ_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._lost_by(_words(error)) from error
        if not data:
            raise self._lost_by("the board closed the connection")
        return data

    def write(self, data: bytes) -> None:
        """Hand all bytes to the network; frames are small, so a part of one means that it is stuck."""
        try:
            sent = self._connection().send(data)
        except OSError as error:
            raise self._lost_by(_words(error)) from error
        if sent < len(data):
            raise self._lost_by("it takes no more bytes")

    def close(self) -> None:
        """Close it; a second call does nothing. After a loss, what was not sent is discarded."""
        connection, self._socket = self._socket, None
        if connection is None:
            return
        try:
            if self._lost:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        except OSError as error:
            raise self._lost_by(_words(error)) from error
        finally:
            connection.close()

    def _connection(self) -> socket.socket:
        assert self._socket is not None, f"port {self._path} is not open"
        return self._socket

    def _lost_by(self, why: str) -> PortLostError:
        self._lost = True
        return PortLostError(self._path, why)

    def _open_error(self, error: Exception) -> PortError:
        number = getattr(error, "errno", None)
        if number in _DENIED:
            return PortDeniedError(self._path)
        if isinstance(error, TimeoutError) or number in _ABSENT:
            return PortMissingError(self._path)
        return PortError(
            self._path, f"{self._path} cannot be reached ({_words(error)}). Check the address and the cable"
        )


def _set_up(connection: socket.socket) -> None:
    connection.setblocking(False)  # noqa: FBT003  # the socket module's own
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)


def _words(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error)
