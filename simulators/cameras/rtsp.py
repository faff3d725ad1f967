"""The rendered cameras over RTSP: JPEG in RTP (RFC 2435), interleaved with the answers in one TCP connection.

``rtsp://127.0.0.1:PORT/entry``. UDP is refused, as behind many a firewall. ``hold`` makes the streams stop in
the middle, as a camera that hangs; ``cut`` breaks all connections off.
"""

import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from simulators.cameras.feed import Feed
from simulators.cameras.rtp_jpeg import CLOCK_HZ, PAYLOAD_TYPE, JpegPackets

REQUEST_MAX: Final = 16 * 1024
SESSION: Final = "1"
_HEADER: Final = re.compile(rb"^(\w[\w-]*):\s*(.*?)\s*$", re.MULTILINE)
_INTERLEAVED: Final = re.compile(r"interleaved=(\d+)")
_TURN_S: Final = 0.1


class RtspServer(socketserver.ThreadingTCPServer):
    """Serves feeds; ``start`` and ``close`` it.

    Args:
        port: Port on the loopback interface; 0 picks a free one, then see ``port``.
        feeds: Name of a camera -> its frames.

    Raises:
        OSError: The port is taken.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, *, port: int, feeds: Mapping[str, Feed]) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.feeds = feeds
        self.stop = threading.Event()
        self.held = threading.Event()
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._viewers: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(_TURN_S,), name="rtsp", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve from a thread."""
        self._thread.start()

    def hold(self, *, on: bool) -> None:
        """Stop sending while the connections stay open, or go on."""
        (self.held.set if on else self.held.clear)()

    def cut(self) -> None:
        """Break every connection off."""
        with self._lock:
            for line in self._lines:
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:  # its viewer was quicker
                    continue

    def close(self) -> None:
        """End the streams and give the port back."""
        self.stop.set()
        self.shutdown()
        self.cut()
        self.server_close()
        self._thread.join()
        for viewer in list(self._viewers):
            viewer.join(1.0)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and be known while doing so."""
        viewer = threading.current_thread()
        with self._lock:
            self._lines.add(request)
        self._viewers.add(viewer)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._viewers.discard(viewer)

    def forget(self, line: socket.socket) -> None:
        """This connection is about to be closed."""
        with self._lock:
            self._lines.discard(line)

    def handle_error(self, request: object, client_address: object) -> None:
        """A viewer that breaks off is no error."""


class _Session(socketserver.BaseRequestHandler):
    """One viewer: answers its requests from this thread, sends frames from another once it plays."""

    server: RtspServer
    request: socket.socket

    def setup(self) -> None:
        self._sending = threading.Lock()
        self._done = threading.Event()
        self._player: threading.Thread | None = None
        self._channel = 0

    def handle(self) -> None:
        buffer = b""
        while not self.server.stop.is_set() and len(buffer) < REQUEST_MAX:
            while buffer.startswith(b"$") and len(buffer) >= 4:  # reports of the viewer, which nobody reads
                length = 4 + int.from_bytes(buffer[2:4], "big")
                if len(buffer) < length:
                    break
                buffer = buffer[length:]
            head, end, rest = buffer.partition(b"\r\n\r\n")
            if end and not buffer.startswith(b"$"):
                buffer = rest
                if not self._answer(head):
                    return
                continue
            data = self.request.recv(4096)
            if not data:
                return
            buffer += data

    def finish(self) -> None:
        self.server.forget(self.request)
        self._done.set()
        if self._player is not None:
            self._player.join(1.0)

    def _answer(self, head: bytes) -> bool:
        """Answer one request; False when the session is over."""
        line, _, lines = head.partition(b"\r\n")
        method, _, address = line.decode("latin-1").partition(" ")
        headers = {name.lower(): value for name, value in _HEADER.findall(lines)}
        sequence = headers.get(b"cseq", b"0").decode("latin-1")
        name = (
            address.split(" ")[0]
            .removeprefix("rtsp://")
            .partition("/")[2]
            .partition("/")[0]
            .partition("?")[0]
        )
        feed = self.server.feeds.get(name)
        if method == "OPTIONS":
            self._send(sequence, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        elif feed is None:
            self._send(sequence, "404 Not Found")
        elif method == "DESCRIBE":
            base = address.split(" ")[0].rstrip("/") + "/"
            self._send(sequence, "200 OK", f"Content-Base: {base}\r\nContent-Type: application/sdp", _SDP)
        elif method == "SETUP":
            wanted = headers.get(b"transport", b"").decode("latin-1")
            found = _INTERLEAVED.search(wanted)
            if "TCP" not in wanted:
                self._send(sequence, "461 Unsupported Transport")
            else:
                self._channel = int(found[1]) if found else 0
                way = f"RTP/AVP/TCP;unicast;interleaved={self._channel}-{self._channel + 1}"
                self._send(sequence, "200 OK", f"Transport: {way}\r\nSession: {SESSION}")
        elif method == "PLAY":
            self._send(sequence, "200 OK", f"Session: {SESSION}\r\nRange: npt=0.000-")
            self._player = threading.Thread(target=self._play, args=(feed,), name=f"rtsp-{name}", daemon=True)
            self._player.start()
        elif method in {"GET_PARAMETER", "SET_PARAMETER"}:
            self._send(sequence, "200 OK", f"Session: {SESSION}")
        else:
            self._send(sequence, "200 OK" if method == "TEARDOWN" else "501 Not Implemented")
            return method != "TEARDOWN"
        return True

    def _play(self, feed: Feed) -> None:
        packets, number = JpegPackets(ssrc=0x706F7374), feed.newest
        try:
            while not self._done.is_set() and not self.server.stop.is_set():
                if self.server.held.is_set():
                    self._done.wait(_TURN_S)
                    continue
                number, jpeg = feed.wait_for(number, self._done)
                for packet in packets.frame(jpeg, time.monotonic()):
                    with self._sending:
                        self.request.sendall(struct.pack(">cBH", b"$", self._channel, len(packet)) + packet)
        except OSError:  # the viewer has gone
            return

    def _send(self, sequence: str, status: str, headers: str = "", body: str = "") -> None:
        head = f"RTSP/1.0 {status}\r\nCSeq: {sequence}\r\n" + (f"{headers}\r\n" if headers else "")
        with self._sending:
            self.request.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode("latin-1"))


_SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=postern rendered camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} JPEG/{CLOCK_HZ}\r\na=control:track1\r\n"
)
