"""How many people a turnstile's own counter has counted since it was last read, whatever happened to it meanwhile."""

from typing import Final

PEOPLE_A_SECOND_MAX: Final = 2.0  # twice what the fastest lanes are sold for (drivers reference 3)
PEOPLE_AT_ONCE: Final = 5  # between two readings, however close
LOOKED_AWAY_S: Final = 60.0  # nobody says how many went through an outage that was longer


class TurnstileCounter:
    """One counter of so many bits, which begins again at 0 above that, and after a reset.

    The first reading is where counting starts: nobody knows when those people went through. A difference that nobody
    could walk (another controller, a reset to an unknown number) starts again in the same way, once a second reading
    agrees with it.
    """

    def __init__(self, bits: int) -> None:
        self._modulus = 1 << bits
        self._total: int | None = None
        self._at_s = 0.0
        self._doubtful: int | None = None  # an impossible reading, until another agrees

    @property
    def known(self) -> bool:
        """Whether it was ever read."""
        return self._total is not None

    def read(self, total: int, now_s: float) -> int | None:
        """People since the last reading; None when that cannot be known."""
        if self._total is None:
            self._begin(total, now_s)
            return None
        possible = PEOPLE_AT_ONCE + PEOPLE_A_SECOND_MAX * min(now_s - self._at_s, LOOKED_AWAY_S)
        onward = (total - self._total) % self._modulus
        if onward <= possible:
            self._begin(total, now_s)
            return onward
        if total < self._total and total <= possible:
            self._begin(total, now_s)
            return total  # it was set to 0, and these have come since
        if self._doubtful is not None and (total - self._doubtful) % self._modulus <= PEOPLE_AT_ONCE:
            self._begin(total, now_s)
        else:
            self._doubtful = total
        return None

    def _begin(self, total: int, now_s: float) -> None:
        self._total, self._at_s, self._doubtful = total, now_s, None
