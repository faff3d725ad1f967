import os
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from passes.stay import (
    WARN_BEFORE,
    StayFacts,
    StayRule,
    claim_of_rule,
    due_at,
    for_households,
    is_red,
    rule_of_claim,
    warn_at,
)
from passes.vocabulary import Category

SHANGHAI = ZoneInfo("Asia/Shanghai")
ENTRY = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai
EIGHT = StayRule(leave_by=time(20, 0))


def end(rule: StayRule, entered_at: datetime = ENTRY, zone: ZoneInfo = SHANGHAI) -> datetime | None:
    return due_at(rule, entered_at=entered_at, zone=zone, pass_end=None)


@pytest.mark.parametrize("minutes", [1, 30, 60, 240])
def test_a_stay_in_minutes_counts_from_the_passage(minutes: int) -> None:
    assert end(StayRule(minutes=minutes)) == ENTRY + timedelta(minutes=minutes)


def test_renovation_is_out_by_eight_on_the_local_day_of_entry() -> None:
    assert end(EIGHT) == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_t5_entering_after_the_limit_gives_an_end_in_the_past() -> None:
    late = datetime(2026, 11, 22, 12, 0, 0, 1000, tzinfo=UTC)
    found = end(EIGHT, late)
    assert found is not None
    assert found < late


def test_the_local_day_counts_not_the_day_in_utc() -> None:
    early = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)  # 01:00 on the 22nd in Shanghai
    assert end(EIGHT, early) == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_t6_a_doubled_eight_o_clock_ends_at_the_first_of_the_two() -> None:
    vostok = ZoneInfo("Antarctica/Vostok")
    found = end(EIGHT, datetime(1994, 1, 31, 1, 0, tzinfo=UTC), vostok)
    assert found is not None
    assert found.astimezone(vostok).replace(tzinfo=None) == datetime(1994, 1, 31, 20, 0)  # noqa: DTZ001
    assert found.astimezone(vostok).fold == 0


def test_t6_a_day_without_eight_o_clock_still_has_an_end() -> None:
    apia = ZoneInfo("Pacific/Apia")  # 30 December 2011 does not exist there
    found = end(EIGHT, datetime(2011, 12, 30, 9, 0, tzinfo=UTC), apia)
    assert found is not None


def test_a_visitor_without_a_rule_stays_until_the_pass_ends_and_a_resident_without_limit() -> None:
    pass_end = ENTRY + timedelta(hours=6)
    assert due_at(StayRule(), entered_at=ENTRY, zone=SHANGHAI, pass_end=pass_end) == pass_end
    assert end(StayRule()) is None


@pytest.mark.parametrize(
    ("entered", "hour", "end_minute"),
    [
        ((2026, 3, 29, 0, 30), 2, (2026, 3, 29, 1, 30)),  # 02:30 does not come: read as 03:30 summer time
        ((2026, 10, 24, 23, 0), 2, (2026, 10, 25, 0, 30)),  # 02:30 comes twice: the first
        ((2026, 10, 25, 1, 0), 2, (2026, 10, 25, 0, 30)),  # entered between the two: past already
    ],
)
def test_t7_a_night_on_which_the_clocks_change_has_one_end(
    entered: tuple[int, int, int, int, int], hour: int, end_minute: tuple[int, int, int, int, int]
) -> None:
    found = end(StayRule(leave_by=time(hour, 30)), datetime(*entered, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert found == datetime(*end_minute, tzinfo=UTC)


def test_minutes_count_real_minutes_through_a_change_of_the_clocks() -> None:
    before = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert end(StayRule(minutes=60), before, ZoneInfo("Europe/Berlin")) == before + timedelta(hours=1)


def test_midnight_ends_the_day_of_entry() -> None:
    midnight = StayRule(leave_by=time(0, 0))
    assert end(midnight) == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert end(midnight, datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)) == end(midnight)
    next_day = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)  # 00:00 in Shanghai: a new day begins
    assert end(midnight, next_day) == next_day + timedelta(days=1)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (240, datetime(2026, 11, 22, 7, 0, tzinfo=UTC)),  # the minutes are over first
        (540, datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),  # both at once
        (600, datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),  # eight o'clock comes first
    ],
)
def test_of_minutes_and_a_time_to_leave_by_the_earlier_counts(minutes: int, expected: datetime) -> None:
    assert end(StayRule(minutes=minutes, leave_by=time(20, 0))) == expected


def test_a_leap_second_moves_no_end() -> None:
    # 2016-12-31 23:59:60 UTC was 07:59:60 in Shanghai. Unix time has no such second, and neither have our ends.
    entered = datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert end(StayRule(minutes=1), entered) == datetime(2017, 1, 1, 0, 0, 59, tzinfo=UTC)
    assert end(StayRule(leave_by=time(8, 0)), entered) == datetime(2017, 1, 1, tzinfo=UTC)
    facts = StayFacts(due_at=datetime(2017, 1, 1, tzinfo=UTC))
    # A clock that repeats 23:59:59 or 00:00:00 turns nobody RED early, and nobody back who was not let back.
    assert [is_red(facts, entered + timedelta(seconds=second)) for second in (0, 0, 1, 1, 2)] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_a_moment_without_its_zone_is_an_error_of_ours() -> None:
    with pytest.raises(AssertionError, match="zone"):
        end(StayRule(minutes=5), datetime(2026, 11, 22, 3, 0))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("rule", "households", "expected"),
    [
        (StayRule(minutes=60), 1, StayRule(minutes=60)),
        (StayRule(minutes=60), 4, StayRule(minutes=75)),
        (
            StayRule(minutes=60, leave_by=time(20, 0)),
            2,
            StayRule(minutes=65, leave_by=time(20, 0)),
        ),
        (EIGHT, 9, EIGHT),
        (StayRule(), 9, StayRule()),
    ],
)
def test_each_further_household_of_a_round_adds_its_minutes(
    rule: StayRule, households: int, expected: StayRule
) -> None:
    assert for_households(rule, households=households, extra_minutes=5) == expected


@pytest.mark.parametrize(("households", "extra_minutes"), [(0, 5), (-1, 5), (2, -1)])
def test_a_round_without_households_is_refused(households: int, extra_minutes: int) -> None:
    with pytest.raises(ValueError, match="no round"):
        for_households(StayRule(minutes=60), households=households, extra_minutes=extra_minutes)


@pytest.mark.parametrize(
    ("category", "rule", "minutes_before"),
    [
        (Category.FOOD, StayRule(minutes=30), 5),
        (Category.COURIER, StayRule(minutes=60), 10),
        (Category.RENOVATION, EIGHT, 30),  # 19:30
        (Category.SERVICE, StayRule(minutes=240), 15),
        (Category.OTHER, StayRule(minutes=240), 15),
        (Category.INVITED, StayRule(minutes=360), 15),
    ],
)
def test_each_category_is_warned_in_its_own_time(
    category: Category, rule: StayRule, minutes_before: int
) -> None:
    due = end(rule)
    assert due is not None
    assert warn_at(category, entered_at=ENTRY, due_at=due) == due - timedelta(minutes=minutes_before)


def test_every_visitor_has_a_warning_and_a_resident_has_none() -> None:
    assert set(WARN_BEFORE) == set(Category) - {Category.RESIDENT}
    assert warn_at(Category.RESIDENT, entered_at=ENTRY, due_at=ENTRY + timedelta(hours=1)) is None
    assert warn_at(Category.FOOD, entered_at=ENTRY, due_at=None) is None


def test_a_short_stay_is_warned_in_its_middle_and_one_that_is_over_not_at_all() -> None:
    minute = ENTRY + timedelta(minutes=1)
    assert warn_at(Category.COURIER, entered_at=ENTRY, due_at=minute) == ENTRY + timedelta(seconds=30)
    assert warn_at(Category.RENOVATION, entered_at=ENTRY, due_at=ENTRY) is None


def test_a_site_may_warn_at_other_times() -> None:
    due = ENTRY + timedelta(hours=1)
    own = {Category.FOOD: timedelta(minutes=20)}
    assert warn_at(Category.FOOD, entered_at=ENTRY, due_at=due, before=own) == due - timedelta(minutes=20)
    assert warn_at(Category.COURIER, entered_at=ENTRY, due_at=due, before=own) is None


@pytest.mark.parametrize(
    ("rule", "claim"),
    [
        (StayRule(), 0),
        (StayRule(minutes=1), 1),
        (StayRule(minutes=1440), 1440),
        (EIGHT, -120),
        (StayRule(leave_by=time(0, 10)), -1),
        (StayRule(leave_by=time(0, 0)), -144),
        (StayRule(minutes=1, leave_by=time(0, 10)), -145),
        (StayRule(minutes=240, leave_by=time(20, 0)), -34_680),
        (StayRule(minutes=454, leave_by=time(0, 0)), -65_520),
    ],
)
def test_a_claim_states_a_rule_and_is_read_as_that_rule(rule: StayRule, claim: int) -> None:
    assert claim_of_rule(rule) == claim
    assert rule_of_claim(claim) == rule


@pytest.mark.parametrize(
    "rule",
    [
        StayRule(minutes=0),
        StayRule(minutes=-5, leave_by=time(20, 0)),
        StayRule(leave_by=time(20, 5)),
        StayRule(leave_by=time(20, 0, 30)),
        StayRule(minutes=455, leave_by=time(20, 0)),
    ],
)
def test_rules_that_a_claim_cannot_say_are_refused(rule: StayRule) -> None:
    with pytest.raises(ValueError, match=r"minutes|multiple"):
        claim_of_rule(rule)


DUE = ENTRY + timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("facts", "now", "red"),
    [
        (StayFacts(due_at=DUE), DUE - SECOND, False),
        (StayFacts(due_at=DUE), DUE, True),
        (StayFacts(due_at=DUE, settled=True), DUE + SECOND, False),
        (StayFacts(due_at=DUE, exited_at=DUE + timedelta(minutes=10)), DUE + timedelta(days=9), False),
        (
            StayFacts(due_at=DUE, exited_at=DUE + timedelta(minutes=10, seconds=1)),
            DUE + timedelta(days=9),
            True,
        ),
        (StayFacts(due_at=None), DUE + timedelta(days=999), False),
    ],
)
def test_red_begins_at_the_limit_and_forgives_ten_minutes(facts: StayFacts, now: datetime, red: bool) -> None:
    assert is_red(facts, now) is red


def test_t11_zones_are_known_on_a_machine_without_zone_files() -> None:
    asked = "from zoneinfo import ZoneInfo; print(ZoneInfo('Asia/Shanghai').key)"
    bare = {**os.environ, "PYTHONTZPATH": ""}
    done = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True, env=bare)
    assert done.stdout.strip() == "Asia/Shanghai"
