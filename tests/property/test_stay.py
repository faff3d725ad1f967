"""Ends of stays against a slow, obvious model: look at the clock on the wall, minute after minute."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from passes.stay import CLAIM_LEAST, StayRule, claim_of_rule, due_at, rule_of_claim, warn_at
from passes.vocabulary import Category

ZONES = st.sampled_from(
    [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",  # the clocks change at midnight
        "America/Sao_Paulo",  # at midnight, until 2019
        "Australia/Lord_Howe",  # by half an hour
        "Africa/Casablanca",  # for Ramadan
        "Asia/Kathmandu",  # 05:45
        "Pacific/Apia",  # crossed the date line
        "Antarctica/Troll",  # by two hours
    ]
).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2007, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
AROUND_CHANGES = st.builds(  # days on which clocks change somewhere in the list, so that they do come up
    lambda day, minute: day + timedelta(minutes=minute),
    st.sampled_from(
        [
            datetime(*day, tzinfo=UTC)
            for day in [
                (2026, 3, 28),
                (2026, 10, 24),
                (2026, 3, 8),
                (2026, 11, 1),
                (2018, 11, 3),
                (2018, 2, 17),
                (2026, 4, 4),
                (2026, 10, 3),
                (2011, 12, 29),
                (2026, 2, 14),
            ]
        ]
    ),
    st.integers(0, 3 * 24 * 60),
)
MARKS = st.integers(0, 143).map(lambda mark: time(mark // 6, mark % 6 * 10))


def slow_end(rule: StayRule, entered_at: datetime, zone: ZoneInfo) -> datetime | None:
    ends = []
    if rule.minutes is not None:
        ends.append(entered_at + timedelta(minutes=rule.minutes))
    if rule.leave_by is not None:
        ends.append(_first_on_the_wall(rule.leave_by, entered_at, zone))
    return min(ends) if ends else None


def _first_on_the_wall(leave_by: time, entered_at: datetime, zone: ZoneInfo) -> datetime:
    day = entered_at.astimezone(zone).date()
    if leave_by == time(0, 0):
        day += timedelta(days=1)
    wanted = datetime.combine(day, leave_by)
    minute = entered_at.replace(second=0, microsecond=0) - timedelta(hours=30)
    last_before = None
    for _ in range(100 * 60):
        wall = minute.astimezone(zone).replace(tzinfo=None)
        if wall == wanted:
            return minute
        if wall > wanted:
            break  # the clocks skipped it: go on from what they showed last, as if they had not been changed
        last_before = (minute, wall)
        minute += timedelta(minutes=1)
    assert last_before is not None
    return last_before[0] + (wanted - last_before[1])


@settings(max_examples=200, deadline=None)
@given(
    entered_at=MOMENTS | AROUND_CHANGES,
    zone=ZONES,
    minutes=st.none() | st.integers(1, 3000),
    leave_by=st.none() | MARKS,
)
def test_t7_a_stay_ends_when_the_clock_on_the_wall_says_so(
    entered_at: datetime, zone: ZoneInfo, minutes: int | None, leave_by: time | None
) -> None:
    rule = StayRule(minutes=minutes, leave_by=leave_by)
    assert due_at(rule, entered_at=entered_at, zone=zone, pass_end=None) == slow_end(rule, entered_at, zone)


@given(st.integers(CLAIM_LEAST, 64_800))
def test_every_stay_claim_is_one_rule_and_every_rule_one_claim(claim: int) -> None:
    assert claim_of_rule(rule_of_claim(claim)) == claim


@given(
    entered_at=MOMENTS,
    category=st.sampled_from(Category),
    stays=st.timedeltas(timedelta(minutes=-60), timedelta(days=2)),
)
def test_a_warning_comes_between_entry_and_end_and_never_in_the_first_half(
    entered_at: datetime, category: Category, stays: timedelta
) -> None:
    due = entered_at + stays
    warned = warn_at(category, entered_at=entered_at, due_at=due)
    assert (warned is None) == (category is Category.RESIDENT or stays <= timedelta(0))
    if warned is not None:
        assert entered_at + stays / 2 <= warned < due
