"""How much may be on the wire at once: the line must be busy, never full, and a busy centre may ask for less.

Bytes in flight are bounded by what the way to the centre's commit was seen to carry in about ``QUEUE_S`` seconds, so
that whatever is urgent waits no longer than that, on a line of 64 kbit/s as on a fast one. The bound begins with what
the hello's own round trip proves, grows fourfold in each round trip while answers come fast, and shrinks in proportion
when they come late. A credit (events a
second, from the centre's acks) bounds the rate beside it. Rows that travel apart from the rest (alarms) have a small
bound of their own and need no credit.

Pure: time is an argument, in monotonic seconds. ``sync.outbox.Sender`` owns one.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from sync.messages import BATCH_BYTES_MAX, BATCH_EVENTS_MAX

WINDOW_BATCHES: Final = 4  # unacknowledged batches on the wire; hides a bridge or a slow line
WINDOW_FAR_BATCHES: Final = 8
FAR_S: Final = 0.050  # a round trip above this makes the window wider
START_BYTES: Final = 16 * 1024
HELLO_BYTES: Final = 500  # a hello and its answer at least: so much a line has proved to carry
BYTES_MIN: Final = 4 * 1024
BYTES_MAX: Final = WINDOW_FAR_BATCHES * BATCH_BYTES_MAX
QUEUE_S: Final = 2.0  # what is in flight may take this long to arrive
APART_MAX: Final = 8  # rows that travel apart
_SAMPLES: Final = 16


@dataclass(frozen=True, slots=True)
class _Flight:
    last: int
    size: int
    at_s: float


class Pace:
    """What is in flight, and what else may be."""

    def __init__(self) -> None:
        self._flights: deque[_Flight] = deque()
        self._apart: dict[int, _Flight] = {}
        self._bytes = 0  # of both
        self._bytes_max = START_BYTES
        self._shrunk_at_s = float("-inf")
        self._round_trips_s: deque[float] = deque(maxlen=_SAMPLES)
        self._asked_at_s: float | None = None
        self._credit: int | None = None
        self._allowance, self._allowance_at_s = 0.0, 0.0

    @property
    def batches(self) -> int:
        """Batches in flight."""
        return len(self._flights)

    @property
    def idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._flights and not self._apart

    @property
    def window(self) -> int:
        """How many batches may be in flight; by the shortest of the last round trips, busy ones do not count."""
        far = bool(self._round_trips_s) and min(self._round_trips_s) > FAR_S
        return WINDOW_FAR_BATCHES if far else WINDOW_BATCHES

    @property
    def batch_bytes(self) -> int:
        """How large the next batch may be, so that a window of them fits into the bound."""
        return min(BATCH_BYTES_MAX, self._bytes_max // self.window)

    @property
    def batch_rows(self) -> int:
        """How many rows the next batch may have; with a credit, no more than a second's worth."""
        return BATCH_EVENTS_MAX if self._credit is None else min(BATCH_EVENTS_MAX, self._credit)

    def has_room(self) -> bool:
        """Whether the line can take another batch."""
        if not self._flights:
            return True
        return len(self._flights) < self.window and self._bytes + self.batch_bytes <= self._bytes_max

    def wait_s(self, now_s: float) -> float:
        """How long until the credit allows another batch; 0 when it does."""
        if self._credit is None:
            return 0.0
        earned = self._allowance + (now_s - self._allowance_at_s) * self._credit
        self._allowance, self._allowance_at_s = min(float(self._credit), earned), now_s
        return 0.0 if self._allowance > 0 else (1.0 - self._allowance) / self._credit

    def set_credit(self, credit: int | None, now_s: float) -> None:
        """The centre asks for at most so many events a second, or for no bound."""
        if credit is not None and self._credit is None:
            self._allowance, self._allowance_at_s = 1.0, now_s
        elif credit is not None:
            self.wait_s(now_s)  # what was earned so far was earned at the old rate
        self._credit = credit

    def asked(self, now_s: float) -> None:
        """A hello left; whatever was in flight is forgotten. What was learned of the line is kept."""
        self.clear()
        self._asked_at_s = now_s

    def answered(self, now_s: float) -> None:
        """The hello's answer came."""
        if self._asked_at_s is not None:
            took_s = now_s - self._asked_at_s
            self._round_trips_s.append(took_s)
            proven = BYTES_MAX if took_s <= 0 else int(HELLO_BYTES / took_s * QUEUE_S)
            self._bytes_max = min(BYTES_MAX, max(self._bytes_max, proven))
            self._asked_at_s = None

    def clear(self) -> None:
        """Nothing is in flight any more."""
        self._flights.clear()
        self._apart.clear()
        self._bytes = 0
        self._asked_at_s = None

    def reset(self) -> None:
        """Another connection may be another line: begin low again."""
        self.clear()
        self._round_trips_s.clear()
        self._bytes_max, self._shrunk_at_s, self._credit = START_BYTES, float("-inf"), None

    def slow_down(self, now_s: float) -> None:
        """No answer came in time: be careful."""
        self._bytes_max, self._shrunk_at_s = max(BYTES_MIN, self._bytes_max // 4), now_s

    def sent(self, last: int, rows: int, size: int, now_s: float) -> None:
        """A batch left."""
        self._flights.append(_Flight(last, size, now_s))
        self._bytes += size
        self._allowance -= rows

    def sent_apart(self, seq: int, size: int, now_s: float) -> None:
        """A row left apart from the rest."""
        self._apart[seq] = _Flight(seq, size, now_s)
        self._bytes += size

    def may_send_apart(self) -> bool:
        """Whether another row may leave apart from the rest."""
        return len(self._apart) < APART_MAX

    def acked(self, upto: int, apart: tuple[int, ...], now_s: float) -> tuple[int, ...]:
        """The centre has everything up to ``upto``, and these rows beyond.

        Returns:
            Those of ``apart`` that were in flight.
        """
        busy = self._bytes + self.batch_bytes > self._bytes_max
        while self._flights and self._flights[0].last <= upto:
            self._learn(self._flights.popleft(), busy=busy, now_s=now_s)
        there = tuple(seq for seq in apart if seq in self._apart)
        for seq in (*there, *(seq for seq in tuple(self._apart) if seq <= upto)):
            flight = self._apart.pop(seq, None)
            if flight is not None:
                self._learn(flight, busy=False, now_s=now_s)
        return there

    def _learn(self, flight: _Flight, *, busy: bool, now_s: float) -> None:
        self._bytes -= flight.size
        took_s = now_s - flight.at_s
        self._round_trips_s.append(took_s)
        if took_s > QUEUE_S:
            if (
                flight.at_s >= self._shrunk_at_s
            ):  # those that left before the bound shrank say nothing about it
                self._bytes_max = max(BYTES_MIN, int(self._bytes_max * QUEUE_S / took_s))
                self._shrunk_at_s = now_s
        elif busy and took_s < QUEUE_S / 4:
            self._bytes_max = min(BYTES_MAX, self._bytes_max + 3 * flight.size)
