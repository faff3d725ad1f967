"""Cameras of a benchmark: MJPEG over HTTP at an even rate, out of frames that were made before."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

BOUNDARY: Final = "postern-frame"
_REQUEST_BYTES: Final = 4096
_SENT_WITHIN_S: Final = 5.0

NextFrame = Callable[[], bytes]


class Projector:
    """Serves ``http://127.0.0.1:port/NAME``; ``close`` it.

    Args:
        cameras: Name -> what gives the next JPEG of that camera, called when it is handed out, in one thread a viewer.
        frames_per_s: Of each. A viewer that takes no more gets no more: nothing waits for it but the socket's buffer.
    """

    def __init__(self, cameras: Mapping[str, NextFrame], *, frames_per_s: float) -> None:
        self._cameras = dict(cameras)
        self._frame_s = 1 / frames_per_s
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._viewers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._serve, name="projector")
        self._thread.start()

    def address(self, name: str) -> str:
        """Where a camera is."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/{name}"

    def close(self) -> None:
        """End all streams."""
        self._stop.set()
        with socket.create_connection(self._listener.getsockname()):
            self._thread.join()
        self._listener.close()
        for viewer in self._viewers:
            viewer.join()

    def _serve(self) -> None:
        while True:
            line, _ = self._listener.accept()
            if self._stop.is_set():
                line.close()
                return
            viewer = threading.Thread(target=self._show, args=(line,), name="projector-viewer")
            self._viewers.append(viewer)
            viewer.start()

    def _show(self, line: socket.socket) -> None:
        with line:
            line.settimeout(_SENT_WITHIN_S)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                name = line.recv(_REQUEST_BYTES).split()[1].decode("ascii").lstrip("/")
                line.sendall(
                    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary="
                    + BOUNDARY.encode("ascii")
                    + b"\r\n\r\n"
                )
                self._send(line, self._cameras[name])
            except OSError:  # the viewer has gone
                return

    def _send(self, line: socket.socket, next_frame: NextFrame) -> None:
        due_s = time.monotonic()
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            frame = next_frame()
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame)}\r\n\r\n"
            line.sendall(head.encode("ascii") + frame + b"\r\n")
            due_s = max(due_s + self._frame_s, time.monotonic() - self._frame_s)
