"""The clock as a port: monotonic seconds for waiting, aware UTC for validity, and how far to trust it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from passes.vocabulary import ClockTrust

STEP_BACK_MAX_S: Final = (
    2.0  # a wall clock that falls back further than this against monotonic time is doubted
)
STEP_AHEAD_MAX_S: Final = (
    600.0  # in all, since the clock was started or confirmed: NTP may mend a boot, not a day
)
AHEAD_OF_FLOOR_MAX: Final = timedelta(days=400)  # no gate is switched off for longer and stays in use
SETTLES_AFTER_S: Final = 900.0  # a clock that follows its machine is doubted for this long after a step
APART_MAX_S: Final = 120.0  # from whoever tells the time: more, and one of the two clocks is wrong
RELEASED: Final = datetime(2026, 1, 1, tzinfo=UTC)  # this program was not made before


class Clock(Protocol):
    """Time as the rest of the product may see it."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment, never stepping: for waiting and for ages."""

    def now(self) -> datetime:
        """Aware UTC wall time: for validity and for records."""

    def trust(self) -> ClockTrust:
        """Whether ``now()`` may be used to judge validity."""


class Doubt(StrEnum):
    """Why a clock is not trusted."""

    BELOW_FLOOR = "below_floor"
    FAR_AHEAD = "far_ahead"
    STEPPED_BACK = "stepped_back"
    STEPPED_AHEAD = "stepped_ahead"
    CONTRADICTED = "contradicted"


class SystemClock:
    """The machine's clock, which is believed only where it can be.

    A wall clock that steps is not followed: time goes on from where it was by the clock that only runs, so that
    nobody's stay ends by a step, and the trust is gone until the step is taken back, or somebody who knows the time
    confirms it. A clock outside what can be, before the floor or far behind it, shows the floor and what has passed
    since. Sleep of the machine is no step.

    Args:
        floor: Wall time that has certainly passed (the newest signed file or event this machine holds).
        follows: Take over every step, and doubt it for ``SETTLES_AFTER_S``: for the one whom others ask for the time.
        wall_s: The machine's wall clock, Unix seconds.
        monotonic_s: The machine's monotonic clock, seconds.
        running_s: A monotonic clock that also runs while the machine sleeps.
    """

    def __init__(
        self,
        floor: datetime | None = None,
        *,
        follows: bool = False,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
        running_s: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_BOOTTIME),
    ) -> None:
        self._wall_s, self._running_s, self._monotonic_s = wall_s, running_s, monotonic_s
        self._lock, self._follows, self._doubted_until_s = threading.Lock(), follows, float("-inf")
        self._floor, self._floor_at_s = (floor or RELEASED).timestamp(), running_s()
        self._ceiling = float("inf") if floor is None else self._floor + AHEAD_OF_FLOOR_MAX.total_seconds()
        self._offset_s = wall_s() - running_s()  # what this clock goes by: wall less running
        self._ahead_s = 0.0  # of small steps ahead that were followed
        self._contradicted, self._step = False, Doubt.STEPPED_BACK

    def monotonic_s(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return self._monotonic_s()

    def now(self) -> datetime:
        """Aware UTC wall time, by the monotonic clock while the wall clock is not believed."""
        with self._lock:
            shown_s, _ = self._look()
        return datetime.fromtimestamp(shown_s, UTC)

    def trust(self) -> ClockTrust:
        """Whether ``now()`` may be used to judge validity."""
        return ClockTrust.TRUSTED if self.doubt() is None else ClockTrust.UNTRUSTED

    def doubt(self) -> Doubt | None:
        """Why the clock is not trusted; None when it is."""
        with self._lock:
            return self._look()[1]

    def raise_floor(self, moment: datetime) -> None:
        """Remember that ``moment`` has passed; a floor never falls."""
        with self._lock:
            if moment.timestamp() > self._floor:
                self._floor, self._floor_at_s = moment.timestamp(), self._running_s()
            self._ceiling = self._floor + AHEAD_OF_FLOOR_MAX.total_seconds()

    def confirm(self, moment: datetime) -> None:
        """Somebody who knows the time says that it is ``moment`` now: ends a doubt, or begins one."""
        with self._lock:
            wall_s, running_s = self._wall_s(), self._running_s()
            self._contradicted = abs(wall_s - moment.timestamp()) > APART_MAX_S
            if not self._contradicted:
                self._offset_s, self._ahead_s = wall_s - running_s, 0.0
                self._ceiling = max(self._ceiling, wall_s + AHEAD_OF_FLOOR_MAX.total_seconds())

    def _look(self) -> tuple[float, Doubt | None]:
        """Unix seconds to show, and what is wrong with the wall clock, if anything is."""
        wall_s, running_s = self._wall_s(), self._running_s()
        floor_s = self._floor + running_s - self._floor_at_s
        may_leap = not self._can_be(running_s + self._offset_s)
        doubt = self._follow(wall_s - running_s, may_leap=may_leap)
        if self._follows and doubt is not None:
            self._offset_s, self._ahead_s = wall_s - running_s, 0.0
            self._step, self._doubted_until_s = doubt, running_s + SETTLES_AFTER_S
        if running_s < self._doubted_until_s:
            doubt = self._step
        shown_s = running_s + self._offset_s
        if shown_s < self._floor - STEP_BACK_MAX_S:
            return floor_s, Doubt.BELOW_FLOOR
        if shown_s > self._ceiling + running_s - self._floor_at_s:
            return floor_s, Doubt.FAR_AHEAD
        if doubt is None and self._contradicted:
            doubt = Doubt.CONTRADICTED
        return shown_s, doubt

    def _can_be(self, shown_s: float) -> bool:
        return self._floor - STEP_BACK_MAX_S <= shown_s <= self._ceiling

    def _follow(self, offset_s: float, *, may_leap: bool) -> Doubt | None:
        """Take over what the wall clock says where it may be believed; else what is wrong with it."""
        step_s = offset_s - self._offset_s
        if may_leap:  # it was impossible anyway: whatever comes now can only be better
            self._offset_s = offset_s
        elif step_s < -STEP_BACK_MAX_S:
            return Doubt.STEPPED_BACK
        elif step_s > STEP_AHEAD_MAX_S - self._ahead_s:
            return Doubt.STEPPED_AHEAD
        elif step_s > 0:
            self._offset_s, self._ahead_s = offset_s, self._ahead_s + step_s
        return None
