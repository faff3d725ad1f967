"""Hours are written and read back; what is no window is refused with words that help."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.hours import TEXT_MAX, HoursError, opens_within, read_hours, say_hours, write_hours
from passes.schedule import EVERY_DAY, WORKING_DAYS, Hours, Schedule
from passes.words import Pair


@pytest.mark.parametrize(
    ("texts", "windows"),
    [
        (["mon-fri 09:00-12:00"], [Hours(days=WORKING_DAYS, start=54, end=72)]),
        (["daily 00:00-24:00"], [Hours(days=EVERY_DAY, start=0, end=144)]),
        (["  SAT,Sun   10:00-18:30 "], [Hours(days=0b110_0000, start=60, end=111)]),
        (["fri 22:00-02:00"], [Hours(days=0b001_0000, start=132, end=12)]),
        (["fri 18:00-00:00"], [Hours(days=0b001_0000, start=108, end=144)]),
        (["sat-mon 08:00-09:00"], [Hours(days=0b110_0001, start=48, end=54)]),
        (["mon,wed-fri 08:00-09:00"], [Hours(days=0b001_1101, start=48, end=54)]),
        (["mon 08:00-09:00", "wed 08:00-09:00"], [Hours(days=0b000_0101, start=48, end=54)]),
        (
            ["mon 14:00-16:00", "mon 08:00-09:00"],
            [Hours(days=1, start=48, end=54), Hours(days=1, start=84, end=96)],
        ),
    ],
)
def test_hours_are_read_as_people_write_them(texts: list[str], windows: list[Hours]) -> None:
    assert read_hours(texts) == Schedule(tuple(windows))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "0 windows"),
        (["09:00-12:00"], "write 'mon-fri 09:00-12:00'"),
        (["mon 9:00-12:00"], "write 'mon-fri 09:00-12:00'"),
        (["mon 09:05-12:00"], "steps of ten minutes"),
        (["mon 09:00-24:10"], "00:00 to 24:00"),
        (["mon 24:00-01:00"], "00:00 to 24:00"),
        (["mon 09:70-12:00"], "00:00 to 24:00"),
        (["mon 09:00-09:00"], "is empty"),
        (["mo 09:00-12:00"], "days are mon, tue"),
        (["mon- 09:00-12:00"], "days are mon, tue"),
        (["mon,, 09:00-12:00"], "days are mon, tue"),
        (["mon ٠٩:00-12:00"], "is no window"),
        ([f"mon 0{hour}:00-10:00" for hour in range(5)], "5 windows; give 1 to 4"),
    ],
)
def test_what_is_no_window_is_refused_with_words_that_help(texts: list[str], said: str) -> None:
    with pytest.raises(HoursError) as caught:
        read_hours(texts)
    assert said in str(caught.value)


SHANGHAI = ZoneInfo("Asia/Shanghai")
SUNDAY_NOON = datetime(2026, 11, 22, 12, 0, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("text", "minutes", "opens"),
    [
        ("sun 12:00-12:10", 1, True),
        ("sun 12:10-12:20", 10, False),
        ("sun 12:10-12:20", 11, True),
        ("sun 11:00-12:00", 7 * 24 * 60, True),  # the next Sunday, before noon
        ("sun 11:00-12:00", 6 * 24 * 60, False),
        ("mon-fri 09:00-12:00", 120, False),
        ("sat 23:00-12:10", 5, True),
    ],
)
def test_a_schedule_opens_within_the_life_of_its_pass_or_not(text: str, minutes: int, opens: bool) -> None:
    end = SUNDAY_NOON + timedelta(minutes=minutes)
    schedule = read_hours([text])
    start = SUNDAY_NOON.astimezone(UTC)
    assert opens_within(lambda at: schedule.allows(at, SHANGHAI), start, end) is opens


def test_a_window_that_begins_between_the_last_full_step_and_the_end_counts() -> None:
    schedule = read_hours(["sun 12:10-12:20"])
    start = SUNDAY_NOON + timedelta(minutes=5)
    found = [
        opens_within(lambda at: schedule.allows(at, SHANGHAI), start, start + timedelta(minutes=minutes))
        for minutes in (5, 6, 10)
    ]
    assert found == [False, True, True]


@given(
    windows=st.dictionaries(
        st.tuples(st.integers(0, 143), st.integers(1, 144)).filter(lambda times: times[0] != times[1]),
        st.integers(1, EVERY_DAY),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_written_is_read_back_the_same(windows: dict[tuple[int, int], int]) -> None:
    schedule = Schedule(
        tuple(Hours(days=windows[times], start=times[0], end=times[1]) for times in sorted(windows))
    )
    texts = write_hours(schedule)
    assert read_hours(texts) == schedule
    assert max(map(len, texts)) <= TEXT_MAX


def test_the_holder_reads_the_hours_in_both_languages() -> None:
    schedule = read_hours(["mon-fri 09:00-12:00", "sat,sun 10:00-18:00", "daily 20:00-24:00"])
    assert say_hours(schedule) == (
        Pair("周一至周五 09:00-12:00", "Mon–Fri 09:00-12:00"),
        Pair("周六、周日 10:00-18:00", "Sat, Sun 10:00-18:00"),
        Pair("每天 20:00-24:00", "Daily 20:00-24:00"),
    )
