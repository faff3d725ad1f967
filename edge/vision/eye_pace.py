"""How often a process that dies may be started again: some at once, then evenly, for ever. Pure."""

from typing import Final

AT_ONCE: Final = 3
EVERY_S: Final = 0.25  # with the deadline of a picture this keeps the next look within a second of a kill


class Pace:
    """Counts starts of one process.

    There is no limit to their number and nothing to forgive: a lane whose camera shows a deadly picture for an
    hour must read again with the first harmless one.
    """

    def __init__(self) -> None:
        self._next_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next start, in seconds; 0 for now."""
        return max(0.0, self._next_s - (AT_ONCE - 1) * EVERY_S - now_s)

    def started(self, now_s: float) -> None:
        """Take one start into account."""
        self._next_s = max(self._next_s, now_s) + EVERY_S
