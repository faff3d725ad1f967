"""Alarms on the guard's screen: some last until their cause is over, some a while because nothing tells their end."""

from typing import Final

from edge.kiosk.view import AlarmView
from edge.screen import Screen
from shell.clock import Clock

SHOWN_S: Final = 60.0  # of what has no end of its own: a guard looks up within a minute
SHOWN_MAX: Final = 12


class Alarms:
    """What is wrong now. Not thread-safe: the deciding thread owns it.

    Args:
        screen: Shows them.
        clock: Time.
    """

    def __init__(self, screen: Screen, clock: Clock) -> None:
        self._screen, self._clock = screen, clock
        self._shown: dict[tuple[str, str], tuple[AlarmView, float | None]] = {}

    def begin(self, what: str, place: str, detail: str = "") -> None:
        """Something is wrong until ``end``."""
        self._put(what, place, detail, None)

    def flash(self, what: str, place: str, detail: str = "") -> None:
        """Something happened; it is shown for a while."""
        self._put(what, place, detail, self._clock.monotonic_s() + SHOWN_S)

    def end(self, what: str, place: str) -> None:
        """It is right again."""
        if self._shown.pop((what, place), None) is not None:
            self._tell()

    def next_deadline_s(self) -> float | None:
        """When the next one has been shown for long enough."""
        return min((until_s for _, until_s in self._shown.values() if until_s is not None), default=None)

    def tick(self) -> None:
        """Take away what was shown for long enough."""
        now_s = self._clock.monotonic_s()
        over = [key for key, (_, until_s) in self._shown.items() if until_s is not None and now_s >= until_s]
        for key in over:
            del self._shown[key]
        if over:
            self._tell()

    def _put(self, what: str, place: str, detail: str, until_s: float | None) -> None:
        view = AlarmView(what=what, place=place, at=self._clock.now(), detail=detail)
        self._shown.pop((what, place), None)  # the newest goes last
        self._shown[what, place] = view, until_s
        self._tell()

    def _tell(self) -> None:
        newest_first = [view for view, _ in reversed(self._shown.values())]
        self._screen.alarms_now(tuple(newest_first[:SHOWN_MAX]))
