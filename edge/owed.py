"""Rows that have to be written: in order, now if the journal takes them, else as soon as it does.

What has happened has happened: a passage during a full disk is recorded when the disk is not full any more, with its
own time, and never before what came first.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from edge.journal import JournalError
from shell.logs import get_logger

log = get_logger("owed")

OWED_MAX: Final = 1000
RESERVED: Final = 100  # places behind those, for rows that say whether there is an emergency

Record = Callable[[], object]


class Owed:
    """The queue of rows between the deciding thread and the journal. Not thread-safe.

    Args:
        recorded: Called after rows were recorded.
        count: Counts what is lost, by name.
    """

    def __init__(self, *, recorded: Callable[[], None], count: Callable[[str], None]) -> None:
        self._recorded, self._count = recorded, count
        self._waiting: deque[tuple[Record, bool]] = deque()
        self._refused = False

    @property
    def reserved(self) -> int:
        """How many rows in reserved places are owed."""
        return sum(reserved for _, reserved in self._waiting)

    def write(self, record: Record, *, reserved: bool = False) -> None:
        """Record something that has happened, behind everything that is owed already."""
        if len(self._waiting) >= OWED_MAX + RESERVED * reserved:
            log.error("event is lost: the journal owes too many", owed=len(self._waiting))
            self._count("events_lost")
            return
        self._waiting.append((record, reserved))
        self.pay()

    def pay(self) -> None:
        """Record what is owed, until the journal refuses."""
        paid = False
        while self._waiting:
            try:
                self._waiting[0][0]()
            except JournalError as error:
                if not self._refused:
                    log.error("events are owed to the journal", owed=len(self._waiting), error=str(error))
                self._refused = True
                break
            except Exception:
                log.exception("event cannot be recorded")
                self._count("events_lost")
            self._waiting.popleft()
            paid = True
        if self._refused and not self._waiting:
            self._refused = False
            log.warning("the journal has what it was owed")
        if paid:
            self._recorded()
