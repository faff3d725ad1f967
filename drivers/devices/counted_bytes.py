"""Answers that are nothing but so many bytes, without beginning, end or check.

All that can be verified is their number: such an answer counts when the deadline passes and exactly as many bytes have
come as were due. One byte of noise more or less, and there is no answer; the question is asked again.
"""

from typing import Final

KEPT_MAX: Final = 64


class CountedBytes:
    """Bytes since the question."""

    def __init__(self) -> None:
        self._bytes = b""
        self._garbage = 0

    def feed(self, data: bytes, *, due: bool) -> None:
        """Bytes came; without a question they are noise."""
        if not due:
            self._garbage += len(data)
            return
        self._bytes += data
        self._garbage += max(0, len(self._bytes) - KEPT_MAX)
        self._bytes = self._bytes[:KEPT_MAX]

    def flush(self, count: int) -> bytes | None:
        """No more bytes are coming: what came, if it is exactly so many."""
        found, self._bytes = self._bytes, b""
        if len(found) == count and count:
            return found
        self._garbage += len(found)
        return None

    def reject(self, count: int) -> None:
        """Bytes of the right number were no answer after all."""
        self._garbage += count

    def take_garbage(self) -> int:
        """How many bytes belonged to no answer since the last call."""
        count, self._garbage = self._garbage, 0
        return count
