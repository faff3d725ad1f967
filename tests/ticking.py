"""A clock that tests move by hand."""

from datetime import datetime, timedelta

from passes.vocabulary import ClockTrust
from tests.minting import NOW


class HandClock:
    """Time stands still until ``advance``."""

    def __init__(self, now: datetime = NOW) -> None:
        self.wall, self.mono_s, self.trusted = now, 1000.0, True

    def advance(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.mono_s += seconds

    def monotonic_s(self) -> float:
        return self.mono_s

    def now(self) -> datetime:
        return self.wall

    def trust(self) -> ClockTrust:
        return ClockTrust.TRUSTED if self.trusted else ClockTrust.UNTRUSTED
