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
from edge.vision.source_words import Trouble
from edge.vision.timed_line import TimedLine
from passes.words import Pair
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
        raise SourceMissingError(spec, Trouble.UNREACHABLE, str(error)) from error
    line = connection.sock
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("GET", target, headers=_headers(address))
        timed = TimedLine(line, clock)
        timed.give(OPEN_WITHIN_S)
        answer = http.client.HTTPResponse(timed, method="GET")  # type: ignore[arg-type]  # all that it asks of a socket
        answer.begin()
    except (OSError, ValueError, http.client.HTTPException) as error:
        connection.close()
        raise SourceMissingError(spec, Trouble.NO_HTTP, str(error) or type(error).__name__) from error
    boundary = answer.headers.get_boundary()
    if answer.status == http.client.OK and boundary is not None:
        return HttpMjpeg(spec, line=line, timed=timed, answer=answer, boundary=boundary, clock=clock)
    answer.close()
    connection.close()
    trouble = _trouble_of(answer, with_password=address.username is not None)
    if trouble is None:
        raise NoMultipartError
    raise SourceMissingError(spec, *trouble)


def _trouble_of(answer: http.client.HTTPResponse, *, with_password: bool) -> tuple[Trouble, str] | None:
    """What is wrong with an answer that is no stream; None when it may be one of a kind that others read."""
    status, kind = answer.status, answer.headers.get_content_maintype()
    if status == http.client.FORBIDDEN or (status == http.client.UNAUTHORIZED and not with_password):
        return Trouble.LOGIN, str(status)
    if status in {http.client.NOT_FOUND, http.client.GONE} or status >= 500:
        return Trouble.STATUS, str(status)
    if kind == "image":
        return Trouble.STILL_PICTURE, ""
    if status == http.client.OK and kind == "text":
        return Trouble.NOT_MJPEG, answer.headers.get_content_type()
    return None


def _headers(address: SplitResult) -> dict[str, str]:
    headers = {"Accept": "multipart/x-mixed-replace, */*", "User-Agent": "postern", "Connection": "close"}
    if address.username is not None:
        word = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode("ascii")
    return headers


class HttpMjpeg:
    """A camera's ``multipart/x-mixed-replace`` stream."""

    refused: tuple[Pair, ...] = ()

    def __init__(
        self,
        spec: str,
        *,
        line: socket.socket,
        timed: TimedLine,
        answer: http.client.HTTPResponse,
        boundary: str,
        clock: Clock,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._line, self._timed = line, timed
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
                raise SourceLostError(self._spec, Trouble.NO_WHOLE_PICTURE)

    def _receive(self) -> bytes:
        try:
            self._timed.give(FRAME_WITHIN_S)
            data = self._answer.read1(_READ_BYTES)
        except TimeoutError as error:
            raise SourceLostError(self._spec, Trouble.SILENT, f"{FRAME_WITHIN_S:g}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SourceLostError(
                self._spec, Trouble.BROKE_OFF, str(error) or type(error).__name__
            ) from error
        if not data:
            raise SourceLostError(self._spec, Trouble.STREAM_ENDED)
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
