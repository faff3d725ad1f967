"""On which weekdays, between which hours, a repeat visitor may come in (field 11 of the pass group).

Hours are those of the clock on the site's wall. The schedule says when somebody may enter; when they must leave is
``passes.stay``'s question.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

UNIT_MINUTES: Final = 10
WINDOWS_MAX: Final = 4
EVERY_DAY: Final = 0b111_1111
WORKING_DAYS: Final = 0b001_1111

_UNITS: Final = 24 * 60 // UNIT_MINUTES  # 144
_WINDOW_BYTES: Final = 3


class ScheduleError(ValueError):
    """The bytes, or the windows, are not a schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """One window: from ``start`` (included) until ``end`` (excluded), in ten-minute units of the local day.

    ``days`` is a mask of the weekdays on which it starts, bit 0 Monday to bit 6 Sunday. ``start`` is 0 to 143, ``end``
    1 to 144 (24:00). An ``end`` before ``start`` lies on the next day; a whole day is 0 to 144.
    """

    days: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a pass opens an entry: in any of one to four windows, in rising order of (start, end).

    Raises:
        ScheduleError: No window or too many, a value out of range, equal ends, or another order.
    """

    windows: tuple[Hours, ...]

    def __post_init__(self) -> None:
        """Hold each schedule to its one spelling."""
        if not 1 <= len(self.windows) <= WINDOWS_MAX:
            raise ScheduleError(f"{len(self.windows)} windows; give 1 to {WINDOWS_MAX}")
        for window in self.windows:
            if not 1 <= window.days <= EVERY_DAY:
                raise ScheduleError(f"days {window.days:#04x} name no weekday, or more than seven")
            if not 0 <= window.start < _UNITS or not 1 <= window.end <= _UNITS:
                raise ScheduleError(f"window {window.start} to {window.end} is outside the day")
            if window.start == window.end:
                raise ScheduleError(
                    f"window {window.start} to {window.end} is empty; a whole day is 0 to 144"
                )
        order = [(window.start, window.end) for window in self.windows]
        if any(later <= earlier for earlier, later in pairwise(order)):
            raise ScheduleError("windows must rise by (start, end), each pair once")

    def encode(self) -> bytes:
        """Three bytes a window: start, end, days."""
        return b"".join(bytes((window.start, window.end, window.days)) for window in self.windows)

    def allows(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether the clock of ``zone`` stands in a window at the aware moment ``now``."""
        local = now.astimezone(zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local - timedelta(days=1)).weekday()
        return any(_covers(window, minute, today, yesterday) for window in self.windows)


def decode_schedule(data: bytes) -> Schedule:
    """Read a schedule; raises ``ScheduleError`` for anything that ``encode`` does not write."""
    if not data or len(data) % _WINDOW_BYTES:
        raise ScheduleError(f"{len(data)} bytes are no whole windows")
    parts = (data[at : at + _WINDOW_BYTES] for at in range(0, len(data), _WINDOW_BYTES))
    return Schedule(tuple(Hours(start=start, end=end, days=days) for start, end, days in parts))


def _covers(window: Hours, minute: int, today: int, yesterday: int) -> bool:
    start, end = window.start * UNIT_MINUTES, window.end * UNIT_MINUTES
    if start < end:
        return bool(window.days >> today & 1) and start <= minute < end
    began_today = bool(window.days >> today & 1) and minute >= start
    return began_today or (bool(window.days >> yesterday & 1) and minute < end)
