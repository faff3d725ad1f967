"""Weekday and hour windows of a repeat pass as people write them: ``mon-fri 09:00-12:00``, ``daily 22:00-06:00``."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from passes.schedule import EVERY_DAY, UNIT_MINUTES, Hours, Schedule, ScheduleError
from passes.words import Pair

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE: Final = "mon-fri 09:00-12:00"
TEXT_MAX: Final = 48  # the longest that names each day by itself

_DAILY: Final = "daily"
_DAYS_ZH: Final = "一二三四五六日"
_WINDOW: Final = re.compile(r"(\S+) +(\d\d):(\d)0-(\d\d):(\d)0", re.ASCII)
_UNITS_AN_HOUR: Final = 60 // UNIT_MINUTES
_DAY_UNITS: Final = 24 * _UNITS_AN_HOUR


class HoursError(ValueError):
    """What was written is no window, or the windows make no schedule."""


def read_hours(texts: Iterable[str]) -> Schedule:
    """The schedule of one to four windows, in any order; windows of the same hours become one.

    Days are ``mon`` to ``sun``, ranges and lists of them (``sat-sun``, ``mon,wed-fri``), or ``daily``. Hours go in
    steps of ten minutes; an end before the start lies on the next day, and 00:00 as an end is 24:00.

    Raises:
        HoursError: Says which window is wrong, and what one looks like.
    """
    days: dict[tuple[int, int], int] = {}
    for text in texts:
        window = _window(text)
        times = (window.start, window.end)
        days[times] = days.get(times, 0) | window.days
    try:
        return Schedule(
            tuple(Hours(days=days[times], start=times[0], end=times[1]) for times in sorted(days))
        )
    except ScheduleError as error:
        raise HoursError(str(error)) from error


def opens_within(opens: Callable[[datetime], bool], start: datetime, end: datetime) -> bool:
    """Whether ``opens`` at any moment between two: a pass that never opens helps nobody.

    Args:
        opens: Says whether a gate would open; it changes its answer at full ten minutes only.
        start: An aware moment, included.
        end: Another, excluded.
    """
    step, last = timedelta(minutes=UNIT_MINUTES), end - timedelta(seconds=1)
    marks = (start + step * number for number in range((last - start) // step + 1))
    return any(map(opens, marks)) or opens(last)


def write_hours(schedule: Schedule) -> tuple[str, ...]:
    """Each window as ``read_hours`` takes it."""
    return tuple(f"{_day_names(window.days, DAYS, '-', ',')} {_times(window)}" for window in schedule.windows)


def say_hours(schedule: Schedule) -> tuple[Pair, ...]:
    """Each window in words, for whoever holds the pass."""
    english = tuple(day.capitalize() for day in DAYS)
    chinese = tuple(f"周{day}" for day in _DAYS_ZH)
    return tuple(
        Pair(
            f"{_day_names(window.days, chinese, '至', '、', daily='每天')} {_times(window)}",
            f"{_day_names(window.days, english, '–', ', ', daily='Daily')} {_times(window)}",
        )
        for window in schedule.windows
    )


def _window(text: str) -> Hours:
    found = _WINDOW.fullmatch(text.strip().lower())
    if found is None:
        raise HoursError(f"{text!r} is no window; write {EXAMPLE!r}, in steps of ten minutes")
    named, from_hour, from_ten, to_hour, to_ten = found.groups()
    start = int(from_hour) * _UNITS_AN_HOUR + int(from_ten)
    end = int(to_hour) * _UNITS_AN_HOUR + int(to_ten) or _DAY_UNITS
    if (
        int(from_ten) >= _UNITS_AN_HOUR
        or int(to_ten) >= _UNITS_AN_HOUR
        or start >= _DAY_UNITS
        or end > _DAY_UNITS
    ):
        raise HoursError(f"{text!r}: hours go from 00:00 to 24:00")
    if start == end:
        raise HoursError(f"{text!r} is empty; a whole day is 00:00-24:00")
    return Hours(days=_mask(named, text), start=start, end=end)


def _mask(named: str, text: str) -> int:
    if named == _DAILY:
        return EVERY_DAY
    mask = 0
    for part in named.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS or part.endswith("-"):
            raise HoursError(f"{text!r}: days are {', '.join(DAYS)}, ranges of them, or {_DAILY}")
        start = DAYS.index(first)
        length = (DAYS.index(last or first) - start) % len(DAYS) + 1
        mask |= sum(1 << (start + day) % len(DAYS) for day in range(length))
    return mask


def _day_names(mask: int, names: tuple[str, ...], to: str, comma: str, daily: str = _DAILY) -> str:
    """Runs of three days and more as ranges."""
    if mask == EVERY_DAY:
        return daily
    runs: list[list[int]] = []
    for day in range(len(DAYS)):
        if not mask >> day & 1:
            continue
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        parts += [f"{names[run[0]]}{to}{names[run[-1]]}"] if len(run) > 2 else [names[day] for day in run]
    return comma.join(parts)


def _times(window: Hours) -> str:
    start, end = (f"{at // _UNITS_AN_HOUR:02}:{at % _UNITS_AN_HOUR}0" for at in (window.start, window.end))
    return f"{start}-{end}"
