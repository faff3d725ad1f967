"""When a stay is over, and when it is RED: zone-aware and pure. The one home of both rules."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

LATE_EXIT_GRACE: Final = timedelta(minutes=10)  # scanning out this late only warns
LEAVE_BY_UNIT_MINUTES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StayRule:
    """How long a stay may be: ``minutes`` after entry, or until the local time ``leave_by``, or neither."""

    minutes: int | None = None
    leave_by: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFacts:
    """What decides whether one stay is RED. Times are aware; ``due_at`` None means without limit."""

    due_at: datetime | None
    exited_at: datetime | None = None
    settled: bool = False


def rule_of_claim(stay: int) -> StayRule:
    """The rule that a pass's ``stay`` claim states: minutes, or minus the local time in ten-minute units."""
    if stay > 0:
        return StayRule(minutes=stay)
    if stay < 0:
        hour, minute = divmod(-stay * LEAVE_BY_UNIT_MINUTES, 60)
        return StayRule(leave_by=time(hour % 24, minute))
    return StayRule()


def claim_of_rule(rule: StayRule) -> int:
    """The ``stay`` claim that states ``rule``; raises ``ValueError`` for a time between ten-minute marks."""
    if rule.minutes is not None:
        if rule.minutes < 1:
            raise ValueError(f"a stay of {rule.minutes} minutes is no stay: give whole minutes from 1")
        return rule.minutes
    if rule.leave_by is not None:
        since_midnight = rule.leave_by.hour * 60 + rule.leave_by.minute
        if since_midnight % LEAVE_BY_UNIT_MINUTES or since_midnight == 0:
            raise ValueError(f"leave-by {rule.leave_by:%H:%M} must be a multiple of ten minutes after 00:00")
        return -(since_midnight // LEAVE_BY_UNIT_MINUTES)
    return 0


def due_at(
    rule: StayRule, *, entered_at: datetime, zone: ZoneInfo, pass_end: datetime | None
) -> datetime | None:
    """When a stay that began at ``entered_at`` is over.

    Args:
        rule: Minutes after entry, or a local time on the day of entry.
        entered_at: Aware moment of the passage in.
        zone: The site's zone; where the clocks change, the earlier of two equal local times counts.
        pass_end: End of the visitor's pass, used when the rule states nothing; None for residents.

    Returns:
        The aware UTC end (it can lie before ``entered_at`` for a leave-by rule), or None for a stay without limit.
    """
    if rule.minutes is not None:
        return (entered_at + timedelta(minutes=rule.minutes)).astimezone(UTC)
    if rule.leave_by is not None:
        local_day = entered_at.astimezone(zone).date()
        return datetime.combine(local_day, rule.leave_by, tzinfo=zone).astimezone(UTC)
    return pass_end.astimezone(UTC) if pass_end is not None else None


def is_red(stay: StayFacts, now: datetime) -> bool:
    """Whether this stay keeps its person out: past its end and still open, or closed later than the grace."""
    if stay.settled or stay.due_at is None:
        return False
    if stay.exited_at is None:
        return now >= stay.due_at
    return stay.exited_at > stay.due_at + LATE_EXIT_GRACE
