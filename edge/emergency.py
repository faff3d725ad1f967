"""The fire input and what the gate is while it is active: nobody is let in, everybody is let out.

Fire opens in hardware; this only reads it. It is over when the input is clear *and* somebody at the gate has said so
with name and reason, and that is in the journal. A restart does not end it: the phase is in a small file of its own, so
that it outlives a journal that is full or broken. Where nobody knows whether there is one, there is.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Final

from edge.journal import Change, Journal, JournalError
from edge.owed import Owed
from shell.clock import Clock
from shell.file_reading import read_at_most
from shell.files import PUBLIC, Staged, stage
from shell.logs import get_logger
from sync.messages import EmergencyData, Kind

log = get_logger("emergency")

CLEAR_FOR_S: Final = 2.0  # a loose wire is one emergency, and not a hundred
FILE: Final = "emergency"  # in the data folder


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
        journal: Where it is recorded; its folder keeps the phase over a restart.
        clock: Time of the rows.
        owed: For rows of what has happened already.
        changed: Called after each change of the phase.
    """

    def __init__(self, journal: Journal, clock: Clock, owed: Owed, changed: Callable[[], None]) -> None:
        self._journal, self._clock, self._owed, self._changed = journal, clock, owed, changed
        self._path, self._saved = journal.path.with_name(FILE), True
        self._active: set[str] = set()
        self._clear_at_s: float | None = None
        self.phase = Phase.NONE

    def __bool__(self) -> bool:
        """Whether there is one, its cause over or not."""
        return self.phase is not Phase.NONE

    def load(self) -> None:
        """Take up what an earlier run left; raises ``JournalError``."""
        left = self._left()
        if left and self.phase is Phase.NONE:
            log.error("the emergency of an earlier run was not reset", phase=left)
            self.phase = Phase.CLEAR
            self._save()
            self._changed()

    def _left(self) -> str:
        """What an earlier run left; empty for no emergency."""
        try:
            left = read_at_most(self._path, 1000, follow=False).decode("ascii").strip()
        except FileNotFoundError:
            found = self._journal.read(
                "select value from meta where key = 'emergency'"
            )  # of an earlier version
            left = found[0][0] if found else "unknown" if self._journal.set_aside else Phase.NONE.value
            self._saved = False  # from now on it is known
        except (OSError, ValueError) as error:
            log.error(
                "it cannot be read whether there is an emergency", file=str(self._path), error=str(error)
            )
            left = "unknown"
        return "" if left == Phase.NONE else left or "unknown"

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
            self._save()
            self._record(EmergencyData(state="began", inputs=sorted(self._active)))
            self._changed()

    def declare(self, *, by: str, reason: str, command: str | None, claim: Change | None) -> None:
        """Somebody who is not here says that there is one. The row comes first; raises ``JournalError``."""
        data = EmergencyData(state="began", by=by, reason=reason, command=command)
        self._journal.append(Kind.EMERGENCY, data, claim)
        if self.phase is not Phase.ACTIVE:
            self.phase = Phase.ACTIVE
            log.error("emergency: declared by the centre")
            self._save()
            self._changed()

    def tick(self) -> None:
        """Believe inputs that have stayed clear."""
        if not self._saved:
            self._save()
        if self._clear_at_s is None or self._clock.monotonic_s() < self._clear_at_s:
            return
        self._clear_at_s, self.phase = None, Phase.CLEAR
        log.warning("fire input clear; the gate waits for its reset")
        self._save()
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
            JournalError: It, or what came before, cannot be recorded; the emergency stays.
        """
        if self.phase is Phase.NONE:
            raise NotClearError("There is no emergency at this gate")
        if self._active:
            raise NotClearError(
                f"The fire input is still active ({', '.join(sorted(self._active))}): end its cause first"
            )
        if self._clear_at_s is not None:
            raise NotClearError("The fire input has only just become clear: wait a moment")
        if unread:
            raise NotClearError(
                f"The fire input cannot be read ({', '.join(unread)}): repair its board first; open by key"
            )
        self._owed.pay()  # what came before goes first
        if self._owed.reserved:
            raise JournalError("what happened in this emergency is not recorded yet")
        staged = self._staged(Phase.NONE)
        try:
            self._journal.append(Kind.EMERGENCY, EmergencyData(state="reset", by=by, reason=reason))
        except BaseException:
            staged.discard()
            raise
        self.phase = Phase.NONE
        log.warning("emergency was reset")
        self._put(staged)
        self._changed()

    def _save(self) -> None:
        """Keep the phase over a restart, now or as soon as the disk takes it."""
        try:
            staged = self._staged(self.phase)
        except JournalError as error:
            self._not_saved(error)
        else:
            self._put(staged)

    def _staged(self, phase: Phase) -> Staged:
        try:
            return stage(self._path, f"{phase.value}\n".encode(), mode=PUBLIC)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written: {error}") from error

    def _put(self, staged: Staged) -> None:
        try:
            staged.put_over()
        except OSError as error:
            self._not_saved(error)
        else:
            self._saved = True

    def _not_saved(self, error: Exception) -> None:
        if self._saved:
            log.error("a restart would not know of this phase", phase=self.phase.value, error=str(error))
        self._saved = False

    def _record(self, data: EmergencyData) -> None:
        at = self._clock.now()
        self._owed.write(partial(self._journal.append, Kind.EMERGENCY, data, at=at), reserved=True)
