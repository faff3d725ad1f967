import time
from datetime import UTC, datetime, timedelta

import pytest

from passes.vocabulary import ClockTrust
from shell.clock import SystemClock


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds by which the wall clock is off; the monotonic clock goes on."""
    by = {"s": 0.0}
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + by["s"])
    return by


def test_a_clock_above_its_floor_is_trusted() -> None:
    assert SystemClock().trust() is ClockTrust.TRUSTED


def test_t1_a_clock_below_its_floor_is_not_trusted_and_a_floor_never_falls() -> None:
    clock = SystemClock()
    clock.raise_floor(datetime.now(UTC) + timedelta(hours=1))
    clock.raise_floor(datetime.now(UTC) - timedelta(hours=1))
    assert clock.trust() is ClockTrust.UNTRUSTED


def test_t2_a_step_back_is_doubted_and_small_corrections_are_not(shift: dict[str, float]) -> None:
    clock = SystemClock()
    shift["s"] = -1.5
    assert clock.trust() is ClockTrust.TRUSTED
    shift["s"] = -3600.0
    assert clock.trust() is ClockTrust.UNTRUSTED


def test_a_step_forward_is_taken_and_the_way_back_from_it_is_doubted(shift: dict[str, float]) -> None:
    clock = SystemClock()
    shift["s"] = 600.0
    assert clock.trust() is ClockTrust.TRUSTED
    shift["s"] = 0.0
    assert clock.trust() is ClockTrust.UNTRUSTED
