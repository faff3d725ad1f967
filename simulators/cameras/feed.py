"""One camera's stream: a clocked frame that all its viewers share, over whatever they watch it."""

import threading
import time

from simulators.cameras.stage import Stage


class Feed:
    """One camera's frames, made only while somebody watches.

    Args:
        stage: What the camera sees.
        frames_per_s: Its rate.
    """

    def __init__(self, stage: Stage, frames_per_s: float) -> None:
        self.stage = stage
        self._frame_s = 1 / frames_per_s
        self._lock = threading.Lock()
        self._frame = b""
        self._number = 0
        self._due_s = 0.0

    @property
    def newest(self) -> int:
        """Number of the newest frame."""
        return self._number

    def wait_for(self, after: int, stop: threading.Event) -> tuple[int, bytes]:
        """The first frame after number ``after``, and its number; the last one again when stopped."""
        while not stop.is_set():
            with self._lock:
                now_s = time.monotonic()
                if self._number > after:
                    return self._number, self._frame
                if now_s >= self._due_s:
                    self._frame = self.stage.next_jpeg()
                    self._number += 1
                    self._due_s = max(self._due_s + self._frame_s, now_s)
                    return self._number, self._frame
                pause_s = self._due_s - now_s
            stop.wait(pause_s)
        return after, self._frame
