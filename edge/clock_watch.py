"""Puts it on record when the gate's clock is doubted, and when it is trusted again."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from edge.alarms import Alarms
from shell.clock import Doubt, SystemClock
from shell.logs import get_logger
from sync.messages import ClockData, Kind

log = get_logger("clock")


class ClockWatch:
    """Looks at the clock at each turn of the deciding thread.

    Args:
        clock: The gate's clock.
        alarms: Show that it is doubted, for as long as it is.
        note: Records an event.
    """

    def __init__(self, clock: SystemClock, alarms: Alarms, note: Callable[[Kind, BaseModel], Any]) -> None:
        self._clock, self._alarms, self._note = clock, alarms, note
        self._doubt: Doubt | None = None

    def tick(self) -> None:
        """Record a change of the trust in the clock."""
        doubt = self._clock.doubt()
        if doubt is self._doubt:
            return
        before, self._doubt = self._doubt, doubt
        if doubt is None:
            log.warning("the clock is trusted again", after=before)
            self._alarms.end("clock", "")
            self._note(Kind.CLOCK, ClockData(state="trusted"))
            return
        log.error("the clock is doubted", why=doubt.value)
        self._alarms.begin("clock", "", doubt.value)
        self._note(Kind.CLOCK, ClockData(state="doubted", why=doubt.value))
