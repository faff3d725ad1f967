"""What is grabbed from, inside the process that owns it: a device, a stream or a film, through OpenCV.

FeedError       it cannot be opened, or broke off
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.vision.capture_device import gives_jpegs, set_up
from edge.vision.capture_messages import SLOT_BYTES
from edge.vision.frames import FRAME_WITHIN_S, OPEN_WITHIN_S, Hints
from edge.vision.freshness import Lateness
from edge.vision.shot import Pixels
from edge.vision.source_words import Trouble
from edge.vision.sources_film import frame_s
from passes.words import Pair

BUFFERED_WITHIN_S: Final = 0.005  # a grab this quick came out of a buffer
DRAIN_MAX: Final = 30  # a stream that never pauses is not waited out longer than this
_JPEG: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
# Read by OpenCV when it opens a stream. Over TCP no packet is lost; what a camera sends may not make FFmpeg open files.
_STREAM_OPTIONS: Final = (
    "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay|analyzeduration;500000|"
    "protocol_whitelist;rtsp,rtsps,rtp,rtcp,srtp,udp,tcp,tls,http,https,httpproxy"
)

Picture = npt.NDArray[np.uint8]


class FeedError(Exception):
    """No pictures."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Grabbed:
    """One picture: as ``Shot`` has it, when it left the camera as far as that is known, and its pixels on request.

    ``pixels`` is called at most once, before the next picture is asked for; None when there is no picture.
    """

    at_s: float
    picture: Callable[[], tuple[Picture, Pixels] | None]


class Feed(Protocol):
    """A device, stream or film that is open."""

    @property
    def refused(self) -> tuple[Pair, ...]:
        """What was asked of it and is not so."""

    def pictures(self) -> Iterator[Grabbed]:
        """Its pictures as they come; ends when there are no more, or raises ``FeedError``."""


class Device:
    """A camera of this machine."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._capture = cv2.VideoCapture(str(options["path"]), cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise FeedError(Trouble.DEVICE_SHUT)
        hints = Hints(exposure_ms=options.get("exposure_ms"), focus=options.get("focus"))
        self.refused = set_up(self._capture, hints)
        self._encoded = gives_jpegs(self._capture)

    def pictures(self) -> Iterator[Grabbed]:
        """Each frame as the driver has it."""
        while self._capture.grab():
            yield Grabbed(time.monotonic(), self._picture)
        raise FeedError(Trouble.DEVICE_ENDED)

    def _picture(self) -> tuple[Picture, Pixels] | None:
        made = taken(self._capture)
        if made is None:
            return None
        return jpeg_of(made) if self._encoded else raw_of(made)


class Stream:
    """A network camera through FFmpeg."""

    refused: tuple[Pair, ...] = ()

    def __init__(self, options: Mapping[str, Any]) -> None:
        os.putenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", _STREAM_OPTIONS)
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(OPEN_WITHIN_S * 1000)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(FRAME_WITHIN_S * 1000)),
        ]
        self._capture = cv2.VideoCapture(str(options["address"]), cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise FeedError(Trouble.STREAM_SHUT)

    def pictures(self) -> Iterator[Grabbed]:
        """Each frame that did not lie in a buffer for long."""
        lateness, quick = Lateness(), 0
        before_s = time.monotonic()
        while self._capture.grab():
            now_s = time.monotonic()
            waited = now_s - before_s >= BUFFERED_WITHIN_S
            stamp_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            age_s = lateness.age_s(arrived_s=now_s, stamp_s=stamp_s, waited=waited)
            quick = 0 if waited else quick + 1
            if waited or stamp_s > 0 or quick > DRAIN_MAX:
                yield Grabbed(now_s - age_s, self._picture)
            before_s = time.monotonic()
        raise FeedError(Trouble.STREAM_ENDED)

    def _picture(self) -> tuple[Picture, Pixels] | None:
        made = taken(self._capture)
        return None if made is None else raw_of(made)


class Film:
    """A video file, played at its own pace; what is late is dropped."""

    refused: tuple[Pair, ...] = ()

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._capture = cv2.VideoCapture(str(options["path"]))
        if not self._capture.isOpened():
            raise FeedError(Trouble.NO_VIDEO)
        self._frame_s = frame_s(self._capture)
        self._pause = threading.Event()

    def pictures(self) -> Iterator[Grabbed]:
        """Its frames, each at its time."""
        due_s = time.monotonic()
        while self._capture.grab():
            wait_s = due_s - time.monotonic()
            due_s += self._frame_s
            if wait_s <= -self._frame_s:
                continue
            self._pause.wait(max(0.0, wait_s))
            yield Grabbed(time.monotonic(), self._picture)

    def _picture(self) -> tuple[Picture, Pixels] | None:
        made = taken(self._capture)
        return None if made is None else raw_of(made)


FEEDS: Final[Mapping[str, Callable[[Mapping[str, Any]], Feed]]] = MappingProxyType(
    {"device": Device, "stream": Stream, "film": Film}
)


class Retrieves(Protocol):
    """The part of ``cv2.VideoCapture`` that has a grabbed picture."""

    def retrieve(self) -> tuple[bool, Any]:
        """Whether there is one, and its pixels or bytes."""


def taken(capture: Retrieves) -> Picture | None:
    """The picture that was grabbed; None when there is none, which some drivers call a success."""
    whole, picture = capture.retrieve()
    return np.asarray(picture, np.uint8) if whole and picture is not None and picture.size else None


def jpeg_of(picture: Picture) -> tuple[Picture, Pixels] | None:
    """The JPEG in what a driver gave, without what follows its end; None when there is none or it is too large."""
    data = picture.tobytes()
    if not data.startswith(_JPEG):
        return None
    end = data.rfind(_JPEG_END)
    whole = data if end < 0 else data[: end + len(_JPEG_END)]
    return (np.frombuffer(whole, np.uint8), Pixels.JPEG) if len(whole) <= SLOT_BYTES else None


def raw_of(picture: Picture) -> tuple[Picture, Pixels]:
    """Pixels that fit into a slot: in colour, or grey, or grey and smaller."""
    if picture.nbytes <= SLOT_BYTES:
        return picture, Pixels.BGR if picture.ndim == 3 else Pixels.GREY
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    while grey.nbytes > SLOT_BYTES:
        grey = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8), Pixels.GREY
