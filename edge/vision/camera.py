"""One camera: a thread that owns its source, keeps to the newest frame, reads codes and reports.

Each presentation of a code is reported once. What is reported is queued and decided elsewhere. The camera
heals by itself: a source that is missing or lost is opened again with growing pauses, and its state is
reported when it changes, not on each try.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np

from edge.vision.filters import Picture, shrunk
from edge.vision.frames import Frame, Source, shown
from edge.vision.presentation import InView, look
from edge.vision.preview import Preview
from edge.vision.reader import Reader
from edge.vision.sources import open_source
from shell.clock import Clock
from shell.logs import get_logger

READS_PER_S: Final = 12.0  # a code is held up for a second or more; more readings only cost
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
FROZEN_AFTER_S: Final = 2.0  # a live sensor is never bit-identical for so long
CLOSE_WITHIN_S: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One presentation at one camera.

    Attributes:
        camera: Name of the camera.
        texts: All texts that were read in the frame, sorted; at least one of them was not held up before.
        at_s: Monotonic time of the frame.
    """

    camera: str
    texts: tuple[str, ...]
    at_s: float


class CameraState(StrEnum):
    """Whether frames come that may be believed."""

    OK = "ok"
    FAULT = "fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """A change of state: which camera, what it is now, why, and when (monotonic seconds)."""

    camera: str
    state: CameraState
    detail: str
    at_s: float


class Camera:
    """Reads one camera until it is closed.

    Args:
        name: Its name in reports.
        spec: Its source, as ``edge.vision.sources.open_source`` takes it.
        on_scan: Called from the camera's thread for each presentation; must not block.
        on_health: Called from the camera's thread when the state changes; must not block.
        clock: Time of the frames.
        preview: Gets a small picture of some frames, while somebody looks.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        on_scan: Callable[[Scan], None],
        on_health: Callable[[CameraHealth], None],
        clock: Clock,
        *,
        preview: Preview | None = None,
    ) -> None:
        self.name = name
        self.spec = spec
        self._on_scan = on_scan
        self._on_health = on_health
        self._clock = clock
        self._preview = preview
        self._stop = threading.Event()
        self._source_lock = threading.Lock()
        self._source: Source | None = None
        self._state: CameraState | None = None
        self._reader = Reader(live=True)
        self._view = InView()
        self._again = threading.Event()
        self._freshness = Freshness()
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, also when the camera is missing."""
        self._thread.start()

    def close(self) -> None:
        """Stop within a second. A network camera that is just being opened is left to its time-out."""
        self._stop.set()
        with self._source_lock:
            if self._source is not None:
                self._source.interrupt()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN_S)

    def look_again(self) -> None:
        """Report the codes in view once more, as if they had just come; any thread."""
        self._again.set()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        try:
            while not self._stop.is_set():
                try:
                    if self._watch():
                        self._report(CameraState.FAULT, f"{shown(self.spec)} has come to its end")
                        return
                except (OSError, cv2.error) as error:  # SourceError is an OSError
                    if self._state is CameraState.OK:
                        pause_s = FIRST_PAUSE_S
                    self._report(CameraState.FAULT, str(error))
                except Exception as error:  # noqa: BLE001  # a lane without a reader is worse than a lost picture
                    get_logger("camera").exception(
                        "reading failed, the source is opened again", camera=self.name
                    )
                    self._report(CameraState.FAULT, f"reading failed: {type(error).__name__}")
                self._stop.wait(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
        finally:
            if self._state is CameraState.OK:
                self._report(CameraState.FAULT, "the camera's thread ended")

    def _watch(self) -> bool:
        """Read from one opening of the source to its end; True when it ended for good."""
        source = open_source(self.spec, self._clock)
        with self._source_lock:
            self._source = source
        try:
            due_s = 0.0
            while not self._stop.is_set():
                frame = source.read(due_s)
                if frame is None:
                    return True
                due_s = frame.at_s + 1 / READS_PER_S
                self._take(frame)
            return False
        finally:
            with self._source_lock:
                self._source = None
            source.close()

    def _take(self, frame: Frame) -> None:
        if self._freshness.frozen(frame):
            self._report(
                CameraState.FAULT, f"the picture has been the very same for {FROZEN_AFTER_S:g} s: frozen"
            )
            return
        self._report(CameraState.OK, "frames arrive")
        if self._preview is not None:
            longest_px = self._preview.wanted_px()
            self._preview.put(small_jpeg(frame.picture, longest_px) if longest_px else None, frame.at_s)
        texts = tuple(sorted(code.text for code in self._reader.read(frame.picture)))
        if self._again.is_set():
            self._again.clear()
            self._view = InView()
        self._view, new = look(self._view, texts, frame.at_s)
        if new and not self._stop.is_set():
            self._on_scan(Scan(camera=self.name, texts=texts, at_s=frame.at_s))

    def _report(self, state: CameraState, detail: str) -> None:
        if state is CameraState.FAULT and self._preview is not None:
            self._preview.blind()
        if self._stop.is_set() or state is self._state:
            return
        self._state = state
        log = get_logger("camera")
        (log.info if state is CameraState.OK else log.warning)(
            "camera", camera=self.name, state=state, detail=detail
        )
        self._on_health(
            CameraHealth(camera=self.name, state=state, detail=detail, at_s=self._clock.monotonic_s())
        )


def small_jpeg(picture: Picture, longest_px: int) -> bytes:
    """The picture with at most that longest side."""
    _, encoded = cv2.imencode(".jpg", shrunk(picture, longest_px)[0], (cv2.IMWRITE_JPEG_QUALITY, 70))
    return encoded.tobytes()


class Freshness:
    """Tells a picture that no longer changes from a live one, across breaks of the source too."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._since_s = 0.0

    def frozen(self, frame: Frame) -> bool:
        """Take the next frame; whether its very pixels have been shown for 2 s or longer."""
        if self._picture is None or not _identical(self._picture, frame.picture):
            self._picture = frame.picture
            self._since_s = frame.at_s
        return frame.at_s - self._since_s >= FROZEN_AFTER_S


def _identical(before: Picture, now: Picture) -> bool:
    if before.shape != now.shape or not np.array_equal(before[::20, ::20], now[::20, ::20]):
        return False
    return np.array_equal(before, now)
