from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import pytest

from passes.claims import FLAG_CRITICAL_TAIL, ClaimsError, decode_claims, encode_claims
from passes.schedule import EVERY_DAY, WORKING_DAYS, Hours, Schedule, ScheduleError, decode_schedule
from tests.minting import claims

SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNINGS = Schedule((Hours(days=WORKING_DAYS, start=9 * 6, end=12 * 6),))  # Monday to Friday, 09:00 to 12:00
NIGHTS = Schedule((Hours(days=0b001_0000, start=22 * 6, end=2 * 6),))  # Friday 22:00 to Saturday 02:00


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """That local time in Shanghai in November 2026; the 23rd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        (MORNINGS, at(23, 8, 59), False),
        (MORNINGS, at(23, 9), True),
        (MORNINGS, at(27, 11, 59), True),
        (MORNINGS, at(27, 12), False),
        (MORNINGS, at(28, 10), False),  # Saturday
        (MORNINGS, at(29, 10), False),  # Sunday
        (NIGHTS, at(27, 21, 59), False),
        (NIGHTS, at(27, 22), True),
        (NIGHTS, at(28, 1, 59), True),  # the window belongs to the day on which it starts
        (NIGHTS, at(28, 2), False),
        (NIGHTS, at(27, 1), False),  # Thursday's night is not allowed
        (NIGHTS, at(28, 22), False),
        (Schedule((Hours(days=EVERY_DAY, start=0, end=144),)), at(23, 0), True),
        (Schedule((Hours(days=0b100_0000, start=0, end=144),)), at(29, 23, 59), True),
        (Schedule((Hours(days=0b100_0000, start=0, end=144),)), at(23, 0), False),
        (Schedule((Hours(days=0b100_0000, start=143, end=1),)), at(23, 0, 9), True),  # Sunday's end on Monday
    ],
)
def test_a_window_opens_and_closes_by_the_clock_on_the_sites_wall(
    schedule: Schedule, now: datetime, expected: bool
) -> None:
    assert schedule.allows(now, SHANGHAI) is expected


def test_t7_the_hour_that_comes_twice_is_allowed_twice_and_the_one_left_out_never_comes() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = Schedule((Hours(days=EVERY_DAY, start=2 * 6, end=3 * 6),))  # 02:00 to 03:00
    doubled = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in summer time, and an hour later once more
    assert [night.allows(doubled + timedelta(hours=hour), berlin) for hour in range(-1, 3)] == [
        False,
        True,
        True,
        False,
    ]
    spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # from 01:59 to 03:00
    assert not any(night.allows(spring + timedelta(minutes=minute), berlin) for minute in range(180))


@pytest.mark.parametrize(
    "schedule",
    [
        MORNINGS,
        NIGHTS,
        Schedule(
            (
                Hours(days=1, start=0, end=6),
                Hours(days=2, start=0, end=144),
                Hours(days=4, start=60, end=66),
                Hours(days=127, start=143, end=1),
            )
        ),
    ],
)
def test_a_schedule_is_three_bytes_a_window_and_survives_its_encoding(schedule: Schedule) -> None:
    encoded = schedule.encode()
    assert len(encoded) == 3 * len(schedule.windows)
    assert decode_schedule(encoded) == schedule


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\x00",
        b"\x36\x48\x1f\x00",
        b"\x36\x48\x00",  # no day
        b"\x36\x48\x80",  # an eighth day
        b"\x90\x48\x1f",  # starts at 24:00
        b"\x36\x00\x1f",  # ends at 00:00, which is spelled 24:00
        b"\x36\x91\x1f",
        b"\x36\x36\x1f",  # empty, or a whole day?
        b"\x48\x54\x1f\x36\x48\x1f",  # falling
        b"\x36\x48\x01\x36\x48\x02",  # one window in two parts
        b"\x00\x06\x01\x06\x0c\x01\x0c\x12\x01\x12\x18\x01\x18\x1e\x01",  # five
    ],
)
def test_bytes_that_are_no_schedule_or_a_second_spelling_are_refused(encoded: bytes) -> None:
    with pytest.raises(ScheduleError):
        decode_schedule(encoded)


def test_claims_with_a_schedule_survive_their_encoding_and_must_be_critical() -> None:
    repeat = claims(schedule=NIGHTS, flags=FLAG_CRITICAL_TAIL)
    assert decode_claims(encode_claims(repeat)) == repeat
    with pytest.raises(ClaimsError, match="critical"):
        encode_claims(claims(schedule=NIGHTS))


def with_tail(*tail: object, flags: int = 0, **labels: object) -> bytes:
    """The claims of a courier with more fields after index 10, as a later issuer may write them."""
    table = cbor2.loads(encode_claims(claims(flags=flags)))
    table[-65537].extend(tail)
    table.update({int(label.removeprefix("label_")): value for label, value in labels.items()})
    return cbor2.dumps(table, canonical=True)


def test_what_a_later_issuer_adds_is_ignored_unless_it_is_critical() -> None:
    later: list[dict[str, Any]] = [{"tail": (b"", 5)}, {"tail": (), "label_99": "new"}]
    for addition in later:
        tail = addition.pop("tail")
        assert decode_claims(with_tail(*tail, **addition)) == claims()
        with pytest.raises(ClaimsError, match="critical"):
            decode_claims(with_tail(*tail, flags=FLAG_CRITICAL_TAIL, **addition))


@pytest.mark.parametrize("tail", [(b"",), (7,), ("",), (None,), ([],), (b"\x36\x36\x1f",), ("x", 1)])
def test_a_field_that_is_no_schedule_is_refused(tail: tuple[object, ...]) -> None:
    with pytest.raises(ClaimsError):
        decode_claims(with_tail(*tail, flags=FLAG_CRITICAL_TAIL))


def test_a_schedule_that_is_not_marked_critical_is_refused() -> None:
    with pytest.raises(ClaimsError, match="critical"):
        decode_claims(with_tail(MORNINGS.encode()))
