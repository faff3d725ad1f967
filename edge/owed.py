"""Rows that have to be written: in order, now if the journal takes them, else as soon as it does.

What has happened has happened: a passage during a full disk is recorded when the disk is not full any more, with its
own time, and never before what came first. A row that the journal will never take keeps nobody waiting behind it: it
goes into a file of its own, and a fault that names that file takes its place. The file stays at the gate and says what
was wrong; the fault goes to the centre, and says nothing that the row may have held.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from edge.journal import JournalError, RowError
from edge.set_aside import SetAside
from shell.logs import get_logger, mask_typed

log = get_logger("owed")

OWED_MAX: Final = 1000
RESERVED: Final = 100  # places behind those, for rows that say whether there is an emergency

Record = Callable[[], object]


class _Row(NamedTuple):
    record: Record
    reserved: bool = False
    is_fault: bool = False  # it says that another row was set aside


class Owed:
    """The queue of rows between the deciding thread and the journal. Not thread-safe.

    Args:
        recorded: Called after rows were recorded.
        count: Counts what is lost or set aside, by name.
        set_aside: Keeps rows that the journal will never take.
        fault: Makes the row that says so, from words.
    """

    def __init__(
        self,
        *,
        recorded: Callable[[], None],
        count: Callable[[str], None],
        set_aside: SetAside,
        fault: Callable[[str], Record],
    ) -> None:
        self._recorded, self._count = recorded, count
        self._set_aside, self._fault = set_aside, fault
        self._waiting: deque[_Row] = deque()
        self._refused = False

    @property
    def reserved(self) -> int:
        """How many rows in reserved places are owed."""
        return sum(row.reserved for row in self._waiting)

    def write(self, record: Record, *, reserved: bool = False) -> None:
        """Record something that has happened, behind everything that is owed already."""
        if len(self._waiting) >= OWED_MAX + RESERVED * reserved:
            log.error("event is lost: the journal owes too many", owed=len(self._waiting))
            self._count("events_lost")
            return
        self._waiting.append(_Row(record, reserved))
        self.pay()

    def pay(self) -> None:
        """Record what is owed, until the journal refuses."""
        paid = False
        while self._waiting:
            try:
                self._waiting[0].record()
            except RowError as error:
                if not self._keep_aside(error):
                    break
                continue
            except JournalError as error:
                self._owes(error)
                break
            except Exception as error:
                log.exception("event cannot be recorded")
                if not self._keep_aside(error):
                    break
                continue
            self._waiting.popleft()
            paid = True
        if self._refused and not self._waiting:
            self._refused = False
            log.warning("the journal has what it was owed")
        if paid:
            self._recorded()

    def _keep_aside(self, error: Exception) -> bool:
        """Let the rows behind the first one pass, once that one is safe; False while it is not."""
        row = self._waiting[0]
        try:
            self._set_aside.put(row.record, _why(error))
        except OSError as unsafe:
            self._owes(unsafe)
            return False
        file = self._set_aside.path.name
        why = mask_typed(_why(error)) if isinstance(error, RowError) else type(error).__name__
        log.error("a row can never be recorded: set aside", file=file, error=why)
        self._count("events_set_aside")
        self._waiting.popleft()
        if not row.is_fault:
            words = f"a row that cannot be recorded is in {file}: {why}"
            self._waiting.appendleft(_Row(self._fault(words), row.reserved, is_fault=True))
        return True

    def _owes(self, error: Exception) -> None:
        if not self._refused:
            log.error("events are owed to the journal", owed=len(self._waiting), error=str(error))
        self._refused = True


def _why(error: Exception) -> str:
    """What it says; the words of an error may be the ``repr`` of what it is about, and raise themselves."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        log.exception("an error has no words")
        return type(error).__name__
