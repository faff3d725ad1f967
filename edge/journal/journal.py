"""The gate's journal: rows go in at one end, leave by the centre's receipt, and go after their time."""

import fcntl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import apsw
from pydantic import BaseModel

from edge.journal.backup import back_up
from edge.journal.epochs import Epochs
from edge.journal.errors import JournalBusyError, JournalError
from edge.journal.identity import Box
from edge.journal.limits import Limits, beyond_quota
from edge.journal.marks import Mark, MarkFile
from edge.journal.opening import FILE
from edge.journal.position import Position, new_id
from edge.journal.recovery import open_or_recover
from edge.journal.reserve import Reserve
from edge.journal.rows import Recorded, compose
from edge.journal.salvage import Doubt
from edge.journal.store import Store
from passes.vocabulary import Direction
from shell.clock import Clock
from shell.logs import get_logger
from sync.messages import DecisionData, DeviceData, Kind, Outcome
from sync.outbox import AckResult

log = get_logger("journal")

SEQ_MAX: Final = 2**53 - 2**40  # of an epoch that is gone on with; the wire's numbers end at 2**53
MARK_EVERY_S: Final = 600.0  # a card does not live for ever

Change = Callable[[apsw.Connection, Recorded], None]


class Journal:
    """Open, or make, the journal in ``folder``. Thread-safe.

    Args:
        folder: The gate's data directory; made when missing.
        clock: Time for the rows.
        box: Whose journal this is; None: that is not asked.
        limits: How much room it takes and keeps.
        doubt: Asked when the folder is this process's and the file's version known: what of the file is not believed,
            however it looks.
        held: Called once no other gate process can be at work here, before the file is looked at, which may take long.

    Raises:
        JournalBusyError: Another gate process uses this folder.
        JournalError: The SQLite in use is too old, the folder cannot be written, a later version wrote the file.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        box: Box | None = None,
        limits: Limits | None = None,
        doubt: Callable[[], Doubt] = lambda: Doubt.NONE,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self._limits = clock, limits or Limits()
        self.boot, self._next_mark_s = new_id(), 0.0
        self.path = folder / FILE
        self._folder_lock = _locked(folder)
        try:
            held()
            self._marks = MarkFile(self.path)
            reserve = Reserve(self.path, self._limits.reserve_bytes)
            opened = open_or_recover(self.path, self._marks, now=clock.now(), reserve=reserve, doubt=doubt)
            self.set_aside, self._db = opened.set_aside, opened.db
            self._store = Store(opened.db, self.path, self._limits)
            self._at = Position(self._store)
            self._epochs = Epochs(self._store, self._at)
            try:
                self._begin(opened.renew, box)
            except BaseException:
                self._store.close()
                raise
        except BaseException:
            self._folder_lock.close()
            raise

    def append(
        self, kind: Kind, data: BaseModel, change: Change | None = None, *, at: datetime | None = None
    ) -> Recorded:
        """Record one event durably, together with what follows from it.

        On a full disk everything but what lets somebody in goes on, from the reserve.

        Args:
            kind: What happened.
            data: Its border model.
            change: Called inside the transaction with the connection; whatever it raises undoes the event too.
            at: When it happened, if that was before now.

        Raises:
            JournalError: The row is not durable; nothing may be done in its name. ``RowError``: it never will be.
        """
        now = at or self._clock.now()
        work = partial(self._append, kind, data, change, now)
        if _lets_in(kind, data):
            self._store.demand_room()
            return work()
        return self._store.with_reserve(work)

    def read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return all of its rows; raises ``JournalError``."""
        return self._store.read(query, values)

    def epoch(self) -> str:
        """The random id of this run of numbers."""
        return self._at.epoch

    def last_seq(self) -> int:
        """The highest recorded number of this epoch, 0 when there is none."""
        return self._at.last

    def acked(self) -> int:
        """Everything up to here was receipted by the centre."""
        return self._at.acked

    def pruned_to(self) -> int:
        """Everything up to here was deleted after its time."""
        return self._at.pruned_to

    @property
    def short(self) -> bool:
        """Whether the disk is so full that entries may be refused: the reserve is given up."""
        return self._store.short

    def demand_alive(self) -> None:
        """Raise ``JournalLostError`` once the file was closed for good: whoever runs the gate ends it then."""
        if self._store.lost is not None:
            raise self._store.lost

    def rows_after(self, seq: int, limit: int, bytes_max: int) -> list[tuple[int, str]]:
        """Rows of this epoch after ``seq``, oldest first: at most ``limit`` and ``bytes_max``, but at least one."""
        return self._epochs.rows_after(seq, limit, bytes_max)

    def hash_of(self, seq: int) -> str | None:
        """The hash in one row of this epoch; None when it is not there (any more)."""
        return self._epochs.hash_of(seq)

    def alarms_between(self, after: int, upto: int) -> list[int]:
        """Numbers of the rows of this epoch after ``after`` and up to ``upto`` that no backlog may hold up."""
        return self._epochs.alarms_between(after, upto)

    def acknowledge(self, epoch: str, upto: int) -> AckResult:
        """Move the cursor by the centre's receipt; it never falls within an epoch."""
        with self._store.lock:
            if epoch != self._at.epoch:
                return AckResult.OTHER_EPOCH
            if upto > self._at.last:
                return AckResult.BEYOND_LAST
            if upto > self._at.acked:
                self._store.with_reserve(partial(self._at.put, acked=upto))
            return AckResult.ACCEPTED

    def new_epoch(self, *, centre_upto: int) -> str:
        """Begin a new epoch: the centre knows rows that this file lacks, so the file is an older copy of itself.

        Every row without a receipt is carried over with its id, numbered from 1: under its old number the centre
        would take it for another row. What it has already it knows by the id. Rows go on being recorded meanwhile.
        """
        log.warning("journal is an older copy: new epoch", last=self._at.last, centre_upto=centre_upto)
        epoch = self._epochs.renew()
        self._mark(is_open=True)
        return epoch

    def prune(self) -> int:
        """Delete a bounded number of rows that are older than seven days, or beyond the quota; returns how many.

        Of this epoch only receipted ones, and none behind a row that is younger: a row dated wrongly by a wrong clock
        takes nothing with it. Of earlier epochs, whose unreceipted rows were carried over, all.
        """
        horizon_ms = int((self._clock.now() - self._limits.receipted_for).timestamp() * 1000)
        with self._store.lock:
            beyond = beyond_quota(
                used_bytes=self._store.used_bytes(),
                rows=self._at.rows,
                receipted=self._at.receipted_rows,
                limits=self._limits,
            )
            batch = self._limits.prune_rows // 10 if self._store.short else self._limits.prune_rows
            prune = partial(self._epochs.prune, horizon_ms, beyond, batch)
            deleted = self._store.with_reserve(prune)
            self._store.tend()
            return deleted

    def forget(self, query: str, values: tuple[Any, ...]) -> int:
        """Run one statement that deletes what is no longer needed; returns how many rows went."""

        def work() -> int:
            with self._store.writing("old rows were not deleted") as db:
                db.execute(query, values)
                return int(db.changes())

        return self._store.with_reserve(work)

    def amend(self, change: Callable[[apsw.Connection], None]) -> None:
        """Change tables beside the events in one transaction: for what another gate has recorded as its own event."""
        with self._store.writing("what another gate told was not kept") as db:
            change(db)

    def tend(self) -> None:
        """Now and then, from any thread: take the reserve back when there is room, keep files small, note the place.

        Raises:
            JournalError: As of reading; the journal may be lost.
        """
        self._store.tend()
        if self._clock.monotonic_s() >= self._next_mark_s:
            self._mark(is_open=True)

    def backup(self, path: Path) -> int:
        """Copy the journal into a new file, whole or not at all, while it goes on; returns its size in bytes.

        Raises:
            JournalError: It could not be copied; there is no file then.
            FileExistsError: There is one of that name.
        """
        return back_up(self._store, path)

    def close(self) -> None:
        """Close the file and let go of the folder."""
        with self._store.lock:
            if self._store.lost is None:
                with suppress(JournalError):  # then its next start sees that it did not end in good order
                    self._store.read("pragma wal_checkpoint(truncate)")
                    self._mark(is_open=False)
            self._store.close()
            self._folder_lock.close()

    def _append(self, kind: Kind, data: BaseModel, change: Change | None, now: datetime) -> Recorded:
        with self._store.lock:
            recorded = Recorded(self._at.last + 1, new_id(), now)
            row = compose(recorded, kind, data, head=self._at.head, clock=self._clock, boot=self.boot)
            with self._store.writing(f"row {recorded.seq} was not recorded") as db:
                db.execute(
                    "insert into event (epoch, seq, at_ms, kind, body) values (?, ?, ?, ?, ?)",
                    (self._at.epoch, recorded.seq, int(now.timestamp() * 1000), kind.value, row.body),
                )
                if change is not None:
                    change(db, recorded)
            self._at.last, self._at.head = recorded.seq, row.digest
            return recorded

    def _begin(self, renew: str, box: Box | None) -> None:
        """Before the first row: a new epoch if this file cannot go on with its own, and the row that says so."""
        facts = self._at.facts
        here = {} if box is None else {"machine": box.machine, "gate_key": box.key}
        if box is not None:
            here["inode"] = str(self.path.stat().st_ino)
        moved = [name for name, value in here.items() if value and facts.get(name, value) != value]
        renew = renew or facts.get("renew", "")
        if not renew and moved:
            renew = f"the journal came from elsewhere: other {', '.join(moved)}"
        if not renew and self._at.last >= SEQ_MAX:
            renew = f"the numbers of epoch {self._at.epoch} end at {self._at.last}"
        if renew:
            self._say_anew(renew)
        known = {name: value for name, value in here.items() if value}
        self._at.put_facts(boot=self.boot, **known)
        self._mark(is_open=True)

    def _say_anew(self, why: str) -> None:
        """Begin a new epoch; the words stay in the file until the row with them is durable."""
        log.error("journal: new epoch", why=why)
        self._at.put_facts(renew=why)
        self._epochs.renew()

        def change(db: apsw.Connection, _: Recorded) -> None:
            db.execute("delete from meta where key = 'renew'")

        self.append(Kind.DEVICE, DeviceData(device="journal", state="fault", detail=why[:200]), change)

    def _mark(self, *, is_open: bool) -> None:
        """Note how far the journal is; without room for that, less is noticed at the next start."""
        self._next_mark_s = self._clock.monotonic_s() + MARK_EVERY_S
        mark = Mark(epoch=self._at.epoch, last=self._at.last, acked=self._at.acked, is_open=is_open)
        with suppress(OSError):
            self._marks.write(mark)


def _locked(folder: Path) -> IO[str]:
    """The folder's lock, held by this process until it is closed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w", encoding="ascii")
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be written ({error.strerror}): check its owner and disk"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise JournalBusyError(
            f"{folder} is in use by another gate process. Stop it first, or set another [gate] data_dir"
        ) from None
    return lock


def _lets_in(kind: Kind, data: BaseModel) -> bool:
    """Whether somebody is let in by what this row allows: such a row never takes the reserve."""
    if kind is Kind.REGISTRATION:
        return True
    return (
        isinstance(data, DecisionData) and data.outcome is Outcome.GRANT and data.direction is Direction.ENTRY
    )
