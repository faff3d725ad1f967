"""How many refused messages are written down: the first of each minute, and of the others how many there were.

Whoever can publish on a gate's command topic must not be able to fill its journal, and cannot go unnoticed either.
"""

import threading
from collections import Counter
from typing import Final

from shell.clock import Clock
from sync.commands import Why
from sync.messages import CommandData

ROWS_MAX: Final = 10
WINDOW_S: Final = 60.0


class Refusals:
    """Thread-safe.

    Args:
        clock: For the minute.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._since_s, self._rows = float("-inf"), 0
        self._counted: Counter[Why] = Counter()

    def admits(self, why: Why, *, room: bool = True) -> bool:
        """Whether this one gets a row of its own; else it is counted, as all are while the disk has no ``room``."""
        with self._lock:
            if not self._counted and self._is_over():
                self._since_s, self._rows = self._clock.monotonic_s(), 0
            if room and self._rows < ROWS_MAX:
                self._rows += 1
                return True
            self._counted[why] += 1
            return False

    def take_counted(self) -> CommandData | None:
        """The row for those that were only counted, when their minute is over."""
        with self._lock:
            if not self._counted or not self._is_over():
                return None
            counted, self._counted = self._counted, Counter()
            self._since_s, self._rows = self._clock.monotonic_s(), 1
        return CommandData(
            state="refused",
            why=Why.TOO_MANY,
            detail=", ".join(f"{why} {times}" for why, times in counted.most_common()),
            times=counted.total(),
        )

    def _is_over(self) -> bool:
        return self._clock.monotonic_s() >= self._since_s + WINDOW_S
