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

Record = Callable[[], object]


class Owed:
    """The queue of rows between the deciding thread and the journal. Not thread-safe.

    Args:
        recorded: Called after rows were recorded.
        count: Counts what is lost, by name.
    """

    def __init__(self, *, recorded: Callable[[], None], count: Callable[[str], None]) -> None:
        self._recorded, self._count = recorded, count
        self._waiting: deque[Record] = deque()

    def write(self, record: Record) -> None:
        """Record something that has happened, behind everything that is owed already."""
        if len(self._waiting) >= OWED_MAX:
            log.error("event is lost: the journal owes too many", owed=len(self._waiting))
            self._count("events_lost")
            return
        self._waiting.append(record)
        self.pay()

    def pay(self) -> None:
        """Record what is owed, until the journal refuses."""
        paid = False
        while self._waiting:
            try:
                self._waiting[0]()
            except JournalError as error:
                log.error("events are owed to the journal", owed=len(self._waiting), error=str(error))
                break
            except Exception:
                log.exception("event cannot be recorded")
                self._count("events_lost")
            self._waiting.popleft()
            paid = True
        if paid:
            self._recorded()
