"""When a stay is over, when to warn, and when it is RED: zone-aware and pure. The one home of these rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from passes.vocabulary import Category

LATE_EXIT_GRACE: Final = timedelta(minutes=10)  # scanning out this late only warns
LEAVE_BY_UNIT_MINUTES: Final = 10
MINUTES_WITH_LEAVE_BY_MAX: Final = 454  # what three bytes of CBOR can say beside a time of day

_MARKS: Final = 24 * 60 // LEAVE_BY_UNIT_MINUTES  # 144; mark 144 is the midnight that ends the day
CLAIM_LEAST: Final = -(MINUTES_WITH_LEAVE_BY_MAX * _MARKS + _MARKS)

WARN_BEFORE: Final[Mapping[Category, timedelta]] = MappingProxyType(
    {
        Category.FOOD: timedelta(minutes=5),
        Category.COURIER: timedelta(minutes=10),
        Category.RENOVATION: timedelta(minutes=30),
        Category.SERVICE: timedelta(minutes=15),
        Category.INVITED: timedelta(minutes=15),
        Category.OTHER: timedelta(minutes=15),
    }
)
"""How long before the end a visitor and the host are warned; a resident's stay has no end to warn of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayRule:
    """How long a stay may be: ``minutes`` after entry, until the local time ``leave_by``, both, or neither.

    With both, the earlier counts. ``leave_by`` 00:00 is the midnight that ends the day of entry.
    """

    minutes: int | None = None
    leave_by: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFacts:
    """What decides whether one stay is RED. Times are aware; ``due_at`` None means without limit."""

    due_at: datetime | None
    exited_at: datetime | None = None
    settled: bool = False


def for_households(rule: StayRule, *, households: int, extra_minutes: int) -> StayRule:
    """The rule for a round of several households: ``extra_minutes`` for each one after the first.

    A rule without minutes, and a time to leave by, stay as they are. Raises ``ValueError`` for fewer than one
    household or for negative minutes.
    """
    if households < 1 or extra_minutes < 0:
        raise ValueError(f"{households} households with {extra_minutes} extra minutes each make no round")
    if rule.minutes is None:
        return rule
    return replace(rule, minutes=rule.minutes + extra_minutes * (households - 1))


def rule_of_claim(stay: int) -> StayRule:
    """The rule that a pass's ``stay`` claim states.

    Positive: minutes. −1 to −144: minus the local time in ten-minute units. Below: both, as
    ``−(144 × minutes + units)``.
    """
    if stay > 0:
        return StayRule(minutes=stay)
    if stay == 0:
        return StayRule()
    minutes, mark = divmod(-stay - 1, _MARKS)
    hour, minute = divmod((mark + 1) % _MARKS * LEAVE_BY_UNIT_MINUTES, 60)
    return StayRule(minutes=minutes or None, leave_by=time(hour, minute))


def claim_of_rule(rule: StayRule) -> int:
    """The ``stay`` claim that states ``rule``.

    Raises:
        ValueError: No whole minute, a time between ten-minute marks, or both a time and more minutes than fit
            beside it.
    """
    if rule.minutes is not None and rule.minutes < 1:
        raise ValueError(f"a stay of {rule.minutes} minutes is no stay: give whole minutes from 1")
    if rule.leave_by is None:
        return rule.minutes or 0
    unit, odd = divmod(rule.leave_by.hour * 60 + rule.leave_by.minute, LEAVE_BY_UNIT_MINUTES)
    if odd or rule.leave_by.second or rule.leave_by.microsecond:
        raise ValueError(f"leave-by {rule.leave_by} must be a multiple of ten minutes")
    minutes = rule.minutes or 0
    if minutes > MINUTES_WITH_LEAVE_BY_MAX:
        raise ValueError(
            f"{minutes} minutes and a time to leave by do not fit one claim: beside a time, give at most"
            f" {MINUTES_WITH_LEAVE_BY_MAX} minutes, or give one of the two"
        )
    return -(minutes * _MARKS + (unit or _MARKS))


def due_at(
    rule: StayRule, *, entered_at: datetime, zone: ZoneInfo, pass_end: datetime | None
) -> datetime | None:
    """When a stay that began at ``entered_at`` is over.

    Args:
        rule: Minutes after entry, a local time on the day of entry, or both: the earlier.
        entered_at: Aware moment of the passage in.
        zone: The site's zone. Where the clocks go back, the first of two equal local times counts; a local time
            that they skip is read with the offset before the change (02:30 becomes 03:30), as RFC 5545 does.
        pass_end: End of the visitor's pass, used when the rule states nothing; None for residents.

    Returns:
        The aware UTC end (it can lie before ``entered_at`` for a leave-by rule), or None for a stay without limit.
    """
    assert entered_at.tzinfo is not None, "a moment without its zone would be read in the machine's own"
    ends = []
    if rule.minutes is not None:
        ends.append(entered_at.astimezone(UTC) + timedelta(minutes=rule.minutes))
    if rule.leave_by is not None:
        day = entered_at.astimezone(zone).date()
        if rule.leave_by == time(0, 0):
            day += timedelta(days=1)
        ends.append(datetime.combine(day, rule.leave_by, tzinfo=zone).astimezone(UTC))
    if ends:
        return min(ends)
    return pass_end.astimezone(UTC) if pass_end is not None else None


def warn_at(
    category: Category,
    *,
    entered_at: datetime,
    due_at: datetime | None,
    before: Mapping[Category, timedelta] = WARN_BEFORE,
) -> datetime | None:
    """When visitor and host are told that a stay ends soon.

    Args:
        category: Who stays.
        entered_at: Aware moment of the passage in.
        due_at: Aware end of the stay, None without limit.
        before: How long before the end each category is warned; who is not in it never is.

    Returns:
        The aware UTC moment, never in the first half of the stay; None when there is no end, no warning for the
        category, or nothing left of the stay to warn in.
    """
    lead = before.get(category)
    if lead is None or due_at is None or due_at <= entered_at:
        return None
    start, end = entered_at.astimezone(UTC), due_at.astimezone(UTC)
    return max(end - lead, start + (end - start) / 2)


def is_red(stay: StayFacts, now: datetime) -> bool:
    """Whether this stay keeps its person out: past its end and still open, or closed later than the grace."""
    if stay.settled or stay.due_at is None:
        return False
    if stay.exited_at is None:
        return now >= stay.due_at
    return stay.exited_at - stay.due_at > LATE_EXIT_GRACE  # a difference cannot overflow
