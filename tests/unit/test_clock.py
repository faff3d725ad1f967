"""The machine's clock under steps, floors and contradictions."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest

from passes.vocabulary import ClockTrust
from shell.clock import APART_MAX_S, SETTLES_AFTER_S, STEP_AHEAD_MAX_S, Doubt, SystemClock

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DAY_S = 86_400.0


@dataclass
class Machine:
    """A machine whose wall clock may be set while its monotonic clock only runs."""

    wall_s: float = NOON.timestamp()
    up_s: float = 1000.0

    def run(self, seconds: float) -> None:
        self.wall_s += seconds
        self.up_s += seconds

    def clock(self, floor: datetime | None = None, *, follows: bool = False) -> SystemClock:
        up = partial(getattr, self, "up_s")
        return SystemClock(
            floor, follows=follows, wall_s=partial(getattr, self, "wall_s"), monotonic_s=up, running_s=up
        )

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.wall_s, UTC)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_clock_that_runs_is_trusted_and_shows_the_wall_clock(machine: Machine) -> None:
    clock = machine.clock(NOON - timedelta(days=30))
    machine.run(5 * DAY_S)
    assert (clock.trust(), clock.now()) == (ClockTrust.TRUSTED, machine.wall())
    assert clock.monotonic_s() == machine.up_s


def test_t1_a_boot_in_1970_is_doubted_shows_the_floor_and_is_believed_once_the_time_was_set(
    machine: Machine,
) -> None:
    machine.wall_s = 0.0
    clock = machine.clock(NOON)
    machine.run(60)
    assert (clock.doubt(), clock.now()) == (Doubt.BELOW_FLOOR, NOON + timedelta(seconds=60))
    machine.wall_s = (NOON + timedelta(days=3)).timestamp()
    assert (clock.doubt(), clock.now()) == (None, NOON + timedelta(days=3))


def test_t1_a_floor_never_falls(machine: Machine) -> None:
    clock = machine.clock()
    clock.raise_floor(NOON + timedelta(hours=1))
    clock.raise_floor(NOON - timedelta(hours=1))
    assert clock.trust() is ClockTrust.UNTRUSTED


@pytest.mark.parametrize("back_s", [3600.0, DAY_S, 20 * 365 * DAY_S], ids=["hour", "day", "years"])
def test_t2_a_step_back_is_doubted_and_time_goes_on_by_the_monotonic_clock(
    machine: Machine, back_s: float
) -> None:
    clock = machine.clock()
    before = clock.now()
    machine.wall_s -= back_s
    machine.run(90)
    assert (clock.doubt(), clock.now()) == (Doubt.STEPPED_BACK, before + timedelta(seconds=90))
    machine.wall_s += back_s
    assert (clock.doubt(), clock.now()) == (None, machine.wall())


def test_t2_a_correction_of_a_second_is_no_step(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall_s -= 1.5
    assert clock.trust() is ClockTrust.TRUSTED


def test_t3_a_step_of_ten_years_ahead_ends_nobodys_stay(machine: Machine) -> None:
    clock = machine.clock(NOON - timedelta(days=1))
    before = clock.now()
    machine.wall_s += 3653 * DAY_S
    machine.run(30)
    assert (clock.doubt(), clock.now()) == (Doubt.STEPPED_AHEAD, before + timedelta(seconds=30))


def test_t3_a_boot_ten_years_ahead_shows_the_floor_until_somebody_confirms(machine: Machine) -> None:
    machine.wall_s += 3653 * DAY_S
    clock = machine.clock(NOON)
    machine.run(10)
    assert (clock.doubt(), clock.now()) == (Doubt.FAR_AHEAD, NOON + timedelta(seconds=10))
    clock.confirm(machine.wall())
    assert (clock.doubt(), clock.now()) == (None, machine.wall())


def test_net9_small_steps_ahead_are_followed_until_together_they_are_a_large_one(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall_s += STEP_AHEAD_MAX_S - 60
    assert (clock.doubt(), clock.now()) == (None, machine.wall())
    machine.wall_s += 61
    assert clock.doubt() is Doubt.STEPPED_AHEAD
    clock.confirm(machine.wall() - timedelta(seconds=1))
    assert (clock.doubt(), clock.now()) == (None, machine.wall())


def test_a_step_that_somebody_confirms_is_followed(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall_s -= DAY_S
    assert clock.doubt() is Doubt.STEPPED_BACK
    clock.confirm(machine.wall())
    assert (clock.doubt(), clock.now()) == (None, machine.wall())


def test_a_clock_that_is_contradicted_is_doubted_until_the_two_agree(machine: Machine) -> None:
    clock = machine.clock()
    clock.confirm(machine.wall() + timedelta(seconds=APART_MAX_S + 1))
    assert (clock.doubt(), clock.now()) == (Doubt.CONTRADICTED, machine.wall())
    clock.confirm(machine.wall() + timedelta(seconds=APART_MAX_S - 1))
    assert clock.doubt() is None


def test_t7_a_second_that_comes_twice_is_no_step(machine: Machine) -> None:
    clock = machine.clock()
    machine.wall_s -= 1.0
    machine.up_s += 0.0
    assert clock.trust() is ClockTrust.TRUSTED
    machine.run(10)
    assert clock.trust() is ClockTrust.TRUSTED


@pytest.mark.parametrize("year", [2038, 2100, 9990])
def test_t12_late_years_are_years_like_others(year: int) -> None:
    late = Machine(wall_s=datetime(year, 1, 19, 3, 14, 8, tzinfo=UTC).timestamp())
    clock = late.clock(late.wall() - timedelta(days=2))
    assert (clock.trust(), clock.now()) == (ClockTrust.TRUSTED, late.wall())


def test_t13_a_machine_that_is_up_for_centuries_keeps_time(machine: Machine) -> None:
    machine.up_s = 3e10
    clock = machine.clock()
    machine.run(0.5)
    assert (clock.trust(), clock.now()) == (ClockTrust.TRUSTED, machine.wall())


def test_t3_a_clock_that_others_ask_follows_a_step_and_is_doubted_until_it_has_settled(
    machine: Machine,
) -> None:
    clock = machine.clock(follows=True)
    machine.wall_s += 3653 * DAY_S
    machine.run(SETTLES_AFTER_S / 2)
    assert (clock.doubt(), clock.now()) == (Doubt.STEPPED_AHEAD, machine.wall())
    machine.run(SETTLES_AFTER_S / 2)
    assert (clock.doubt(), clock.now()) == (Doubt.STEPPED_AHEAD, machine.wall())
    machine.run(SETTLES_AFTER_S)
    assert (clock.doubt(), clock.now()) == (None, machine.wall())


@pytest.mark.parametrize("seed", range(8))
def test_t2_t3_under_any_script_of_steps_time_never_falls_back_or_leaps_without_a_confirmation(
    seed: int,
) -> None:
    """Judged for a clock that was in order once: what it shows moves on by what has passed, and a little more."""
    rng, machine = Random(seed), Machine()
    clock = machine.clock(NOON - timedelta(days=1))
    shown, followed_s = clock.now(), 0.0
    for _ in range(500):
        passed_s = rng.choice([0.0, 0.5, 30.0, 3600.0])
        machine.run(passed_s)
        machine.wall_s += rng.choice([0.0, 0.0, 1.0, -1.0, 200.0, -5.0, 4000.0, -DAY_S, 10 * 365 * DAY_S])
        machine.wall_s = max(0.0, min(machine.wall_s, 2e11))
        now = clock.now()
        moved_s = (now - shown).total_seconds()
        assert moved_s > passed_s - 0.001
        followed_s += moved_s - passed_s
        assert followed_s <= STEP_AHEAD_MAX_S + 0.001
        if abs(machine.wall_s - now.timestamp()) > STEP_AHEAD_MAX_S:
            assert clock.trust() is ClockTrust.UNTRUSTED
        shown = now
