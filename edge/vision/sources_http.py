"""The newest picture of a camera's multipart stream over HTTP, encoded as it came.

NoMultipartError    the address answers, with something else: it may be a stream of another kind
"""

import base64
import http.client
import select
import socket
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from edge.vision.frames import FRAME_WITHIN_S, OPEN_WITHIN_S, SourceLostError, SourceMissingError
from edge.vision.mjpeg import MultipartJpegs
from edge.vision.shot import Pixels, Shot
from shell.clock import Clock

_READ_BYTES: Final = 256 * 1024
_DRAIN_S: Final = 0.25  # a stream that never pauses is not waited out longer than this


class NoMultipartError(Exception):
    """Not ours to read."""


def open_http(spec: str, clock: Clock) -> "HttpMjpeg":
    """Open an ``http`` or ``https`` address.

    Raises:
        SourceMissingError: It is not reachable, or answers something that is no stream.
        NoMultipartError: It answers something else than a multipart stream.
    """
    address = urlsplit(spec)
    secure = address.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = kind(address.hostname or "", address.port, timeout=OPEN_WITHIN_S)
        connection.connect()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceMissingError(
            spec, f"is not reachable ({error})", "Check its power and address"
        ) from error
    # The connection forgets its socket when the answer is to be the last; a waiting read is woken through it.
    line = connection.sock
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", target, headers=_headers(address))
        answer = connection.getresponse()
    except (OSError, ValueError, http.client.HTTPException) as error:
        connection.close()
        raise SourceMissingError(
            spec, f"gave no answer to HTTP ({error})", "Open the address in a browser"
        ) from error
    boundary = answer.headers.get_boundary()
    if answer.status == http.client.OK and boundary is not None:
        return HttpMjpeg(spec, line=line, answer=answer, boundary=boundary, clock=clock)
    answer.close()
    connection.close()
    if answer.status in {http.client.NOT_FOUND, http.client.GONE} or answer.status >= 500:
        raise SourceMissingError(spec, f"answered {answer.status}", "Open the address in a browser")
    if answer.headers.get_content_maintype() == "image":
        raise SourceMissingError(
            spec, "answers one picture, not a stream", "Look for its MJPEG or RTSP address"
        )
    raise NoMultipartError


def _headers(address: SplitResult) -> dict[str, str]:
    headers = {"Accept": "multipart/x-mixed-replace, */*", "User-Agent": "postern", "Connection": "close"}
    if address.username is not None:
        word = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode("ascii")
    return headers


class HttpMjpeg:
    """A camera's ``multipart/x-mixed-replace`` stream."""

    refused: tuple[str, ...] = ()

    def __init__(
        self,
        spec: str,
        *,
        line: socket.socket,
        answer: http.client.HTTPResponse,
        boundary: str,
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._line = line
        self._line.settimeout(FRAME_WITHIN_S)
        self._answer = answer
        self._jpegs = MultipartJpegs(boundary)

    def read(self, not_before_s: float) -> Shot | None:
        """The newest whole picture of the stream."""
        since_s = self._clock.monotonic_s()
        newest: bytes | None = None
        while True:
            pictures = self._jpegs.feed(self._receive())
            now_s = self._clock.monotonic_s()
            newest = pictures[-1] if pictures else newest
            overdue = now_s > not_before_s + _DRAIN_S
            if newest is not None and now_s >= not_before_s and (overdue or not self._more_waiting()):
                return Shot(Pixels.JPEG, newest, now_s)
            if now_s - max(since_s, not_before_s) > FRAME_WITHIN_S:
                raise SourceLostError(self._spec, "sends no whole pictures", "Open the address in a browser")

    def _receive(self) -> bytes:
        try:
            data = self._answer.read1(_READ_BYTES)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SourceLostError(self._spec, f"broke off ({error})", "Check its power and cable") from error
        if not data:
            raise SourceLostError(self._spec, "ended its stream", "Check its power and cable")
        return data

    def _more_waiting(self) -> bool:
        try:
            return bool(select.select([self._line], [], [], 0)[0])
        except (OSError, ValueError):  # closed meanwhile: the next receive says so
            return False

    def interrupt(self) -> None:
        """Cut the line under a waiting ``read``."""
        try:
            self._line.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is already gone
            return

    def close(self) -> None:
        """Close the stream."""
        self._answer.close()
        self._line.close()
