"""Requests on a line where one side asks and the other answers: what waits, what is open, what was never answered.

One request at a time. Reads and openings of outputs may be repeated; whatever lets somebody through is written once.
After a missed answer the line rests for a moment, so that a late one does not pass for the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Generic, TypeVar

from drivers.model import Urgency

DRAIN_S: Final = 0.100  # drivers reference 7.3: late replies come within this on every board there
WAITING_MAX: Final = 64
READ_REPEATS: Final = 2  # drivers reference 5
_JUST_S: Final = 0.001  # so that the clock is surely past a limit when it is looked at

P = TypeVar("P")


class End(StrEnum):
    """How a request ended."""

    WRITTEN = "written"  # nothing answers it
    UNANSWERED = "unanswered"  # written, and perhaps carried out
    STALE = "stale"  # never written: it waited for too long
    LOST = "lost"  # never written: the line went
    LOST_OPEN = "lost_open"  # the line went after, or while, it was written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request(Generic[P]):
    """Bytes to write, and how long their answer may take.

    Args:
        data: The frame.
        urgency: Its place among what waits.
        purpose: What the driver does with the answer.
        within_s: Longest time to the answer; None when the device does not answer this.
        repeats: How often it is written again when no answer comes.
        silence_s: Quiet time on the line after it, or after its answer.
        stale_s: Monotonic second from which on it must not be written any more.
    """

    data: bytes
    urgency: Urgency
    purpose: P
    within_s: float | None
    repeats: int = 0
    silence_s: float = 0.0
    stale_s: float | None = None


class Exchange(Generic[P]):
    """The requests of one driver. Like the driver it has no clock: ``tick`` says what time it is."""

    def __init__(self) -> None:
        self._waiting: list[Request[P]] = []
        self._open: Request[P] | None = None
        self._answer_by_s = 0.0
        self._quiet_until_s = float("-inf")
        self._now_s = float("-inf")
        self._written: list[Request[P]] = []  # handed over, nothing answers them
        self._stale: list[Request[P]] = []

    @property
    def open(self) -> Request[P] | None:
        """The request that waits for its answer."""
        return self._open

    def put(self, request: Request[P]) -> bool:
        """Let a request wait for its turn; False when too many wait. Openings of outputs are never turned away."""
        if len(self._waiting) >= WAITING_MAX and request.urgency not in {Urgency.ALL_OFF, Urgency.RELEASE}:
            return False
        place = sum(other.urgency <= request.urgency for other in self._waiting)
        self._waiting.insert(place, request)
        return True

    def waits(self, test: Callable[[Request[P]], bool]) -> bool:
        """Whether such a request waits or is open."""
        return any(map(test, self._waiting)) or (self._open is not None and test(self._open))

    def withdraw(self, test: Callable[[Request[P]], bool]) -> list[Request[P]]:
        """Take back what waits and was not written."""
        gone = [request for request in self._waiting if test(request)]
        self._waiting = [request for request in self._waiting if not test(request)]
        return gone

    def wants_line(self) -> Urgency | None:
        """How urgent the next request is, when it may be written now."""
        if self._open is not None or self._now_s < self._quiet_until_s or not self._waiting:
            return None
        return self._waiting[0].urgency

    def holds_line(self) -> bool:
        """Whether an answer is due, or the line has to rest."""
        return self._open is not None or self._now_s < self._quiet_until_s

    def take(self) -> Request[P] | None:
        """The next request, to be written at once; None when none may be."""
        while self.wants_line() is not None:
            request = self._waiting.pop(0)
            if request.stale_s is not None and self._now_s > request.stale_s:
                self._stale.append(request)
                continue
            if request.within_s is None:
                self._written.append(request)
                self._quiet_until_s = self._now_s + request.silence_s
            else:
                self._open = request
                self._answer_by_s = self._now_s + request.within_s
            return request
        return None

    def take_written(self) -> list[Request[P]]:
        """Requests without an answer that were handed over; call it when they have been written."""
        written, self._written = self._written, []
        return written

    def answered(self, now_s: float) -> Request[P]:
        """The open request, which has its answer now."""
        assert self._open is not None, "an answer without a request"
        request, self._open = self._open, None
        self._quiet_until_s = now_s + request.silence_s
        return request

    def overdue(self, now_s: float) -> bool:
        """Whether the open request's answer should have come."""
        return self._open is not None and now_s >= self._answer_by_s

    def tick(self, now_s: float) -> list[tuple[Request[P], End]]:
        """Notice what time it is; the requests that ended by it."""
        self._now_s = now_s
        self._stale += self.withdraw(lambda one: one.stale_s is not None and now_s > one.stale_s)
        ended = [(request, End.STALE) for request in self._stale]
        self._stale = []
        if self.overdue(now_s):
            assert self._open is not None
            request, self._open = self._open, None
            self._quiet_until_s = now_s + DRAIN_S
            if request.repeats > 0:
                # First of its kind again, but not before what is more urgent.
                place = sum(other.urgency < request.urgency for other in self._waiting)
                self._waiting.insert(place, replace(request, repeats=request.repeats - 1))
            else:
                ended.append((request, End.UNANSWERED))
        return ended

    def next_deadline(self) -> float | None:
        """When ``tick`` has something to do: an answer overdue, a rest over, or something too old to be written."""
        if self._open is not None:
            return self._answer_by_s
        if self._stale:
            return self._now_s
        if self._now_s < self._quiet_until_s:
            return self._quiet_until_s  # others may wait for it, too
        # Whoever has the line may keep it: what waits for it ends on its own.
        return min((one.stale_s + _JUST_S for one in self._waiting if one.stale_s is not None), default=None)

    def lost(self) -> list[tuple[Request[P], End]]:
        """The line went: nothing is kept for later."""
        ended = [(request, End.LOST_OPEN) for request in self._written]
        if self._open is not None:
            ended.append((self._open, End.LOST_OPEN))
        ended += [(request, End.STALE) for request in self._stale]
        ended += [(request, End.LOST) for request in self._waiting]
        self._written, self._waiting, self._stale, self._open = [], [], [], None
        self._quiet_until_s = float("-inf")
        return ended
