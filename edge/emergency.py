"""The fire input and what the gate is while it is active: nobody is let in, everybody is let out.

Fire opens in hardware; this only reads it. It is over when the input is clear *and* somebody at the gate has said so
with name and reason, and that is in the journal. A restart does not end it.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final

import apsw

from edge.journal import Change, Journal
from edge.owed import Owed
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import EmergencyData, Kind

log = get_logger("emergency")

CLEAR_FOR_S: Final = 2.0  # a loose wire is one emergency, and not a hundred
_KEY: Final = "emergency"


class Phase(StrEnum):
    """Where an emergency is."""

    NONE = "none"
    ACTIVE = "active"
    CLEAR = "clear"  # its cause is over, or not known since a restart; nobody has reset it


class NotClearError(Exception):
    """The emergency cannot be reset; the message says why."""


class Emergency:
    """The state of one gate. Not thread-safe: the deciding thread owns it.

    Args:
        journal: Where it is recorded, and kept over a restart.
        clock: Time of the rows.
        owed: For rows of what has happened already.
        changed: Called after each change of the phase.
    """

    def __init__(self, journal: Journal, clock: Clock, owed: Owed, changed: Callable[[], None]) -> None:
        self._journal, self._clock, self._owed, self._changed = journal, clock, owed, changed
        self._active: set[str] = set()
        self._clear_at_s: float | None = None
        self.phase = Phase.NONE

    def __bool__(self) -> bool:
        """Whether there is one, its cause over or not."""
        return self.phase is not Phase.NONE

    def load(self) -> None:
        """Take up what an earlier run left; raises ``JournalError``."""
        found = self._journal.read("select value from meta where key = ?", (_KEY,))
        if found and found[0][0] != Phase.NONE and self.phase is Phase.NONE:
            log.error("the emergency of an earlier run was not reset")
            self.phase = Phase.CLEAR
            self._changed()

    def fire(self, label: str, *, active: bool) -> None:
        """A fire input changed. It counts at once; its row follows as soon as the journal takes it."""
        if active:
            self._active.add(label)
        else:
            self._active.discard(label)
        waits = self.phase is Phase.ACTIVE and not self._active
        self._clear_at_s = self._clock.monotonic_s() + CLEAR_FOR_S if waits else None
        if active and self.phase is not Phase.ACTIVE:
            self.phase = Phase.ACTIVE
            log.error("emergency: fire input active", input=label)
            self._record(EmergencyData(state="began", inputs=sorted(self._active)))
            self._changed()

    def tick(self) -> None:
        """Believe inputs that have stayed clear."""
        if self._clear_at_s is None or self._clock.monotonic_s() < self._clear_at_s:
            return
        self._clear_at_s, self.phase = None, Phase.CLEAR
        log.warning("fire input clear; the gate waits for its reset")
        self._record(EmergencyData(state="input_clear"))
        self._changed()

    def reset(self, *, by: str, reason: str, unread: list[str]) -> None:
        """End it. The row comes first.

        Args:
            by: Who says so.
            reason: What was found.
            unread: Fire inputs whose board does not tell their level.

        Raises:
            NotClearError: There is none, an input is still active, or cannot be read.
            JournalError: It cannot be recorded; the emergency stays.
        """
        if self.phase is Phase.NONE:
            raise NotClearError("There is no emergency at this gate")
        if self._active:
            raise NotClearError(
                f"The fire input is still active ({', '.join(sorted(self._active))}): end its cause first"
            )
        if self.phase is Phase.ACTIVE:
            raise NotClearError("The fire input has only just become clear: wait a moment")
        if unread:
            raise NotClearError(
                f"The fire input cannot be read ({', '.join(unread)}): repair its board first; open by key"
            )
        self._owed.pay()  # what came before goes first
        data = EmergencyData(state="reset", by=by, reason=reason)
        self._journal.append(Kind.EMERGENCY, data, _stored(Phase.NONE))
        self.phase = Phase.NONE
        log.warning("emergency was reset")
        self._changed()

    def _record(self, data: EmergencyData) -> None:
        at = self._clock.now()
        self._owed.write(
            partial(self._journal.append, Kind.EMERGENCY, data, _stored(self.phase), at=at),
        )


def _stored(phase: Phase) -> Change:
    def change(db: apsw.Connection, _: object) -> None:
        db.execute(
            "insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value",
            (_KEY, phase.value),
        )

    return change
