"""How the centre shares what it can store among its gates: a credit for those that come back, a limit for each.

After an outage a hundred gates come back at once. Each alone may send as fast as it likes; together they would fill the
queue, and everything urgent would wait behind it. So those that drain a backlog get a **credit**, a share of what
the centre was seen to store in a second; the others are not slowed. A gate whose key was stolen may flood the centre
with rows: each gate has an **allowance**, far above what a real one ever has, and beyond it its rows are not taken
until time has passed. An honest gate loses nothing by either: what is not acknowledged stays in its journal.

Pure: time is an argument, in monotonic seconds.
"""

from dataclasses import dataclass
from typing import Final

Gate = tuple[int, str]
DRAINING_S: Final = 5.0  # a gate that sent history within this time is draining a backlog
CREDITS_FROM_GATES: Final = 8  # fewer may each fill their window: that is about a second's work
SHARE: Final = 0.8  # of the capacity is given away; the rest is for what is new
BUSY_S: Final = 0.25  # with more than this much work waiting, already two gates get a credit
CREDIT_MIN: Final = 10
CAPACITY_FIRST: Final = 5_000.0  # rows a second, until it was measured
MEASURE_ROWS_MIN: Final = 200  # smaller transactions tell what a commit costs, not a row
ROWS_LEFT_FEW: Final = 5_000  # two windows of batches
GATES_MAX: Final = 10_000  # remembered


class Load:
    """What waits, what was stored in which time, and for whom."""

    def __init__(self) -> None:
        self._draining: dict[Gate, float] = {}
        self._rows_per_s = CAPACITY_FIRST
        self._rows_per_batch = 1.0

    def received(self, gate: Gate, rows: int, *, hist: bool, now_s: float) -> None:
        """A batch came."""
        self._rows_per_batch += 0.1 * (rows - self._rows_per_batch)
        if hist:
            self._draining[gate] = now_s

    def stored(self, rows: int, took_s: float) -> None:
        """So many rows were read and committed together."""
        if rows >= MEASURE_ROWS_MIN and took_s > 0:
            self._rows_per_s += 0.2 * (rows / took_s - self._rows_per_s)

    def credit(self, gate: Gate, *, batches_waiting: int, now_s: float) -> int | None:
        """How many events a second this gate should send at most; None: no bound."""
        for known, at_s in tuple(self._draining.items()):
            if now_s - at_s > DRAINING_S:
                del self._draining[known]
        if gate not in self._draining:
            return None
        many = len(self._draining)
        busy = many > 1 and batches_waiting * self._rows_per_batch > BUSY_S * self._rows_per_s
        if many < CREDITS_FROM_GATES and not busy:
            return None
        return max(CREDIT_MIN, int(SHARE * self._rows_per_s / many))


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimit:
    """What one gate may send: so many rows at once, and so many a second in the long run.

    A week at a row a second comes in at once; a month's worth takes a few hours more.
    """

    rows: int = 1_000_000
    rows_per_s: int = 100


class Allowances:
    """How many rows each gate may still send."""

    def __init__(self, limit: GateLimit) -> None:
        self._limit = limit
        self._left: dict[Gate, tuple[float, float]] = {}  # rows, and when that was

    def left(self, gate: Gate, now_s: float) -> float:
        """How many rows this gate may send now; below 1 it has to wait."""
        rows, at_s = self._left.get(gate, (float(self._limit.rows), now_s))
        return min(float(self._limit.rows), rows + (now_s - at_s) * self._limit.rows_per_s)

    def spend(self, gate: Gate, rows: int, now_s: float) -> None:
        """This gate sent so many rows."""
        left = self.left(gate, now_s) - rows
        if gate not in self._left and len(self._left) >= GATES_MAX:
            self._left.pop(next(iter(self._left)))
        self._left[gate] = (left, now_s)

    def credit(self, gate: Gate, now_s: float) -> int | None:
        """What a gate is asked to keep to whose allowance runs out, so that nothing it sends is refused; else None."""
        running_out = self.left(gate, now_s) < min(ROWS_LEFT_FEW, self._limit.rows / 2)
        return self._limit.rows_per_s if running_out else None
