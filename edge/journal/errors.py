"""What can be wrong with a journal.

::

    JournalError            the journal cannot take or give rows now: entries are refused, exits open
    ├─ JournalBusyError     another process holds this folder
    ├─ JournalFullError     the disk has no room for this row; exits and alarms have the reserve
    ├─ JournalNewerError    a later version wrote the file; it was left as it is
    ├─ JournalLostError     the open file cannot be believed any more: the process ends, and its next start looks at it
    └─ RowError             this row can never be recorded; others can
"""

from typing import Final

import apsw

# SQLite's words for a statement that is wrong, not for a disk or a file that is.
OF_THE_ROW: Final = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.SQLError,
    apsw.TooBigError,
)
# After a sync that failed the kernel takes the pages for clean: whatever this handle says from then on may be untrue.
_SYNCS: Final = {apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC, apsw.SQLITE_IOERR_CLOSE}
_READS: Final = {
    apsw.SQLITE_IOERR_READ,
    apsw.SQLITE_IOERR_SHORT_READ,
    apsw.SQLITE_IOERR_CORRUPTFS,
    apsw.SQLITE_IOERR_DATA,
}


class JournalError(Exception):
    """The journal cannot take or give rows now."""


class JournalBusyError(JournalError):
    """Another process holds the journal's folder."""


class JournalFullError(JournalError):
    """The disk has no room for this row."""


class JournalNewerError(JournalError):
    """A later version wrote this file; this one changes nothing in it."""


class JournalLostError(JournalError):
    """The open file cannot be believed any more. It was closed; the gate ends, so that its next start looks at it."""


class RowError(JournalError):
    """This row can never be recorded, however often it is tried: what it says cannot be so."""


def is_damage(error: apsw.Error | UnicodeDecodeError) -> bool:
    """Whether the file itself is broken, or the disk does not give it back. A text that is none is damage, too."""
    if isinstance(error, UnicodeDecodeError):
        return True
    broken = isinstance(error, apsw.CorruptError | apsw.NotADBError)
    return broken or _extended(error) in _READS


def is_of_content(error: BaseException) -> bool:
    """Whether what lies in the file may have raised this: not another process, a full disk, or a later version."""
    if not isinstance(error, JournalError):
        return True
    cause = error.__cause__
    if isinstance(error, RowError) or isinstance(cause, OF_THE_ROW):
        return True
    return isinstance(cause, apsw.Error | UnicodeDecodeError) and is_damage(cause)


def is_lost_sync(error: apsw.Error | UnicodeDecodeError) -> bool:
    """Whether the disk failed at making durable what it had taken."""
    return _extended(error) in _SYNCS


def _extended(error: Exception) -> int:
    """SQLite's finer code; errors that we raised ourselves have none."""
    return int(getattr(error, "extendedresult", 0))
