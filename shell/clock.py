"""The clock as a port: monotonic seconds for waiting, aware UTC for validity, and how far to trust it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from passes.vocabulary import ClockTrust

STEP_BACK_MAX_S: Final = (
    2.0  # a wall clock that falls back further than this against monotonic time is doubted
)


class Clock(Protocol):
    """Time as the rest of the product may see it."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment, never stepping: for waiting and for ages."""

    def now(self) -> datetime:
        """Aware UTC wall time: for validity and for records."""

    def trust(self) -> ClockTrust:
        """Whether ``now()`` may be used to judge validity."""


class SystemClock:
    """The machine's clock, doubted when it is below a floor or when it stepped back.

    Args:
        floor: Wall time that has certainly passed (the newest signed file or event this machine holds).
    """

    def __init__(self, floor: datetime | None = None) -> None:
        self._floor = floor or datetime(2026, 1, 1, tzinfo=UTC)
        self._offset_high_s = time.time() - time.monotonic()

    def monotonic_s(self) -> float:
        """Seconds on the machine's monotonic clock."""
        return time.monotonic()

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def raise_floor(self, moment: datetime) -> None:
        """Remember that ``moment`` has passed; a floor never falls."""
        self._floor = max(self._floor, moment)

    def trust(self) -> ClockTrust:
        """``untrusted`` below the floor, or after the wall clock stepped back more than two seconds."""
        offset_s = time.time() - time.monotonic()
        stepped_back = self._offset_high_s - offset_s > STEP_BACK_MAX_S
        if not stepped_back:
            self._offset_high_s = max(self._offset_high_s, offset_s)
        below_floor = self.now() < self._floor - timedelta(seconds=STEP_BACK_MAX_S)
        return ClockTrust.UNTRUSTED if stepped_back or below_floor else ClockTrust.TRUSTED
