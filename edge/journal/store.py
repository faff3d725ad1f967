"""The one connection to the journal's file, and what its errors mean.

Every call goes through here, so that there is one place which knows a full disk, a broken file and a disk that lost
what it had taken. After the latter two the handle is closed for good: nothing is ever said to be durable by it again.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from edge.journal.errors import (
    OF_THE_ROW,
    JournalError,
    JournalFullError,
    JournalLostError,
    RowError,
    is_damage,
    is_lost_sync,
)
from edge.journal.limits import PAGE_BYTES, Limits, Room
from edge.journal.reserve import LOW_BYTES, Reserve, free_bytes

WAL_BYTES_MAX: Final = 4 << 20  # a checkpoint is asked for by name when it did not keep the file below this

T = TypeVar("T")


class Store:
    """Thread-safe; ``lock`` is held over what belongs together."""

    def __init__(self, db: apsw.Connection, path: Path, limits: Limits) -> None:
        self._db, self._path, self._limits = db, path, limits
        self._reserve = Reserve(path, limits.reserve_bytes)
        self.lock = threading.RLock()
        self.lost: JournalLostError | None = None
        self._reserve_held = self._reserve.held
        self.tend()

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of one query; raises ``JournalError``."""
        with self.lock:
            self._demand_alive()
            try:
                return list(self._db.execute(query, values))
            except (apsw.Error, UnicodeDecodeError) as error:
                raise self._meaning(error, "cannot be read") from error

    @contextmanager
    def writing(self, what: str) -> Iterator[apsw.Connection]:
        """One durable transaction, with the lock held. ``what`` ends the sentence when it fails.

        Raises:
            JournalError: Nothing of it is in the file. What the block raises undoes it, too.
        """
        with self.lock:
            self._demand_alive()
            try:
                self._roll_back()  # of a transaction whose own rollback failed
                self._db.execute("begin immediate")
                try:
                    yield self._db
                    self._db.execute("commit")
                except BaseException:
                    self._roll_back()
                    raise
            except (apsw.Error, UnicodeDecodeError) as error:
                raise self._meaning(error, what) from error

    def with_reserve(self, work: Callable[[], T]) -> T:
        """What ``work`` returns; on a full disk the reserve is given up, and it is tried once more."""
        with self.lock:
            try:
                return work()
            except JournalFullError:
                if not self._give_up_reserve():
                    raise
            return work()

    def demand_room(self) -> None:
        """Raise ``JournalFullError`` while what is left is for exits and alarms alone."""
        if self._reserve_held:
            return
        with self.lock:
            if not self.room().for_entries(self._limits):
                raise JournalFullError(
                    f"{self._path} has no room for entries: the disk is full. Delete what fills it; exits go on"
                )

    @property
    def short(self) -> bool:
        """Whether the reserve is given up, or never was."""
        return not self._reserve_held

    def room(self) -> Room:
        """What there is for rows."""
        free = self.read("pragma freelist_count")[0][0]
        return Room(disk=free_bytes(self._path.parent), inside=free * PAGE_BYTES)

    def used_bytes(self) -> int:
        """What the file's pages in use take."""
        pages, free = (self.read(f"pragma {name}")[0][0] for name in ("page_count", "freelist_count"))
        return int(pages - free) * PAGE_BYTES

    def tend(self) -> None:
        """Make the reserve again when there is room, and keep the write-ahead file small."""
        with self.lock:
            self._demand_alive()
            if not self._reserve_held and self.room().for_reserve(self._limits):
                self._reserve_held = self._reserve.make()
            wal = self._path.with_name(self._path.name + "-wal")
            with suppress(OSError):
                if wal.stat().st_size > WAL_BYTES_MAX:
                    self.read("pragma wal_checkpoint(truncate)")

    def copy_into(self, target: apsw.Connection, pages: int) -> Iterator[int]:
        """Copy the file page by page into another database; yields what is left, and holds the lock for a step only."""
        with self.lock:
            self._demand_alive()
            copying = target.backup("main", self._db, "main")
        try:
            while True:
                with self.lock:
                    self._demand_alive()
                    try:
                        done = copying.step(pages)
                    except apsw.Error as error:
                        raise self._meaning(error, "could not be copied") from error
                    left = copying.remaining
                if done:
                    return
                yield left
        finally:
            with self.lock, suppress(apsw.Error):
                copying.close(force=True)

    def close(self) -> None:
        """Close the file; what the write-ahead file holds goes into it first."""
        with self.lock:
            self._db.close()

    def _give_up_reserve(self) -> bool:
        self._reserve_held = False
        return self._reserve.give_up()

    def _demand_alive(self) -> None:
        if self.lost is not None:
            raise self.lost

    def _meaning(self, error: apsw.Error | UnicodeDecodeError, what: str) -> JournalError:
        """The error in our words; closes the handle when it is not to be used again."""
        words = f"{self._path}: {what}: {error}"
        if isinstance(error, OF_THE_ROW):
            return RowError(words)
        if is_lost_sync(error) or is_damage(error):
            self.lost = JournalLostError(f"{words}. The file is closed; the gate ends, and looks at it anew")
            with suppress(apsw.Error):
                self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # no more writing by this handle
                self._db.close(force=True)
            return self.lost
        if isinstance(error, apsw.FullError) or free_bytes(self._path.parent) < LOW_BYTES:
            return JournalFullError(f"{words}. The disk is full: delete what fills it")
        return JournalError(words)

    def _roll_back(self) -> None:
        if self.lost is None and self._db.in_transaction:
            self._db.execute("rollback")
