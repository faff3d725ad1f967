"""How long a process is waited for, and how often one that dies may be started again. Pure."""

from typing import Final

AT_ONCE: Final = 3
EVERY_S: Final = 0.25  # counts into the look that waits for it
WAIT_MIN_S: Final = 0.02  # between two questions what a process has used


class Pace:
    """Counts starts of one process: some may be made at once, then they come evenly, for ever.

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


class Patience:
    """How long one look may still take.

    A process that computes for too long hangs, and is given up as soon as that is known. One that gets no processor
    is given the whole time: its successor would get no more of it.

    Args:
        now_s: When the look begins, monotonic seconds.
        within_s: How long it may take.
        cpu_within_s: How much the process may compute meanwhile.
    """

    def __init__(self, now_s: float, *, within_s: float, cpu_within_s: float) -> None:
        self._until_s, self._within_s, self._cpu_within_s = now_s + within_s, within_s, cpu_within_s

    def wait_s(self, now_s: float, *, cpu_s: float) -> float:
        """How long to wait for a process, which has computed for so long, before asking again.

        Raises:
            TimeoutError: It hangs; the message says what it took.
        """
        left_s, cpu_left_s = self._until_s - now_s, self._cpu_within_s - cpu_s
        if cpu_left_s <= 0:
            raise TimeoutError(f"no answer after {self._cpu_within_s:g} s of computing")
        if left_s <= 0:
            raise TimeoutError(f"no answer for {self._within_s:g} s")
        return min(left_s, max(WAIT_MIN_S, cpu_left_s))
