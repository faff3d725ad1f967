"""The picture of a lane for the guard's page: made of the camera's own frames, only while somebody looks.

The camera's thread asks whether a picture is wanted and brings it; threads of the page look at the newest. An old
picture is never shown as if it were now.
"""

import threading
from dataclasses import dataclass
from typing import Final

from shell.clock import Clock

LONGEST_PX: Final = 640
WATCHED_S: Final = 3.0  # after the last request nobody looks any more
EVERY_S: Final = 0.2  # five pictures a second at most
STALE_S: Final = 2.0  # older than this it is no picture of the lane as it is
FIRST_WITHIN_S: Final = 1.0  # how long a request waits for the first picture


@dataclass(frozen=True, slots=True)
class Still:
    """One picture, a JPEG, and how old it is."""

    jpeg: bytes
    age_s: float


class Preview:
    """The newest picture of one camera. Methods may be called from any thread.

    Args:
        clock: For ages.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._asked_s = float("-inf")
        self._made_s = float("-inf")
        self._picture: tuple[bytes, float] | None = None
        self._dead = False

    def wanted_px(self) -> int:
        """Longest side of the picture to make of the frame in hand; 0 when nobody looks, or the last is still new."""
        now_s = self._clock.monotonic_s()
        with self._changed:
            if now_s - self._asked_s > WATCHED_S:
                self._picture = None  # nobody looks: nothing is kept
                return 0
            if now_s - self._made_s < EVERY_S:
                return 0
            self._made_s = now_s
            return LONGEST_PX

    def put(self, jpeg: bytes | None, at_s: float) -> None:
        """The camera's thread brings the picture of a frame that arrived at ``at_s``; None when none was made."""
        with self._changed:
            self._dead = False
            if jpeg:
                self._picture = jpeg, at_s
                self._changed.notify_all()

    def blind(self) -> None:
        """The camera is lost: what it showed before counts no more."""
        with self._changed:
            self._picture, self._dead = None, True
            self._changed.notify_all()

    def look(self) -> Still | None:
        """The picture as it is now, None when there is none that is new; waits a second for the first."""
        with self._changed:
            self._asked_s = self._clock.monotonic_s()
            if self._picture is None and not self._dead:
                self._changed.wait_for(lambda: self._picture is not None or self._dead, FIRST_WITHIN_S)
            if self._picture is None:
                return None
            jpeg, at_s = self._picture
            age_s = max(0.0, self._clock.monotonic_s() - at_s)
            if age_s > STALE_S:
                self._picture = None
                return None
            return Still(jpeg, age_s)
