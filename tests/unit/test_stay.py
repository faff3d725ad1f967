from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from passes.stay import StayFacts, StayRule, claim_of_rule, due_at, is_red, rule_of_claim

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
    "rule", [StayRule(minutes=1), StayRule(minutes=1440), EIGHT, StayRule(leave_by=time(0, 10)), StayRule()]
)
def test_what_a_claim_says_is_the_rule_it_was_made_of(rule: StayRule) -> None:
    assert rule_of_claim(claim_of_rule(rule)) == rule


@pytest.mark.parametrize(
    "rule", [StayRule(minutes=0), StayRule(leave_by=time(20, 5)), StayRule(leave_by=time(0, 0))]
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
