"""A bad line: a TCP relay on loopback that delays what passes, lets only so many bytes a second through, or is cut.

What was sent keeps its order, as on a real line; each direction is a line of its own. Bytes that wait for their turn
are bounded, so that a sender feels a slow line as it would a real one: its socket fills.
"""

import contextlib
import socket
import threading
import time
from collections import deque
from types import TracebackType
from typing import Final

LOOPBACK: Final = "127.0.0.1"
READ_BYTES: Final = 4096
WAITING_BYTES_MAX: Final = 4 * 1024 * 1024
LOOK_EVERY_S: Final = 0.2  # how late a stop may be noticed


class Line:
    """A relay to ``port``; a context manager that listens as long as it is open.

    Args:
        port: Where what passes goes to, on loopback.
        delay_s: How long each byte is under way, in each direction.
        bytes_per_s: How much passes in a second in each direction; None for any amount.
        waiting_bytes_max: What a router on the way would hold.
    """

    def __init__(
        self,
        port: int,
        *,
        delay_s: float = 0.0,
        bytes_per_s: float | None = None,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._target, self._delay_s, self._bytes_per_s = port, delay_s, bytes_per_s
        self._waiting_bytes_max = waiting_bytes_max
        self._listener = socket.create_server((LOOPBACK, 0))
        self._listener.settimeout(LOOK_EVERY_S)
        self.port: int = self._listener.getsockname()[1]
        self.carried = 0  # bytes, in both directions
        self._ways: list[_Way] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=f"line-{self.port}")

    def __enter__(self) -> "Line":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End all connections that pass at this moment; new ones may come."""
        ways, self._ways = self._ways, []
        for way in ways:
            way.end()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            try:
                far = socket.create_connection((LOOPBACK, self._target), timeout=5.0)
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.settimeout(None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ways += [_Way(self, near, far), _Way(self, far, near)]

    def due_s(self, size: int, free_at_s: float) -> tuple[float, float]:
        """When so many bytes arrive that are sent now, and when the line is free for the next."""
        now_s = time.monotonic()
        if self._bytes_per_s is not None:
            now_s = free_at_s = max(now_s, free_at_s) + size / self._bytes_per_s
        return now_s + self._delay_s, free_at_s

    @property
    def waiting_bytes_max(self) -> int:
        """How many bytes may wait in one direction."""
        return self._waiting_bytes_max


class _Way:
    """One direction of one connection: a thread that reads, and one that lets go what is due."""

    def __init__(self, line: Line, source: socket.socket, sink: socket.socket) -> None:
        self._line, self._source, self._sink = line, source, sink
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._bytes, self._ended = 0, False
        self._threads = [threading.Thread(target=work) for work in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Cut this direction."""
        for sock in (self._source, self._sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._source.close()

    def _read(self) -> None:
        free_at_s = 0.0
        data = b"."
        while data:
            try:
                data = self._source.recv(READ_BYTES)
            except OSError:
                data = b""
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._bytes < self._line.waiting_bytes_max)
                due_s, free_at_s = self._line.due_s(len(data), free_at_s)
                self._waiting.append((due_s, data))  # nothing: the end, which is under way as long
                self._bytes += len(data)
                self._changed.notify_all()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._waiting)
                if self._ended:
                    return
                due_s, data = self._waiting[0]
                wait_s = due_s - time.monotonic()
                if wait_s > 0:
                    self._changed.wait_for(lambda: self._ended, wait_s)
                    continue
                self._waiting.popleft()
                self._bytes -= len(data)
                self._changed.notify_all()
            try:
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)
                self._line.carried += len(data)
            except OSError:
                return
