"""Frames of cameras as they happen, the newest only: network streams and local devices."""

import base64
import http.client
import select
import socket
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import cv2
import numpy as np

from edge.vision.frames import Frame, Source, SourceLostError, SourceMissingError
from edge.vision.mjpeg import MultipartJpegs
from edge.vision.picture import PictureError, decode
from shell.clock import Clock

OPEN_WITHIN_S: Final = 4.0
FRAME_WITHIN_S: Final = 3.0
DEVICE_SIZE_PX: Final = (1280, 720)
_READ_BYTES: Final = 256 * 1024
_BUFFERED_WITHIN_S: Final = 0.005  # a grab this quick came out of a buffer and is old
_DRAIN_MAX: Final = 30
_DRAIN_S: Final = 0.25  # a stream that never pauses is not waited out longer than this


class LiveCapture:
    """A camera that OpenCV reads: RTSP and other streams through FFmpeg, local devices through V4L2.

    Raises:
        SourceMissingError: It did not open within 4 s.
    """

    def __init__(self, spec: str, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._stopped = False
        if spec.startswith("/dev/"):
            self._capture = cv2.VideoCapture(spec, cv2.CAP_V4L2)
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, DEVICE_SIZE_PX[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, DEVICE_SIZE_PX[1])
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            limits = [
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(OPEN_WITHIN_S * 1000)),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(FRAME_WITHIN_S * 1000)),
            ]
            self._capture = cv2.VideoCapture(spec, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceMissingError(spec, "did not open", "Check its power, its address and its password")

    def read(self, not_before_s: float) -> Frame | None:
        """The newest frame; those that waited in a buffer are dropped."""
        quick = 0
        while not self._stopped:
            before_s = self._clock.monotonic_s()
            if not self._capture.grab():
                break
            now_s = self._clock.monotonic_s()
            quick = quick + 1 if now_s - before_s < _BUFFERED_WITHIN_S else _DRAIN_MAX
            if now_s < not_before_s or quick < _DRAIN_MAX:
                continue
            whole, picture = self._capture.retrieve()
            if whole:
                return Frame(np.asarray(picture, np.uint8), now_s)
        raise SourceLostError(self._spec, "sent no more frames", "Check its power and its cable")

    def interrupt(self) -> None:
        """End after the frame that is being waited for."""
        self._stopped = True

    def close(self) -> None:
        """Close the stream or device."""
        self._capture.release()


def open_http(spec: str, clock: Clock) -> Source:
    """Open an ``http`` or ``https`` address: multipart JPEG here, anything else through OpenCV.

    Raises:
        SourceMissingError: It is not reachable, or answers something that is no stream.
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
    return LiveCapture(spec, clock)  # other containers, redirects and digest passwords are FFmpeg's


def _headers(address: SplitResult) -> dict[str, str]:
    headers = {"Accept": "multipart/x-mixed-replace, */*", "User-Agent": "postern", "Connection": "close"}
    if address.username is not None:
        word = f"{unquote(address.username)}:{unquote(address.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode("ascii")
    return headers


class HttpMjpeg:
    """A camera's ``multipart/x-mixed-replace`` stream; only frames that are wanted are decoded."""

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

    def read(self, not_before_s: float) -> Frame | None:
        """The newest whole picture of the stream."""
        since_s = self._clock.monotonic_s()
        newest: bytes | None = None
        while True:
            pictures = self._jpegs.feed(self._receive())
            now_s = self._clock.monotonic_s()
            newest = pictures[-1] if pictures else newest
            overdue = now_s > not_before_s + _DRAIN_S
            if newest is not None and now_s >= not_before_s and (overdue or not self._more_waiting()):
                try:
                    return Frame(decode(newest), now_s)
                except PictureError:
                    newest = None
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
