"""Finding frames of known length in a stream that may hold anything."""

from collections.abc import Callable
from typing import Final

BAD: Final = 0  # no frame begins so
HEAD_MAX: Final = 8  # bytes that say how long a frame is


class Frames:
    """Finds frames; a byte that begins none is dropped and counted, and the search goes on behind it.

    Args:
        length_of: Length of the frame whose first bytes these are (``HEAD_MAX`` at most); ``BAD`` when none begins
            so, None when more bytes are needed.
        is_good: Whether a whole frame's check is right.
    """

    def __init__(self, length_of: Callable[[bytes], int | None], is_good: Callable[[bytes], bool]) -> None:
        self._length_of, self._is_good = length_of, is_good
        self._buffer = b""  # shorter than the longest frame between calls
        self._garbage = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames completed by ``data``, in order."""
        self._buffer += data
        frames = []
        at = 0
        while at < len(self._buffer):
            length = self._length_of(self._buffer[at : at + HEAD_MAX])
            if length is None or len(self._buffer) - at < length:
                break
            frame = self._buffer[at : at + length]
            if length != BAD and self._is_good(frame):
                frames.append(frame)
                at += length
            else:
                at += 1
                self._garbage += 1
        self._buffer = self._buffer[at:]
        return frames

    def reset(self) -> None:
        """Drop a frame that has begun: its rest is not coming."""
        self._garbage += len(self._buffer)
        self._buffer = b""

    def take_garbage(self) -> int:
        """How many bytes were dropped since the last call."""
        count, self._garbage = self._garbage, 0
        return count


def sums_up(frame: bytes) -> bool:
    """Whether the last byte is the low byte of the sum of all others."""
    return sum(frame[:-1]) & 0xFF == frame[-1]
